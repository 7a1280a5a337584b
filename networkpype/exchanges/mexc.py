"""MEXC spot, and contracts under their own paths.

The arguments of every method may be a query (general-info, "SIGNED"); so they are, and the type of
a POST is application/json all the same. ccxt signs the stamps alone of POST requests to
/api/v3/broker; the page signs all that is sent.

A user stream takes a listen key, which other than Binance's is signed for. Its messages are
protobuf. PUT prolongs it for 60 minutes, 60 keys a user, 5 connections a key.

Sources (read 2026-07): https://www.mexc.com/api-docs/spot-v3/general-info,
https://www.mexc.com/api-docs/spot-v3/websocket-user-data-streams,
https://github.com/mexcdevelop/apidocs (spot_v3_en).
"""

from __future__ import annotations

from networkpype.auth.patterns.listen_key import ListenKey
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.query import QuerySignature
from networkpype.exchanges.exchange import Exchange
from networkpype.exchanges.mexc_contract import CONTRACT_SCHEME, HOSTS

__all__ = ["MEXC"]

MEXC = Exchange(
    name="mexc",
    rest_url="https://api.mexc.com",
    hosts=HOSTS,
    scheme=ByPath(
        prefixes={"/api/v1/": CONTRACT_SCHEME},
        default=QuerySignature(
            key_header="X-MEXC-APIKEY",
            recv_window="5000",
            typed=frozenset({"POST", "PUT", "DELETE"}),
        ),
    ),
    pattern=ListenKey(
        url="wss://wbs-api.mexc.com/ws?listenKey={listen_key}",
        key_url="https://api.mexc.com/api/v3/userDataStream",
        names_key=True,
        # "listen key information error", to a PUT of one that ended:
        # https://github.com/mexcdevelop/mexc-api-demo/issues/35
        gone=("730708",),
    ),
)
