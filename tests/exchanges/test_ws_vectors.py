"""Every exchange's pattern logs in as an independent implementation does, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from networkpype import RESTMethod, RESTRequest, WebSocketJSONRequest, WebSocketResponse
from networkpype.auth.outcome import AuthStatus, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.exchanges import names
from tests.exchanges.reasons import DIALS, FRAMES, NEW_IDS, REST_STEPS, SIGNED_FIELDS
from tests.exchanges.test_rest_vectors import assert_sent
from tests.support.vectors import Vector, auth_for, load, name_of

VECTORS: dict[str, Vector] = {vector["id"]: vector for vector in load("ws")["vectors"]}

OCTETS = ("Content-Type", "application/octet-stream")
# Calls that fetch positions and brackets, which are no part of a login.
NO_LOGIN = ("/leverageBracket", "/positionRisk")


class Exchange:
    """Answers the REST calls of a pattern as the vector's server did, and keeps what was sent."""

    def __init__(self, auth: SchemeAuth, vector: Vector) -> None:
        self.sent: list[RESTRequest] = []
        self._auth = auth
        self._answers = [step["response"] for step in rest_steps(vector)]

    async def execute_request(
        self,
        url: str | None = None,
        throttler_limit_id: str = "",
        params: Any = None,
        data: Any = None,
        method: RESTMethod = RESTMethod.GET,
        is_auth_required: bool = False,
        **more: Any,
    ) -> Any:
        request = RESTRequest(method, url, params=params, data=data, headers=more.get("headers"))
        if is_auth_required:
            request = await self._auth.rest_authenticate(request)
        self.sent.append(request)
        return self._answers[len(self.sent) - 1]


def rest_steps(vector: Vector) -> list[dict[str, Any]]:
    return [
        step
        for step in vector["steps"]
        if step["type"] == "rest" and not any(part in step["url"] for part in NO_LOGIN)
    ]


def steps(vector: Vector, kind: str) -> list[dict[str, Any]]:
    return [step for step in vector["steps"] if step["type"] == kind]


def auth_of(vector: Vector) -> SchemeAuth:
    new_id = NEW_IDS.get(vector["id"])
    return auth_for(vector, new_id=None if new_id is None else lambda: new_id)


async def dial(vector: Vector) -> tuple[WebSocketAuthPattern, PreAuth, Exchange]:
    auth = auth_of(vector)
    pattern = auth.ws_pattern
    assert pattern is not None
    exchange = Exchange(auth, vector)
    return pattern, await pattern.pre_auth(exchange), exchange


def login_frame(pattern: WebSocketAuthPattern, vector: Vector) -> Any:
    request = pattern.build_auth_message(vector["frozen"]["ms"] / 1000)
    if request is None:
        return None
    assert isinstance(request, WebSocketJSONRequest)
    return request.payload


def test_every_exchange_of_the_vectors_is_known() -> None:
    assert {name_of(vector) for vector in VECTORS.values()} <= set(names())
    assert len(VECTORS) >= 21


@pytest.mark.parametrize("id", VECTORS)
async def test_the_calls_before_the_dial(id: str) -> None:
    vector = VECTORS[id]
    _, _, exchange = await dial(vector)
    wanted = rest_steps(vector)
    assert len(exchange.sent) == len(wanted)
    for request, step in zip(exchange.sent, wanted, strict=True):
        assert str(request.method) == step["method"]
        different = REST_STEPS.get(id)
        expected = step if different is None else {**step, **different.instead}
        # That client's HTTP library labels a body that is not there; its own signer does not.
        headers = [each for each in expected["headers"].items() if each != OCTETS]
        expected = {**expected, "headers": dict(headers)}
        assert request.url is not None
        assert request.url.partition("?")[0] == expected["url"].partition("?")[0]
        assert_sent(request, expected)


@pytest.mark.parametrize("id", VECTORS)
async def test_the_dial(id: str) -> None:
    vector = VECTORS[id]
    _, pre_auth, _ = await dial(vector)
    [step] = steps(vector, "ws_connect")
    different = DIALS.get(id)
    expected = step if different is None else {**step, **different.instead}
    assert pre_auth.url == expected["url"]
    assert dict(pre_auth.headers) == expected["headers"]


# Its first frame is an order that is signed by itself: nobody logs in.
ORDER = "binance-wsapi-order"
LOGINS = [id for id in VECTORS if id != ORDER]


@pytest.mark.parametrize("id", LOGINS)
async def test_the_login_frame(id: str) -> None:
    vector = VECTORS[id]
    pattern, _, _ = await dial(vector)
    frame = login_frame(pattern, vector)
    wanted = [step["frame"] for step in steps(vector, "client_frame") if step["auth"]]
    different = FRAMES.get(id)
    if different is not None:
        wanted = different.instead["frames"]
        assert different.reason
    assert ([] if frame is None else [frame]) == wanted
    # 1 and "1" are other bytes, but 1 == True and 1 == 1.0 in Python.
    assert repr([frame] if frame is not None else []) == repr(wanted) or sorted_repr(
        [frame]
    ) == sorted_repr(wanted)


