"""OKX, API v5.

Sources (read 2026-07): https://www.okx.com/docs-v5/en/#overview-rest-authentication,
https://github.com/okxapi/python-okx.
"""

from __future__ import annotations

from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.methods import HMAC

__all__ = ["OKX"]

OKX = Exchange(
    name="okx",
    rest_url="https://www.okx.com",
    hosts=("aws.okx.com", "eea.okx.com", "us.okx.com"),
    needs=("key", "secret", "passphrase"),
    scheme=HeaderSignature(
        message="{timestamp}{method}{path_qs}{body}",
        headers={
            "OK-ACCESS-KEY": "{key}",
            "OK-ACCESS-SIGN": "{signature}",
            "OK-ACCESS-TIMESTAMP": "{timestamp}",
            "OK-ACCESS-PASSPHRASE": "{passphrase}",
        },
        signing=HMAC("sha256", "base64"),
        timestamp="iso ms",
    ),
)
