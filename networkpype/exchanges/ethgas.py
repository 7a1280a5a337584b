"""ETHGas.

Sources (read 2026-07): https://docusaurus.ethgas.com/docs/overview/connect,
https://docusaurus.ethgas.com/docs/traders/api/authentication, and ETHGas's page "WebSocket
Authentication" (hosts ws.ethgas.com and api.ethgas.com), from which the login frame is.

The pages disagree on how a WebSocket shows its token, in a login frame or in a header of the
handshake, so both are done. An access token is good for 1 h, a session for 7 days.

Credentials: `key` is an access token, `secret` a refresh token, either alone will do; or `wallet`
and `private_key`, for the login of the wallet (extra ``evm``).
"""

from __future__ import annotations

from dataclasses import dataclass

from networkpype.auth.access_tokens import AccessTokens
from networkpype.auth.patterns.access_token import AccessTokenLogin
from networkpype.auth.schemes.bearer import BearerToken
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.wallet_login import WalletLogin
from networkpype.errors import MissingCredentialsError
from networkpype.exchanges.exchange import Exchange

__all__ = ["ETHGAS", "AccessTokenScheme"]


@dataclass(kw_only=True, eq=False, repr=False)
class AccessTokenScheme(BearerToken):
    """Place the access token that the identity has at that time."""

    def token(self, draft: Draft) -> str:
        token = AccessTokens.of(draft.identity).access
        if not token:
            raise MissingCredentialsError(
                "there is no access token; pass Credentials(key=...) with one, or get one before: "
                "await auth.ws_pattern.renew(rest)"
            )
        return token


def _logins(api: str, url: str) -> AccessTokenLogin:
    return AccessTokenLogin(
        url=url,
        refresh_url=f"{api}/api/v1/user/login/refresh",
        lifetime_s=3600,
        wallet_login=WalletLogin(
            login_url=f"{api}/api/v1/user/login",
            verify_url=f"{api}/api/v1/user/login/verify",
            domain_name="ETHGas Login",
        ),
    )


_SOURCES = (
    "https://docusaurus.ethgas.com/docs/overview/connect",
    "https://docusaurus.ethgas.com/docs/traders/api/authentication",
)

ETHGAS = Exchange(
    name="ethgas",
    rest_url="https://api.ethgas.com",
    hosts=("mainnet.app.ethgas.com",),
    needs=("key|secret|private_key",),
    scheme=AccessTokenScheme(),
    pattern=_logins("https://api.ethgas.com", "wss://ws.ethgas.com"),
    sources=_SOURCES,
    sandbox=Exchange(
        name="ethgas testnet",
        # Only the public site names a REST address of the test network.
        rest_url="https://hoodi.app.ethgas.com",
        needs=("key|secret|private_key",),
        scheme=AccessTokenScheme(),
        pattern=_logins("https://hoodi.app.ethgas.com", "wss://testnet-ws.ethgas.com"),
        sources=_SOURCES,
    ),
)
