"""An instruction and the sorted arguments are signed, wherever the caller put them."""

from __future__ import annotations

import base64
from typing import Any, cast
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from networkpype import RESTRequest, TimeSynchronizer
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.instruction import InstructionSignature
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from tests.support.vectors import Clock

BASE = "https://api.backpack.exchange"
SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
CREDENTIALS = Credentials(
    key=base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
    secret=base64.b64encode(SEED).decode(),
)
INSTRUCTIONS = {
    "GET /orders": "orderQueryAll",
    "POST /order": "orderExecute",
    "POST /orders": "orderExecute",
    "DELETE /order": "orderCancel",
}


def auth_of(**options: Any) -> SchemeAuth:
    scheme = InstructionSignature(**({"instructions": INSTRUCTIONS} | options))
    clock = cast("TimeSynchronizer", Clock(1750793021519))
    return SchemeAuth(CREDENTIALS, scheme, time_provider=clock)


async def signed(
    method: str,
    path: str,
    auth: SchemeAuth | None = None,
    *,
    params: Any = None,
    data: Any = None,
) -> Any:
    request = RESTRequest(method, BASE + path, params=params, data=data)  # type: ignore[arg-type]
    return await (auth or auth_of()).rest_authenticate(request)


def assert_signs(request: RESTRequest, text: str) -> None:
    """Have the public key verify the signature over this text."""
    signature = (request.headers or {})["X-Signature"]
    KEY.public_key().verify(base64.b64decode(signature), text.encode())


END = "&timestamp=1750793021519&window=5000"


async def test_the_page_s_batch_is_signed_order_by_order() -> None:
    # https://docs.backpack.exchange/#section/Authentication/Signing-requests (2026-07)
    orders = [
        {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": p, "quantity": q}
        for p, q in (("141", "12"), ("140", "11"))
    ]
    request = await signed("POST", "/orders", data=orders)
    assert_signs(
        request,
        "instruction=orderExecute&orderType=Limit&price=141&quantity=12&side=Bid&"
        "symbol=SOL_USDC_PERP&instruction=orderExecute&orderType=Limit&price=140&quantity=11&"
        "side=Bid&symbol=SOL_USDC_PERP&timestamp=1750793021519&window=5000",
    )
    assert request.body_bytes.startswith(
        b'[{"symbol":"SOL_USDC_PERP","side":"Bid","orderType":"Limit","price":"141"'
    )


async def test_a_query_is_sorted_where_it_is_sent_too() -> None:
    request = await signed("GET", "/orders?symbol=A%2CB", params={"limit": 5, "from": 1})
    assert request.path_qs == "/orders?from=1&limit=5&symbol=A%2CB"
    assert request.body_bytes == b""
    assert "Content-Type" not in request.headers
    assert_signs(request, "instruction=orderQueryAll&from=1&limit=5&symbol=A%2CB" + END)


@pytest.mark.parametrize(("method", "path"), [("GET", "/orders"), ("POST", "/order")])
async def test_arguments_are_taken_from_either_place(method: str, path: str) -> None:
    arguments = {"symbol": "SOL_USDC", "postOnly": True, "clientId": 7}
    one = await signed(method, path, params=arguments)
    other = await signed(method, path, data=arguments)
    assert (one.path_qs, one.body_bytes, one.headers) == (
        other.path_qs,
        other.body_bytes,
        other.headers,
    )
    name = INSTRUCTIONS[f"{method} {path}"]
    assert_signs(one, f"instruction={name}&clientId=7&postOnly=true&symbol=SOL_USDC" + END)


@pytest.mark.parametrize("nothing", [None, {}, "", b""])
async def test_nothing_in_a_body_is_an_empty_object(nothing: Any) -> None:
    request = await signed("DELETE", "/order", data=nothing)
    assert request.body_bytes == b"{}"
    assert request.headers["Content-Type"] == "application/json"
    assert_signs(request, "instruction=orderCancel" + END)


async def test_a_get_without_arguments() -> None:
    request = await signed("GET", "/orders")
    assert request.path_qs == "/orders"
    assert_signs(request, "instruction=orderQueryAll" + END)


@pytest.mark.parametrize("as_bytes", [False, True])
async def test_a_body_of_the_caller_s_own_is_sent_as_it_is(as_bytes: bool) -> None:
    text = '{"symbol": "é", "a": 1}'
    request = await signed("POST", "/order", data=text.encode() if as_bytes else text)
    assert request.body_bytes == text.encode()
    assert_signs(request, "instruction=orderExecute&a=1&symbol=%C3%A9" + END)


@pytest.mark.parametrize("body", ["PLANTED", "[1]", "1", b"\xff", '"PLANTED"', [1]])
async def test_a_body_that_is_no_object_is_an_error(body: Any) -> None:
    with pytest.raises(ConfigurationError, match="no JSON object, nor a list") as caught:
        await signed("POST", "/order", data=body)
    assert "PLANTED" not in str(caught.value)


async def test_a_get_takes_no_text_as_its_body() -> None:
    with pytest.raises(ConfigurationError, match=r"GET has no body.*pass params="):
        await signed("GET", "/orders", data="a=1")


async def test_none_is_refused_rather_than_signed_as_something() -> None:
    with pytest.raises(ConfigurationError, match="leave out what is None"):
        await signed("POST", "/order", data={"price": None})


async def test_an_unknown_path_says_how_to_add_it_and_adding_it_helps() -> None:
    with pytest.raises(ConfigurationError, match=r'INSTRUCTIONS, "GET /new": "\.\.\."'):
        await signed("GET", "/new")
    auth = auth_of(instructions={**INSTRUCTIONS, "GET /new": "newQuery"})
    assert_signs(await signed("GET", "/new", auth), "instruction=newQuery" + END)


async def test_the_window_is_signed_and_sent() -> None:
    request = await signed("GET", "/orders", auth_of(window_ms=60000))
    assert request.headers["X-Window"] == "60000"
    assert_signs(request, "instruction=orderQueryAll&timestamp=1750793021519&window=60000")


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), st.booleans()),
        min_size=1,
    )
)
async def test_what_is_signed_is_what_is_sent(arguments: dict[str, Any]) -> None:
    request = await signed("POST", "/order", data=arguments)
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in sorted(arguments.items())
    }
    query = urlencode(texts, quote_via=quote, safe="")
    assert_signs(request, f"instruction=orderExecute&{query}" + END)
