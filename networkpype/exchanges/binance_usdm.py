"""Binance USD-M futures; COIN-M and portfolio margin differ in their addresses alone.

A listen key comes for the API key alone, unsigned and without a body (ccxt puts ``subType=None``
there). It lives 60 minutes, PUT prolongs it, and -1125 tells that it is no more.

Sources (read 2026-07):
https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info,
https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams,
https://developers.binance.com/en/docs/products/derivatives-trading-portfolio-margin/user-data-streams.
"""

from __future__ import annotations

from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.exchanges.binance import HOSTS, SANDBOX_HOSTS, SCHEME
from networkpype.exchanges.exchange import Exchange

__all__ = ["BINANCE_USDM"]

BINANCE_USDM = Exchange(
    name="binance-usdm",
    rest_url="https://fapi.binance.com",
    hosts=HOSTS,
    needs=("key", "secret|private_key"),
    scheme=SCHEME,
    # Private streams have a path of their own since 2026-04-23.
    pattern=ListenKey(
        url="wss://fstream.binance.com/private/ws?listenKey={listen_key}",
        key_url="https://fapi.binance.com/fapi/v1/listenKey",
        gone=("-1125",),
    ),
    sandbox=Exchange(
        name="binance-usdm sandbox",
        rest_url="https://testnet.binancefuture.com",
        hosts=SANDBOX_HOSTS,
        needs=("key", "secret|private_key"),
        scheme=SCHEME,
        pattern=ListenKey(
            url="wss://fstream.binancefuture.com/ws/{listen_key}",
            key_url="https://testnet.binancefuture.com/fapi/v1/listenKey",
            gone=("-1125",),
        ),
    ),
)
