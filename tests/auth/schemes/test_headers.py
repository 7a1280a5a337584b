"""The family of header signatures: data in, four steps out."""

from __future__ import annotations

import hashlib
import hmac
from itertools import count
from typing import Any

import pytest

from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.errors import ConfigurationError
from networkpype.signing.methods import HMAC
from tests.support.signers import a_request, an_identity

MESSAGE = "{timestamp}{method}{path_qs}{body}"
HEADERS = {"X-Key": "{key}", "X-Time": "{timestamp}", "X-Sign": "v1={signature}", "X-Mark": "1"}


def a_scheme(**more: Any) -> HeaderSignature:
    return HeaderSignature(**({"message": MESSAGE, "headers": HEADERS} | more))


def mac(text: str, algorithm: str = "sha256", key: bytes = b"a-secret") -> str:
    return hmac.new(key, text.encode(), algorithm).hexdigest()


def test_the_message_is_signed_and_the_headers_are_filled_in() -> None:
    request = a_request("POST", params={"q": "é"}, data={"n": 1})
    signed = a_scheme().sign(request, an_identity())
    assert signed is request
    assert signed.headers == {
        "X-Key": "a-key",
        "X-Time": "1700000000123",
        "X-Sign": "v1=" + mac('1700000000123POST/v1/x?q=%C3%A9{"n":1}'),
        "X-Mark": "1",
        "Content-Type": "application/json",
    }
    assert signed.path_qs == "/v1/x?q=%C3%A9"
    assert signed.body_bytes == b'{"n":1}'


def test_the_steps_make_what_signing_makes() -> None:
    scheme, told = a_scheme(), []
    request = a_request(params={"a": 1})
    for name, draft in scheme.steps(request, an_identity()):
        told.append(name)
        if name == "string to sign":
            assert draft.string_to_sign == "1700000000123GET/v1/x?a=1"
        if name == "signature":
            assert draft.signature == mac("1700000000123GET/v1/x?a=1")
            assert request.headers is None
    assert told == ["canonical", "string to sign", "signature", "placing"]
    assert request.headers == scheme.sign(a_request(params={"a": 1}), an_identity()).headers


@pytest.mark.parametrize(
    ("timestamp", "now", "expires"),
    [
        ("s", "1700000000", "1700000060"),
        ("ms", "1700000000123", "1700000060123"),
        ("us", "1700000000123000", "1700000060123000"),
        ("iso ms", "2023-11-14T22:13:20.123Z", "2023-11-14T22:14:20.123Z"),
    ],
)
def test_time_and_expiry_have_one_form(timestamp: str, now: str, expires: str) -> None:
    scheme = a_scheme(
        timestamp=timestamp, expires_in_s=60, headers={"T": "{timestamp}", "E": "{expires}"}
    )
    assert scheme.sign(a_request(), an_identity()).headers == {"T": now, "E": expires}


def test_each_request_has_a_nonce_of_its_own() -> None:
    numbers = count(7)
    identity = an_identity(nonce=lambda: next(numbers))
    scheme = a_scheme(message="{nonce}", headers={"N": "{nonce}", "S": "{signature}"})
    signed = [scheme.sign(a_request(), identity).headers for _ in range(2)]
    assert signed == [{"N": "7", "S": mac("7")}, {"N": "8", "S": mac("8")}]


def test_a_nonce_may_stand_in_a_header_alone() -> None:
    headers = (
        a_scheme(headers={"N": "{nonce}"})
        .sign(a_request(), an_identity(nonce=lambda: "once"))
        .headers
    )
    assert headers == {"N": "once"}


def test_no_nonce_is_used_up_where_none_is_asked_for() -> None:
    def never() -> int:
        raise AssertionError("a nonce was taken")

    a_scheme().sign(a_request(), an_identity(nonce=never))


def test_an_expiry_that_nobody_set_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="asks for expires"):
        a_scheme(message="{expires}").sign(a_request(), an_identity())


def test_the_window_and_the_type_are_settings() -> None:
    scheme = a_scheme(
        message="{recv_window}", headers={"W": "{recv_window}"}, recv_window="9", content_type="a/b"
    )
    assert scheme.sign(a_request(), an_identity()).headers == {"W": "9", "Content-Type": "a/b"}


def test_the_layout_comes_before_the_message() -> None:
    scheme = a_scheme(layout=Layout(sort_query=True, empty_body="{}"))
    signed = scheme.sign(a_request("POST", params={"b": 1, "a": 2}), an_identity())
    assert signed.headers is not None
    assert signed.headers["X-Sign"] == "v1=" + mac("1700000000123POST/v1/x?a=2&b=1{}")


def test_the_signing_method_is_a_setting() -> None:
    signed = a_scheme(message="{method}", signing=HMAC("sha512")).sign(a_request(), an_identity())
    assert signed.headers is not None
    assert signed.headers["X-Sign"] == "v1=" + mac("GET", "sha512")


def test_bytes_are_signed_as_they_are_sent() -> None:
    body = b"\x00\xff\xfe"
    signed = a_scheme(message="{body}").sign(a_request("POST", data=body), an_identity())
    assert signed.body_bytes == body
    assert signed.headers is not None
    digest = hmac.new(b"a-secret", body, hashlib.sha256).hexdigest()
    assert signed.headers["X-Sign"] == "v1=" + digest


def test_one_scheme_signs_for_many() -> None:
    scheme = a_scheme(message="{key}")
    for key, secret in (("one", "first"), ("two", "second"), ("one", "first")):
        signed = scheme.sign(a_request(), an_identity(key=key, secret=secret))
        assert signed.headers is not None
        assert signed.headers["X-Sign"] == "v1=" + mac(key, key=secret.encode())


@pytest.mark.parametrize("place", [{"message": "{tiemstamp}"}, {"headers": {"X": "{kye}"}}])
def test_a_slip_in_a_template_is_told_when_the_scheme_is_made(place: Any) -> None:
    with pytest.raises(ConfigurationError, match="names the field"):
        a_scheme(**place)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{nonce:>20}", '"nonce" a form, ":>20"'),
        ("{key!r}", '"key" a form, "!r"'),
        ("{timestamp!s:x}", '"timestamp" a form, "!s:x"'),
        ("{timestamp", "braces that do not close or open"),
        ("timestamp}", "braces that do not close or open"),
        ("{key!}", "braces that do not close or open"),
        ("{}", 'names the field ""'),
    ],
)
@pytest.mark.parametrize(
    ("where", "place"), [("message", "message"), ("header", r'headers\["X-Sign"\]')]
)
def test_a_template_that_would_be_misread_is_refused(
    text: str, told: str, where: str, place: str
) -> None:
    text = f"CANARY{text}"
    more = {"message": text} if where == "message" else {"headers": {"X-Sign": text}}
    with pytest.raises(ConfigurationError, match=f"^{place} .*{told}") as refused:
        a_scheme(**more)
    assert "CANARY" not in str(refused.value)
    assert refused.value.__context__ is None


def test_doubled_braces_stand_for_themselves() -> None:
    signed = a_scheme(message='{{"k":"{key}"}}').sign(a_request(), an_identity())
    assert signed.headers is not None
    assert signed.headers["X-Sign"] == "v1=" + mac('{"k":"a-key"}')


def test_neither_scheme_nor_identity_shows_a_secret() -> None:
    identity = an_identity(secret="CANARY-secret")
    scheme = a_scheme()
    scheme.sign(a_request(), identity)
    assert "CANARY" not in f"{scheme!r} {identity!r} {vars(scheme)}"
