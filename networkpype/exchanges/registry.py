"""Find an exchange by its name; each module is imported when it is first asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.exchanges.exchange import Exchange
from networkpype.time_synchronizer import TimeSynchronizer

if TYPE_CHECKING:
    from networkpype.auth.access_tokens import TokenStore
    from networkpype.signing.nonces import NonceSource

__all__ = ["exchange", "exchange_auth", "names"]

# Name -> module and what it is called there.
_PLACES: dict[str, tuple[str, str]] = {
    "binance": ("binance", "BINANCE"),
    "binance-margin": ("binance", "MARGIN"),
    "binance-usdm": ("binance_usdm", "BINANCE_USDM"),
    "binance-ws-api": ("binance_ws_api", "BINANCE_WS_API"),
    "backpack": ("backpack", "BACKPACK"),
    "bingx": ("bingx", "BINGX"),
    "bitfinex": ("bitfinex", "BITFINEX"),
    "bitget": ("bitget", "BITGET"),
    "bitmart": ("bitmart", "BITMART"),
    "bitmart-contract": ("bitmart", "BITMART_CONTRACT"),
    "bitmex": ("bitmex", "BITMEX"),
    "bitstamp": ("bitstamp", "BITSTAMP"),
    "bybit": ("bybit", "BYBIT"),
    "coinbase": ("coinbase", "COINBASE"),
    "coinbaseexchange": ("coinbaseexchange", "COINBASE_EXCHANGE"),
    "coinex": ("coinex", "COINEX"),
    "coinex-futures": ("coinex", "COINEX_FUTURES"),
    "cryptocom": ("cryptocom", "CRYPTOCOM"),
    "deribit": ("deribit", "DERIBIT"),
    "ethgas": ("ethgas", "ETHGAS"),
    "gate": ("gate", "GATE"),
    "gate-ws-api": ("gate", "GATE_WS_API"),
    "gemini": ("gemini", "GEMINI"),
    "htx": ("htx", "HTX"),
    "htx-contract": ("htx_contract", "HTX_CONTRACT"),
    "hyperliquid": ("hyperliquid", "HYPERLIQUID"),
    "kraken": ("kraken", "KRAKEN"),
    "krakenfutures": ("krakenfutures", "KRAKEN_FUTURES"),
    "kucoin": ("kucoin", "KUCOIN"),
    "kucoin-futures": ("kucoin", "KUCOIN_FUTURES"),
    "mexc": ("mexc", "MEXC"),
    "mexc-contract": ("mexc_contract", "MEXC_CONTRACT"),
    "okx": ("okx", "OKX"),
    "phemex": ("phemex", "PHEMEX"),
    "whitebit": ("whitebit", "WHITEBIT"),
    "woo": ("woo", "WOO"),
}


def names() -> list[str]:
    """Return the names of all exchanges, variants as ``binance-usdm``, in order."""
    return sorted(_PLACES)


def exchange(name: str, *, sandbox: bool = False) -> Exchange:
    """Return the data of an exchange, or of its sandbox.

    Raises ConfigurationError for an unknown name and for a sandbox that does not exist.
    """
    if name not in _PLACES:
        near = difflib.get_close_matches(str(name).lower(), _PLACES, n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise ConfigurationError(f'no exchange "{name}"; {hint}known: {", ".join(names())}')
    module, attribute = _PLACES[name]
    found: Exchange = getattr(import_module(f"networkpype.exchanges.{module}"), attribute)
    if not sandbox:
        return found
    if found.sandbox is None:
        raise ConfigurationError(
            f"{name} has no sandbox that is known here, and the live exchange never takes its "
            "place; leave out sandbox=True to trade with real money"
        )
    return found.sandbox


def exchange_auth(
    name: str | Exchange,
    credentials: Credentials,
    *,
    time_provider: TimeSynchronizer | None = None,
    nonce: Callable[[], int | str] | NonceSource | None = None,
    new_id: Callable[[], int | str] | None = None,
    token_store: TokenStore | None = None,
    sandbox: bool = False,
    throttler_limit_id: str = "",
) -> SchemeAuth:
    """Build the auth of an exchange, bound to the exchange's own origins.

    `name` may be an `Exchange` as well: your own, or one `at` another address. Credentials that
    name `origins` are bound to those instead. `throttler_limit_id` is the rate limit of the REST
    calls that a socket's login makes, for a listen key or a token. Several processes share nonces
    by `nonce`, a `RedisNonces`, and an access token by `token_store`, a `RedisTokens`.

    Raises MissingCredentialsError where a field is lacking that the exchange asks for, or the file
    of a private key, and ConfigurationError where that file is blank or others may read it. A
    package that a signature needs is missed by the first signature: MissingExtraError, with the pip
    command.
    """
    if not isinstance(name, Exchange):
        found = exchange(name, sandbox=sandbox)
    elif sandbox:
        raise ConfigurationError(
            f"{name.name} is given as an Exchange; pass the one of its sandbox instead"
        )
    else:
        found = name
    if not isinstance(credentials, Credentials):
        raise ConfigurationError(
            f"credentials is a {type(credentials).__name__}; pass Credentials(key=..., ...)"
        )
    credentials.require(*found.needs, by=found.name)
    if credentials.private_key_path is not None:
        credentials.reveal("private_key")  # so that a file that is not there is told of here
    return SchemeAuth(
        credentials,
        found.scheme,
        found.pattern,
        time_provider=time_provider,
        nonce=nonce,
        new_id=new_id,
        nonce_unit=found.nonce_unit,
        token_store=token_store,
        origins=found.origins,
        domains=found.domains,
        throttler_limit_id=throttler_limit_id,
        name=found.name,
    )
