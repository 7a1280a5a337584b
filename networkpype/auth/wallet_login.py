"""The login of a wallet: a typed message by REST, signed, and exchanged for an access token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype import codec
from networkpype.auth.identity import Identity
from networkpype.auth.patterns.base import RESTCaller
from networkpype.auth.patterns.rules import value_at
from networkpype.errors import AuthenticationError, ConfigurationError
from networkpype.rest.method import RESTMethod
from networkpype.signing.methods import SigningMethod
from networkpype.signing.typed_data import EVM, TypedData, is_address

__all__ = ["WalletLogin"]

_NOBODY = "0x" + "0" * 40


@dataclass(frozen=True, kw_only=True)
class WalletLogin:
    """Ask `login_url` for a message to sign (EIP-712) and send the signature to `verify_url`.

    The exchange chooses what is signed, and a wallet's signature can spend. So nothing is signed
    but a message of the domain `domain_name`, for no contract, that holds the nonce it came with.
    """

    login_url: str
    verify_url: str
    domain_name: str
    signing: SigningMethod = field(default_factory=EVM)

    async def run(self, rest: RESTCaller, identity: Identity, throttler_limit_id: str = "") -> Any:
        """Return the answer of `verify_url`, with the token in it."""
        # A private key in its place would be sent.
        if not is_address(identity.wallet):
            raise ConfigurationError(
                "the wallet is no address: 40 hex digits behind 0x; nothing was sent"
            )
        asked = await rest.execute_request(
            url=self.login_url,
            throttler_limit_id=throttler_limit_id,
            params={"addr": identity.wallet},
            method=RESTMethod.POST,
        )
        nonce = value_at(asked, "data.nonceHash")
        message = _parsed(value_at(asked, "data.eip712Message"))
        digest = self._digest(message, nonce)
        return await rest.execute_request(
            url=self.verify_url,
            throttler_limit_id=throttler_limit_id,
            params={
                "addr": identity.wallet,
                "nonceHash": nonce,
                "signature": identity.sign(self.signing, digest),
            },
            method=RESTMethod.POST,
        )

    def _digest(self, message: Any, nonce: Any) -> bytes:
        types, primary = value_at(message, "types"), value_at(message, "primaryType")
        domain, content = value_at(message, "domain"), value_at(message, "message")
        if (
            not isinstance(types, Mapping)
            or not isinstance(content, Mapping)
            or not isinstance(domain, Mapping)
            or domain.get("name") != self.domain_name
            or domain.get("verifyingContract", _NOBODY) != _NOBODY
            or not isinstance(nonce, str)
            or content.get("hash") != nonce
        ):
            raise AuthenticationError(
                f'what came to be signed is no "{self.domain_name}" message; nothing was signed'
            )
        try:
            structs = {
                name: [(member["name"], member["type"]) for member in members]
                for name, members in types.items()
                if name != "EIP712Domain"
            }
            return TypedData(domain, structs, str(primary)).digest(content)
        # What comes of types that are malformed, or nested without an end.
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            problem = type(error).__name__
        raise AuthenticationError(
            f"the message to sign is malformed ({problem}); nothing was signed"
        )


def _parsed(message: Any) -> Any:
    if not isinstance(message, str):
        return message
    try:
        return codec.loads(message)
    except ValueError:
        return None  # refused as no message of the kind
