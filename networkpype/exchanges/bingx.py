"""BingX: spot, perpetual and standard futures.

Signed is the query sorted by name and as it was before its percent-encoding; the page asks for
sorting and encoding in some cases only, and both are allowed in all. A list is JSON (swapV2
trade-api, "Bulk order": ``batchOrders=[{"symbol":"ETH-USDT","type":"MARKET",...}]``). ccxt writes
it as Python does, ``[{'symbol': 'ETH-USDT'}]``, which is no JSON, and texts in lists without their
quotes; the page wins. POST requests to sub-accounts and transfers carry their arguments and the
signature as JSON (authentication, "sending parameters through request body").

A listen key lives one hour and is signed for; PUT prolongs it. Frames are gzip.

Sources (read 2026-07): https://bingx-api.github.io/docs/#/en-us/swapV2/authentication.html,
https://bingx-api.github.io/docs/#/en-us/swapV2/trade-api.html,
https://bingx-api.github.io/docs/#/en-us/swapV2/socket/listenKey.html.
"""

from __future__ import annotations

from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.query import JSONSignature, QuerySignature
from networkpype.exchanges.exchange import Exchange

__all__ = ["BINGX"]

_KEY_HEADER = "X-BX-APIKEY"

_QUERY = QuerySignature(
    key_header=_KEY_HEADER,
    stamp="sorted",
    raw=True,
    # swapV2 trade-api, "Cancel multiple orders": orderIdList=[1234567,2345678].
    numbers=frozenset({"orderidlist"}),
)
_BODY = JSONSignature(key_header=_KEY_HEADER, otherwise=_QUERY)
_SCHEME = ByPath(
    default=_QUERY,
    prefixes={"/openApi/subAccount/": _BODY, "/openApi/account/transfer/": _BODY},
)


def _pattern(rest_url: str, stream: str) -> ListenKey:
    return ListenKey(
        url=f"{stream}?listenKey={{listen_key}}",
        compression="gzip",
        key_url=f"{rest_url}/openApi/user/auth/userDataStream",
        names_key=True,
    )


# Perpetual futures stream on wss://open-api-swap.bingx.com/swap-market, with the same key. The
# virtual money of the sandbox is for those alone.
BINGX = Exchange(
    name="bingx",
    rest_url="https://open-api.bingx.com",
    hosts=("open-api.bingx.io", "open-api.bingx.pro"),
    scheme=_SCHEME,
    pattern=_pattern("https://open-api.bingx.com", "wss://open-api-ws.bingx.com/market"),
    sandbox=Exchange(
        name="bingx sandbox",
        rest_url="https://open-api-vst.bingx.com",
        scheme=_SCHEME,
        pattern=_pattern(
            "https://open-api-vst.bingx.com", "wss://vst-open-api-ws.bingx.com/swap-market"
        ),
    ),
)
