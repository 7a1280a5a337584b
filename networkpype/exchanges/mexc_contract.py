"""MEXC contracts (futures).

Signed are the key, the time and what the arguments are as they travel: the JSON body of a POST,
else the query, sorted by name and percent-encoded with upper-case escapes and %20.

Sources (read 2026-07): https://www.mexc.com/api-docs/futures/integration-guide,
https://www.mexc.com/api-docs/futures/websocket-api. The login frame is not on a page that could be
read; it is as ccxt sends it.
"""

from __future__ import annotations

from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.rules import accepted, rejected
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.exchanges.exchange import Exchange

__all__ = ["CONTRACT_SCHEME", "HOSTS", "MEXC_CONTRACT"]

HOSTS = ("api.mexc.com", "contract.mexc.com")

CONTRACT_SCHEME = HeaderSignature(
    message="{key}{timestamp}{query}{body}",
    headers={"ApiKey": "{key}", "Request-Time": "{timestamp}", "Signature": "{signature}"},
    layout=Layout(sort_query=True, empty_body="{}"),
    content_type="application/json",
)

MEXC_CONTRACT = Exchange(
    name="mexc-contract",
    rest_url="https://api.mexc.com",
    hosts=HOSTS,
    scheme=CONTRACT_SCHEME,
    pattern=FrameLogin(
        url="wss://contract.mexc.com/edge",
        message="{key}{timestamp}",
        frame={
            "method": "login",
            "param": {"apiKey": "{key}", "signature": "{signature}", "reqTime": "{timestamp}"},
        },
        rules=[
            accepted({"channel": "rs.login", "data": "success"}),
            rejected({"channel": "rs.login"}, "data"),
            rejected({"channel": "rs.error"}, "data"),
        ],
    ),
)
