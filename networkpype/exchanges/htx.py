"""HTX (Huobi), spot.

Sources (read 2026-07): https://huobiapi.github.io/docs/spot/v1/en/#authentication,
https://github.com/HuobiRDCenter/huobi_Python (utils/api_signature.py, api_signature_v2.py).

The page wants all parameters in one ASCII order. ccxt puts its own four before the caller's, which
is another order for names that begin with a capital letter below "Timestamp".

The frames of this socket are plain, those of the market's ``/ws`` are gzip: there a connection
wants ``connect(..., compression="gzip")`` (htx.com/support/900000014146, "Message Compression",
read 2026-11-21). The test network is gone, so there is no sandbox.
"""

from __future__ import annotations

from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.auth.patterns.signed_query import SignedQueryLogin
from networkpype.auth.schemes.host_query import HostQuerySignature
from networkpype.exchanges.exchange import Exchange

__all__ = ["HTX"]

_ACK = {"action": "req", "ch": "auth"}

HTX = Exchange(
    name="htx",
    rest_url="https://api.huobi.pro",
    # One key serves spot and contracts; -aws is the same service, nearer to its cloud.
    hosts=("api-aws.huobi.pro", "api.htx.com", "api.hbdm.com", "api.hbdm.vn"),
    scheme=HostQuerySignature(),
    pattern=SignedQueryLogin(
        url="wss://api.huobi.pro/ws/v2",
        key_name="accessKey",
        method_name="signatureMethod",
        version_name="signatureVersion",
        timestamp_name="timestamp",
        signature_name="signature",
        version="2.1",
        constants={"authType": "api"},
        within="params",
        frame={"action": "req", "ch": "auth"},
        rules=[
            accepted({**_ACK, "code": 200}),
            accepted({"ch": "auth", "code": Seen.ABSENT, "message": Seen.ABSENT}),
            # Too many requests or connections, or a fault of theirs: a later try may do.
            rejected({**_ACK, "code": (429, 500, 4000)}, "message", "code", definite=False),
            rejected({**_ACK, "code": Seen.ANY}, "message", "code"),
        ],
    ),
    sources=(
        "https://huobiapi.github.io/docs/spot/v1/en/#authentication",
        "https://github.com/HuobiRDCenter/huobi_Python",
    ),
)
