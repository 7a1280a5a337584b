"""Every exchange signs what an independent implementation signs, byte for byte."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from networkpype import RESTMethod, RESTRequest
from networkpype.exchanges import names
from networkpype.rest.request import FORM_TYPE, JSON_TYPE
from tests.exchanges.reasons import BY_METHOD, PAGE_WINS
from tests.support.raw_server import RawServer, answering
from tests.support.signing import LIMIT_ID, rest_manager
from tests.support.vectors import (
    Vector,
    arguments,
    auth_for,
    by_method,
    load,
    name_of,
    request_of,
    without_brand,
)

VECTORS: dict[str, Vector] = {vector["id"]: vector for vector in load("rest")["vectors"]}
SOUND = [id for id, vector in VECTORS.items() if vector["trust"] == "ok" and id not in PAGE_WINS]


def target_of(url: str) -> str:
    parts = urlsplit(url)
    start = url.index("/", url.index("//") + 2) if parts.path else len(url)
    return url[start:] or "/"


def assert_sent(request: RESTRequest, expected: Mapping[str, Any]) -> None:
    assert request.path_qs == target_of(expected["url"])
    assert request.body_bytes == (expected["body"] or "").encode()
    assert dict(request.headers or {}) == without_brand(expected["headers"])


def test_every_exchange_of_the_vectors_is_known() -> None:
    assert {name_of(vector) for vector in VECTORS.values()} <= set(names())
    assert len(VECTORS) >= 112


@pytest.mark.parametrize("id", SOUND)
async def test_a_vector(id: str) -> None:
    vector = VECTORS[id]
    request = request_of(vector, *arguments(vector))
    assert_sent(await auth_for(vector).rest_authenticate(request), vector["expected"])


@pytest.mark.parametrize("id", PAGE_WINS)
async def test_where_the_exchange_s_page_wins(id: str) -> None:
    vector, case = VECTORS[id], PAGE_WINS[id]
    params, data = arguments(vector) if case.arguments is None else case.arguments
    request = await auth_for(vector).rest_authenticate(request_of(vector, params, data))
    expected = {**vector["expected"], **case.instead}
    if case.headers:
        expected["headers"] = {**expected["headers"], **case.headers}
    assert case.reason
    assert case.source.startswith("https://")
    assert_sent(request, expected)
    with pytest.raises(AssertionError):
        assert_sent(request, vector["expected"])


async def test_a_list_that_the_caller_wrote_as_text_is_sent_as_it_is() -> None:
    vector = VECTORS["bingx/post-list"]
    as_text = {name: str(value) for name, value in vector["params"].items()}
    for params, data in ((as_text, None), (None, as_text)):
        request = await auth_for(vector).rest_authenticate(request_of(vector, params, data))
        assert_sent(request, vector["expected"])


def test_every_vector_that_is_not_sound_has_its_reason() -> None:
    assert {id for id, vector in VECTORS.items() if vector["trust"] != "ok"} <= set(PAGE_WINS)


@pytest.mark.parametrize("id", SOUND)
async def test_arguments_by_method_alone(id: str) -> None:
    """A caller who puts all of a GET or DELETE into params and all else into data is served too."""
    vector = VECTORS[id]
    request = request_of(vector, *by_method(vector))
    signed = await auth_for(vector).rest_authenticate(request)
    if id not in BY_METHOD:
        assert_sent(signed, vector["expected"])
        return
    assert BY_METHOD[id]
    with pytest.raises(AssertionError):  # a table entry that is not needed any more
        assert_sent(signed, vector["expected"])


# An action is what is signed there, so there is always one.
MAY_BE_EMPTY = [
    id for id in SOUND if VECTORS[id]["method"] != "GET" and not id.startswith("hyperliquid")
]


@pytest.mark.parametrize("id", MAY_BE_EMPTY)
@pytest.mark.parametrize("nothing", [None, {}])
async def test_no_arguments_are_no_arguments(id: str, nothing: Any) -> None:
    vector = VECTORS[id]
    one, other = request_of(vector, None, None), request_of(vector, nothing, nothing)
    one = await auth_for(vector).rest_authenticate(one)
    other = await auth_for(vector).rest_authenticate(other)
    assert (one.path_qs, one.headers, one.body_bytes) == (
        other.path_qs,
        other.headers,
        other.body_bytes,
    )


@pytest.mark.parametrize("id", SOUND)
async def test_the_steps_end_where_signing_ends(id: str) -> None:
    vector = VECTORS[id]
    auth = auth_for(vector)
    assert auth.scheme is not None
    request = request_of(vector, *arguments(vector))
    taken = [step for step, _ in auth.scheme.steps(request, auth.identity)]
    assert taken == ["canonical", "string to sign", "signature", "placing"]
    assert_sent(request, vector["expected"])


@pytest.mark.parametrize("id", SOUND)
async def test_what_leaves_the_socket(id: str) -> None:
    """The same request through a manager, to loopback; only the host is another."""
    vector = VECTORS[id]
    params, data = arguments(vector)
    async with RawServer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as server:
        auth = auth_for(vector, origins=(server.url,))
        direct = request_of(vector, params, data, server.url)
        direct = await auth.rest_authenticate(direct)
        async with rest_manager(auth) as manager:
            await manager.execute_request(
                server.url + vector["path"],
                LIMIT_ID,
                params=params,
                data=data,
                method=RESTMethod(vector["method"]),
                is_auth_required=True,
            )
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0] == f"{vector['method']} {direct.path_qs} HTTP/1.1"
    assert body == direct.body_bytes
    sent = dict(line.split(": ", 1) for line in lines[1:])
    added = {name: sent.pop(name) for name in ADDED_BY_HTTP if name in sent}
    own = dict(direct.headers or {})
    if not any(name.lower() == "content-type" for name in own):
        # A manager labels what nobody labelled; no exchange of these minds it.
        assert sent.pop("Content-Type", JSON_TYPE) in (JSON_TYPE, FORM_TYPE)
    assert sent == {name: value for name, value in own.items() if name not in added}
    assert added.get("Accept", "*/*") == own.get("Accept", "*/*")
    if not signs_the_host(vector):
        assert_sent(direct, vector["expected"])


ADDED_BY_HTTP = ("Host", "Accept", "Accept-Encoding", "User-Agent", "Content-Length")


def signs_the_host(vector: Vector) -> bool:
    host = urlsplit(vector["base_url"]).netloc
    signed = [step["input"] for step in vector["signing"]]
    return any(host in str(each) for each in signed)


@pytest.mark.parametrize("id", [id for id in SOUND if VECTORS[id]["exchange"] == "backpack"])
async def test_an_ed25519_signature_is_one_of_the_public_key(id: str) -> None:
    vector = VECTORS[id]
    request = request_of(vector, *arguments(vector))
    headers = (await auth_for(vector).rest_authenticate(request)).headers or {}
    [step] = vector["signing"]
    seed = base64.b64decode(vector["credentials"]["secret"])
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    assert public.public_bytes_raw() == base64.b64decode(headers["X-API-Key"])
    public.verify(base64.b64decode(headers["X-Signature"]), step["input"]["utf8"].encode())


@pytest.mark.parametrize("id", [id for id in SOUND if "jwt" in VECTORS[id]])
async def test_a_token_is_one_of_the_public_key(id: str) -> None:
    import jwt

    vector = VECTORS[id]
    request = request_of(vector, *arguments(vector))
    headers = (await auth_for(vector).rest_authenticate(request)).headers or {}
    token = headers["Authorization"].removeprefix("Bearer ")
    seed = base64.b64decode(vector["credentials"]["secret"])[:32]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    claims = jwt.decode(
        token, public, algorithms=["EdDSA"], options={"verify_exp": False, "verify_aud": False}
    )
    assert claims == vector["jwt"]["payload"]
    assert jwt.get_unverified_header(token) == vector["jwt"]["header"]