def sorted_repr(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = sorted((name, sorted_repr(each)) for name, each in value.items())
        return repr(inner)
    if isinstance(value, list):
        return repr([sorted_repr(each) for each in value])
    return repr(value)


@pytest.mark.parametrize("id", VECTORS)
async def test_what_each_frame_of_the_server_means(id: str) -> None:
    vector = VECTORS[id]
    pattern, _, _ = await dial(vector)
    is_login = login_frame(pattern, vector) is not None
    seen = []
    for step in steps(vector, "server_frame"):
        outcome = pattern.handle_auth_response(WebSocketResponse(step["frame"]))
        is_ack = step["frame"] == vector["ack_frame"]
        seen.append(is_ack)
        if is_ack and is_login:
            assert outcome.status in (AuthStatus.ACCEPTED, AuthStatus.CHALLENGE)
        elif not is_ack:
            assert outcome.status in not_of_the_login(is_login)
    assert any(seen) or vector["ack_frame"] is None


def not_of_the_login(is_login: bool) -> tuple[AuthStatus, ...]:
    # Where the key is in the URL or the subscribe, a welcome or its ack is the only ack there is.
    return (AuthStatus.NOT_MINE,) if is_login else (AuthStatus.NOT_MINE, AuthStatus.ACCEPTED)


@pytest.mark.parametrize("id", [id for id, each in VECTORS.items() if "minimal_ack" in each])
async def test_the_smallest_ack(id: str) -> None:
    vector = VECTORS[id]
    pattern, _, _ = await dial(vector)
    login_frame(pattern, vector)
    outcome = pattern.handle_auth_response(WebSocketResponse(vector["minimal_ack"]["frame"]))
    assert outcome.status in (AuthStatus.ACCEPTED, AuthStatus.CHALLENGE)


CHALLENGES = ("krakenfutures",)


@pytest.mark.parametrize("id", [id for id in LOGINS if "if_rejected" in VECTORS[id]])
async def test_a_refusal(id: str) -> None:
    vector = VECTORS[id]
    auth = auth_of(vector)
    pattern = auth.ws_pattern
    assert pattern is not None
    await pattern.pre_auth(Exchange(auth, vector))
    frame = login_frame(pattern, vector)
    if frame is None or id in CHALLENGES:
        # Refused is not the login but the private message behind it.
        for step in vector["steps"]:
            if step["type"] == "server_frame":
                pattern.handle_auth_response(WebSocketResponse(step["frame"]))
            elif step["type"] == "client_frame" and not step["auth"]:
                await auth.ws_authenticate(WebSocketJSONRequest(step["frame"]))
    frame = vector["if_rejected"]["frame"]
    outcome = pattern.handle_auth_response(WebSocketResponse(frame))
    assert outcome.status is AuthStatus.REJECTED
    assert outcome.reason
    assert outcome.failure is not None


@pytest.mark.parametrize(
    "id",
    [id for id, each in VECTORS.items() if any(s.get("auth") is False for s in each["steps"])],
)
async def test_the_first_private_message(id: str) -> None:
    """With its fields of identity taken out, it gets them back."""
    vector = VECTORS[id]
    auth = auth_of(vector)
    pattern = auth.ws_pattern
    assert pattern is not None
    await pattern.pre_auth(Exchange(auth, vector))
    login_frame(pattern, vector)
    for step in steps(vector, "server_frame"):
        if step["frame"] == vector["ack_frame"]:
            pattern.handle_auth_response(WebSocketResponse(step["frame"]))
    wanted = next(s["frame"] for s in steps(vector, "client_frame") if not s["auth"])
    bare = without(wanted, SIGNED_FIELDS.get(id, ()))
    sent = await auth.ws_authenticate(WebSocketJSONRequest(bare))
    assert sorted_repr(sent.payload) == sorted_repr(wanted)
    if SIGNED_FIELDS.get(id):
        assert bare != wanted


async def test_an_order_is_signed_by_itself_and_its_refusal_is_none_of_a_login() -> None:
    vector = VECTORS[ORDER]
    auth = auth_of(vector)
    [wanted] = (step["frame"] for step in steps(vector, "client_frame"))
    bare = without(wanted, SIGNED_FIELDS[ORDER])
    sent = await auth.ws_authenticate(WebSocketJSONRequest(bare))
    assert sorted_repr(sent.payload) == sorted_repr(wanted)
    assert auth.ws_pattern is not None
    frame = vector["if_rejected"]["frame"]
    outcome = auth.ws_pattern.handle_auth_response(WebSocketResponse(frame))
    assert outcome.status is AuthStatus.NOT_MINE


def without(frame: Any, paths: tuple[str, ...]) -> Any:
    """Return a copy of the frame without what stands at these dotted paths."""
    out = dict(frame)
    for path in paths:
        head, _, rest = path.partition(".")
        if rest:
            out[head] = without(out[head], (rest,))
        else:
            del out[head]
    return out
