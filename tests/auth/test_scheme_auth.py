"""What `SchemeAuth` refuses to sign, whatever the scheme."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.exchanges import exchange, exchange_auth
from networkpype.rest.method import RESTMethod
from networkpype.rest.request import RESTRequest

CREDENTIALS = Credentials(key="key-000000", secret="c2VjcmV0c2VjcmV0c2VjcmV0", memo="memo-000")
SCHEME = HeaderSignature(message="{path_qs}", headers={"Signature": "{signature}"})


@pytest.mark.parametrize(
    "origins",
    ["https://api.example.com", ["https://api.example.com/"], {"HTTPS://API.example.com:443"}],
)
async def test_an_origin_is_meant_however_it_is_written(origins: Any) -> None:
    auth = SchemeAuth(CREDENTIALS, SCHEME, origins=origins)
    request = RESTRequest(RESTMethod.GET, "https://api.example.com/orders")
    signed = await auth.rest_authenticate(request)
    assert signed.headers
    with pytest.raises(ConfigurationError, match="none of the origins"):
        await auth.rest_authenticate(RESTRequest(RESTMethod.GET, "https://example.com/orders"))


def test_an_origin_without_encryption_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="use https://"):
        SchemeAuth(CREDENTIALS, SCHEME, origins=["http://api.example.com"])


@pytest.mark.parametrize("name", ["gate", "gemini", "kraken", "krakenfutures", "okx", "whitebit"])
@pytest.mark.parametrize("data", ["nonce=1&note=PRIVATE\ud800", {"note": "PRIVATE\ud800"}])
async def test_what_no_text_can_carry_is_an_error_that_shows_nothing(name: str, data: Any) -> None:
    credentials = CREDENTIALS.model_copy(update={"passphrase": "passphrase"})
    request = RESTRequest(RESTMethod.POST, exchange(name).rest_url + "/0/private/x", data=data)
    with pytest.raises(ConfigurationError) as refused:
        await exchange_auth(name, credentials).rest_authenticate(request)
    assert refused.value.__context__ is None
    assert "PRIVATE" not in str(refused.value)
