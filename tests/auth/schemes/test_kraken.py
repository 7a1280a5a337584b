"""Kraken's two families: what is hashed, what is signed, and where arguments go."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest

from networkpype import Credentials, RESTRequest, SchemeAuth, TimeSynchronizer
from networkpype.auth.schemes.kraken import KrakenFuturesSignature, KrakenSignature
from networkpype.errors import ConfigurationError
from tests.support.vectors import Clock, load

SECRET = base64.b64encode(b"a secret of Kraken").decode()
NONCE = 1_616_492_376_594
URL = "https://api.kraken.com/0/private/AddOrder"
FUTURES = "https://futures.kraken.com/derivatives/api/v3"


def auth(scheme: Any, secret: str = SECRET) -> SchemeAuth:
    return SchemeAuth(
        Credentials(key="a key", secret=secret),
        scheme,
        time_provider=cast("TimeSynchronizer", Clock(NONCE)),
        nonce=lambda: NONCE,
    )


async def spot(params: Any = None, data: Any = None, **options: Any) -> RESTRequest:
    request = RESTRequest("POST", URL, params=params, data=data, **options)  # type: ignore[arg-type]
    return await auth(KrakenSignature()).rest_authenticate(request)


async def futures(method: str, path: str, params: Any = None, data: Any = None) -> RESTRequest:
    request = RESTRequest(method, FUTURES + path, params=params, data=data)  # type: ignore[arg-type]
    return await auth(KrakenFuturesSignature()).rest_authenticate(request)


def headers_of(request: RESTRequest) -> dict[str, str]:
    return dict(request.headers or {})


def spot_signature(request: RESTRequest, nonce: str = str(NONCE)) -> str:
    inner = hashlib.sha256(nonce.encode() + request.body_bytes).digest()
    mac = hmac.new(base64.b64decode(SECRET), request.path.encode() + inner, "sha512")
    return base64.b64encode(mac.digest()).decode()


def futures_signature(argument: bytes, path: str, nonce: str = "") -> str:
    inner = hashlib.sha256(argument + nonce.encode() + path.encode()).digest()
    mac = hmac.new(base64.b64decode(SECRET), inner, "sha512")
    return base64.b64encode(mac.digest()).decode()


class TestSpot:
    async def test_signs_the_vector_of_the_manual(self) -> None:
        [vector] = [
            each for each in load("published")["vectors"] if each["id"] == "kraken-api-sign"
        ]
        own = vector["inputs"]
        data = dict(parse_qsl(own["body"]))
        assert data.pop("nonce") == str(NONCE)
        request = RESTRequest("POST", f"https://api.kraken.com{own['path']}", data=data)  # type: ignore[arg-type]
        request = await auth(KrakenSignature(), own["secret"]).rest_authenticate(request)
        assert request.body_bytes == own["body"].encode()
        assert headers_of(request)["API-Sign"] == vector["expected"]

    async def test_a_form_begins_with_the_nonce(self) -> None:
        request = await spot(data={"pair": "XBTUSD", "oflags": "post,fcib", "validate": True})
        assert request.body_bytes == (
            b"nonce=1616492376594&pair=XBTUSD&oflags=post%2Cfcib&validate=true"
        )
        assert headers_of(request) == {
            "API-Key": "a key",
            "API-Sign": spot_signature(request),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    @pytest.mark.parametrize("nothing", [None, {}])
    async def test_without_arguments_the_nonce_is_all(self, nothing: Any) -> None:
        request = await spot(nothing, nothing)
        assert request.body_bytes == b"nonce=1616492376594"
        assert request.path_qs == "/0/private/AddOrder"

    async def test_params_go_into_the_body(self) -> None:
        request = await spot({"txid": "A"}, {"otp": "1"})
        assert request.path_qs == "/0/private/AddOrder"
        assert request.body_bytes == b"nonce=1616492376594&txid=A&otp=1"
        assert headers_of(request)["API-Sign"] == spot_signature(request)

    async def test_an_encoded_query_goes_into_the_body(self) -> None:
        request = await spot("a=b%20c&d=")
        assert request.body_bytes == b"nonce=1616492376594&a=b%20c&d="

    async def test_a_parameter_twice_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="twice"):
            await spot("a=1&a=2")

    @pytest.mark.parametrize(
        "data",
        [
            {"orders": [{"ordertype": "limit", "price": "1"}], "pair": "XBTUSD"},
            {"orders": ("A", "B")},
            {"ordertype": "trailing-stop", "price": "-5%"},
        ],
    )
    async def test_what_no_form_can_hold_is_json(self, data: dict[str, Any]) -> None:
        request = await spot(data=data)
        expected = {"nonce": str(NONCE), **data}
        assert request.body_bytes == json.dumps(expected, separators=(",", ":")).encode()
        assert headers_of(request)["Content-Type"] == "application/json"
        assert headers_of(request)["API-Sign"] == spot_signature(request)

    async def test_a_mapping_in_a_form_is_named_by_brackets(self) -> None:
        request = await spot(data={"close": {"ordertype": "limit", "price": 1}, "close[x]": "[]"})
        assert request.body_bytes == (
            b"nonce=1616492376594&close[ordertype]=limit&close[price]=1&close[x]=[]"
        )

    async def test_a_manager_s_label_does_not_change_the_form(self) -> None:
        request = await spot(data={"a": "1"}, headers={"content-type": "application/json"})
        assert request.body_bytes == b"nonce=1616492376594&a=1"
        assert headers_of(request)["Content-Type"] == "application/x-www-form-urlencoded"

    @pytest.mark.parametrize(
        ("data", "body"),
        [
            ({"nonce": 7, "a": 1}, b"nonce=7&a=1"),
            ("a=1&nonce=7", b"a=1&nonce=7"),
            (b'{"nonce":7}', b'{"nonce":7}'),
        ],
    )
    async def test_a_nonce_of_the_caller_is_the_one_signed(self, data: Any, body: bytes) -> None:
        request = await spot(data=data)
        assert request.body_bytes == body
        assert headers_of(request)["API-Sign"] == spot_signature(request, "7")

    @pytest.mark.parametrize("data", ["a=1", '{"a":1}', "{", b"", "{}"])
    async def test_a_text_without_a_nonce_is_refused(self, data: Any) -> None:
        with pytest.raises(ConfigurationError, match="nonce"):
            await spot(data=data)

    async def test_a_list_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="mapping"):
            await spot(data=["A"])

    async def test_params_beside_a_text_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="put all into data"):
            await spot({"a": 1}, "nonce=7")


class TestFutures:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
    @pytest.mark.parametrize("place", ["params", "data"])
    async def test_arguments_are_the_query_signed_as_sent(self, method: str, place: str) -> None:
        given: dict[str, Any] = {place: {"symbol": "PI_XBTUSD", "cliOrdId": "a b+é", "size": 1.5}}
        request = await futures(method, "/sendorder", **given)
        query = "symbol=PI_XBTUSD&cliOrdId=a%20b%2B%C3%A9&size=1.5"
        assert request.path_qs == f"/derivatives/api/v3/sendorder?{query}"
        assert request.body_bytes == b""
        assert headers_of(request) == {
            "Accept": "application/json",
            "APIKey": "a key",
            "Authent": futures_signature(query.encode(), "/api/v3/sendorder"),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    async def test_both_places_are_one(self) -> None:
        request = await futures("POST", "/orders/status", {"a": 1}, {"orderIds": ["x", "y"]})
        assert request.query_string == "a=1&orderIds=x&orderIds=y"

    async def test_a_batch_is_a_body(self) -> None:
        request = await futures("POST", "/batchorder", data={"batchOrder": [{"cliOrdId": "é"}]})
        body = 'json={"batchOrder":[{"cliOrdId":"é"}]}'.encode()
        assert (request.query_string, request.body_bytes) == ("", body)
        assert headers_of(request)["Authent"] == futures_signature(body, "/api/v3/batchorder")

    @pytest.mark.parametrize("orders", [{"batchOrder": []}, '{"batchOrder":[]}'])
    async def test_a_batch_in_the_form_of_the_manual(self, orders: Any) -> None:
        data = {"ProcessBefore": "2026-01-01T00:00:00.000Z", "json": orders}
        request = await futures("POST", "/batchorder", data=data)
        assert parse_qsl(request.body_bytes.decode()) == [
            ("ProcessBefore", "2026-01-01T00:00:00.000Z"),
            ("json", '{"batchOrder":[]}'),
        ]
        signature = futures_signature(request.body_bytes, "/api/v3/batchorder")
        assert headers_of(request)["Authent"] == signature

    @pytest.mark.parametrize("body", ["json={}", b"json={}"])
    async def test_a_text_is_sent_as_it_is(self, body: Any) -> None:
        request = await futures("POST", "/batchorder", data=body)
        assert request.body_bytes == b"json={}"
        assert headers_of(request)["Authent"] == futures_signature(b"json={}", "/api/v3/batchorder")

    async def test_history_has_no_derivatives_to_leave_out(self) -> None:
        url = "https://futures.kraken.com/api/history/v2/executions"
        request = RESTRequest("GET", url, params={"count": 5})  # type: ignore[arg-type]
        request = await auth(KrakenFuturesSignature()).rest_authenticate(request)
        signature = futures_signature(b"count=5", "/api/history/v2/executions")
        assert headers_of(request)["Authent"] == signature

    async def test_a_nonce_where_it_is_wanted(self) -> None:
        request = RESTRequest("GET", f"{FUTURES}/accounts")  # type: ignore[arg-type]
        request = await auth(KrakenFuturesSignature(sends_nonce=True)).rest_authenticate(request)
        assert headers_of(request)["Nonce"] == str(NONCE)
        signature = futures_signature(b"", "/api/v3/accounts", str(NONCE))
        assert headers_of(request)["Authent"] == signature


async def test_a_secret_that_is_no_base64_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        await auth(KrakenSignature(), "not*base64*at*all").rest_authenticate(
            RESTRequest("POST", URL)  # type: ignore[arg-type]
        )
    assert "not*base64" not in str(caught.value)
    assert caught.value.__context__ is None
