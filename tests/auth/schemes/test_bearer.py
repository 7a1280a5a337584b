"""A token in the Authorization header: one that is held, and one made for each request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, cast

import pytest

from networkpype import Credentials, RESTRequest, SchemeAuth, TimeSynchronizer
from networkpype.auth.schemes.bearer import BearerToken, JWTBearer
from networkpype.auth.schemes.by_key import ByKey
from networkpype.auth.schemes.draft import Draft
from networkpype.errors import MissingCredentialsError
from networkpype.signing.tokens import token_signing
from tests.support.vectors import Clock

SECRET = "a secret of the exchange"


@dataclass(kw_only=True, eq=False, repr=False)
class Held(BearerToken):
    """A token that came from elsewhere."""

    text: str

    def token(self, draft: Draft) -> str:
        return self.text


def parts(draft: Draft) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"alg": "HS256", "typ": "JWT"}, {"sub": draft.identity.key, "uri": draft.path}


def jwt(**more: Any) -> JWTBearer:
    return JWTBearer(parts=parts, signing=token_signing("HS256"), **more)


async def signed(scheme: Any, method: str = "GET", **request: Any) -> RESTRequest:
    auth = SchemeAuth(
        Credentials(key="a key", secret=SECRET),
        scheme,
        time_provider=cast("TimeSynchronizer", Clock(1_700_000_000_123)),
    )
    return await auth.rest_authenticate(
        RESTRequest(method, "https://api.example.com/v1/orders", **request)  # type: ignore[arg-type]
    )


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_a_held_token_is_placed_and_nothing_else_changes() -> None:
    request = await signed(Held(text="abc.def"), params={"a": "b c"})
    assert request.path_qs == "/v1/orders?a=b%20c"
    assert request.body_bytes == b""
    assert dict(request.headers or {}) == {"Authorization": "Bearer abc.def"}


async def test_a_body_is_json_and_a_content_type_may_stand_without_one() -> None:
    request = await signed(Held(text="t"), "POST", data={"a": "é"})
    assert request.body_bytes == '{"a":"é"}'.encode()
    assert (request.headers or {})["Content-Type"] == "application/json"
    bare = await signed(Held(text="t", content_type="application/json"))
    assert (bare.headers or {})["Content-Type"] == "application/json"


async def test_a_caller_s_own_authorization_is_replaced() -> None:
    request = await signed(Held(text="good"), headers={"authorization": "Bearer stale"})
    assert dict(request.headers or {}) == {"Authorization": "Bearer good"}


async def test_a_jwt_is_signed_over_its_two_parts() -> None:
    request = await signed(jwt())
    header, claims, signature = (request.headers or {})["Authorization"][7:].split(".")
    assert decoded(header) == {"alg": "HS256", "typ": "JWT"}
    assert decoded(claims) == {"sub": "a key", "uri": "/v1/orders"}
    mac = hmac.new(SECRET.encode(), f"{header}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == mac


def test_the_steps_show_what_is_signed() -> None:
    scheme = jwt()
    auth = SchemeAuth(Credentials(key="a key", secret=SECRET), scheme)
    request = RESTRequest("GET", "https://api.example.com/v1/orders")  # type: ignore[arg-type]
    taken = dict(scheme.steps(request, auth.identity))
    assert list(taken) == ["canonical", "string to sign", "signature", "placing"]
    text = str(taken["placing"].string_to_sign)
    assert text.count(".") == 1
    assert (request.headers or {})["Authorization"].startswith(f"Bearer {text}.")


async def test_a_jwt_without_a_secret_says_what_is_missing() -> None:
    auth = SchemeAuth(Credentials(key="a key"), jwt())
    with pytest.raises(MissingCredentialsError, match="secret"):
        await auth.rest_authenticate(RESTRequest("GET", "https://api.example.com/"))  # type: ignore[arg-type]


class TestByKey:
    scheme = ByKey(
        choose=lambda identity: "one" if identity.key == "a key" else "other",
        schemes={"one": Held(text="one"), "other": Held(text="other")},
    )

    async def test_the_identity_decides(self) -> None:
        request = await signed(self.scheme)
        assert dict(request.headers or {}) == {"Authorization": "Bearer one"}

    @pytest.mark.parametrize(("key", "text"), [("a key", "one"), ("b", "other")])
    def test_the_steps_are_those_of_the_chosen(self, key: str, text: str) -> None:
        identity = SchemeAuth(Credentials(key=key), self.scheme).identity
        request = RESTRequest("GET", "https://api.example.com/")  # type: ignore[arg-type]
        draft = Draft(request, identity)
        self.scheme.canonical(draft)
        draft.string_to_sign = self.scheme.string_to_sign(draft)
        draft.signature = self.scheme.signature(draft)
        self.scheme.place(draft)
        assert draft.headers == {"Authorization": f"Bearer {text}"}
        taken = [name for name, _ in self.scheme.steps(request, identity)]
        assert taken[-1] == "placing"
