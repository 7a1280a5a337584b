"""HTX (Huobi), derivatives: USDT-margined and coin-margined swaps, and coin-margined futures.

Sources (read 2026-07): https://huobiapi.github.io/docs/usdt_swap/v1/en/,
https://github.com/hbdmapi/huobi_futures_Python.

The pattern dials the USDT-margined swaps. Those with coins as margin have sockets of their own:
``dataclasses.replace(HTX_CONTRACT.pattern, url="wss://api.hbdm.com/swap-notification")``, and
``/notification`` for futures. Frames are compressed (gzip).
"""

from __future__ import annotations

from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.patterns.signed_query import SignedQueryLogin
from networkpype.auth.schemes.host_query import HostQuerySignature
from networkpype.exchanges.exchange import Exchange

__all__ = ["HTX_CONTRACT"]

_ACK = {"op": "auth"}

HTX_CONTRACT = Exchange(
    name="htx-contract",
    rest_url="https://api.hbdm.com",
    hosts=("api.hbdm.vn", "api.btcgateway.pro", "api.huobi.pro"),
    scheme=HostQuerySignature(),
    pattern=SignedQueryLogin(
        url="wss://api.hbdm.com/linear-swap-notification",
        compression="gzip",
        key_name="AccessKeyId",
        method_name="SignatureMethod",
        version_name="SignatureVersion",
        timestamp_name="Timestamp",
        signature_name="Signature",
        version="2",
        constants={"op": "auth", "type": "api"},
        rules=[
            accepted({**_ACK, "err-code": 0}),
            rejected({**_ACK, "err-code": (429, 500, 4000)}, "err-msg", "err-code", definite=False),
            rejected({**_ACK, "err-code": Seen.ANY}, "err-msg", "err-code"),
        ],
    ),
    sources=(
        "https://huobiapi.github.io/docs/usdt_swap/v1/en/",
        "https://github.com/hbdmapi/huobi_futures_Python",
    ),
)
