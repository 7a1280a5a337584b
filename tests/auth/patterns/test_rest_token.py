"""A token by REST on every dial, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import pytest

from networkpype import Credentials, RESTMethod, SchemeAuth, WebSocketJSONRequest, WebSocketResponse
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.rest_token import RestToken
from networkpype.auth.patterns.rules import Seen, accepted
from networkpype.errors import (
    AuthenticationError,
    ConfigurationError,
    DecodeError,
    NetworkpypeError,
)

TOKEN = "T+o/k==en"


class Caller:
    """Answers each call with the next of its answers, and keeps the calls."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[dict[str, Any]] = []

    async def execute_request(self, url: str | None = None, *args: Any, **more: Any) -> Any:
        self.calls.append({"url": url, **more})
        return self.answers.pop(0)


def bound(**options: Any) -> RestToken:
    pattern = RestToken(
        token_url=options.pop("token_url", "https://api.example.com/token"),
        url=options.pop("url", "wss://ws.example.com/v2"),
        **options,
    )
    new_id = iter(("first", "second"))
    auth = SchemeAuth(Credentials(key="k"), pattern=pattern, new_id=lambda: next(new_id))
    assert isinstance(auth.ws_pattern, RestToken)
    return auth.ws_pattern


async def test_the_call_is_private_and_its_answer_tells_the_lifetime() -> None:
    pattern = bound(
        token_at="result.token", lifetime_at="result.expires", throttler_limit_id="tokens"
    )
    caller = Caller({"result": {"token": TOKEN, "expires": 900}})
    pre_auth = await pattern.pre_auth(caller)
    assert caller.calls == [
        {
            "url": "https://api.example.com/token",
            "throttler_limit_id": "tokens",
            "data": None,
            "method": RESTMethod.POST,
            "is_auth_required": True,
        }
    ]
    assert (pre_auth.url, pre_auth.lifetime_s) == ("wss://ws.example.com/v2", 900.0)
    assert pattern.build_auth_message(0.0) is None


async def test_the_token_goes_into_private_messages_in_depth() -> None:
    pattern = bound(message_at="params.auth.token")
    await pattern.pre_auth(Caller({"token": TOKEN}))
    sent = {"method": "subscribe", "params": {"channel": "executions", "auth": {"a": 1}}}
    assert pattern.sign_message(sent) == {
        "method": "subscribe",
        "params": {"channel": "executions", "auth": {"a": 1, "token": TOKEN}},
    }
    assert sent["params"] == {"channel": "executions", "auth": {"a": 1}}


async def test_a_renewal_brings_another_token_to_the_same_address() -> None:
    pattern = bound(message_at="token")
    caller = Caller({"token": "old"}, {"token": "new"})
    first = await pattern.pre_auth(caller)
    second = await pattern.renew(caller)
    assert second.url == first.url
    assert pattern.build_subscribe_auth() == {"token": "new"}


async def test_before_the_token_a_private_message_is_refused() -> None:
    pattern = bound(message_at="token")
    with pytest.raises(ConfigurationError, match="pre_auth"):
        pattern.sign_message({"channel": "a"})
    await pattern.pre_auth(Caller({"token": TOKEN}))
    with pytest.raises(ConfigurationError, match="pre_auth"):
        pattern.fresh().sign_message({"channel": "a"})


async def test_the_token_goes_into_the_url_with_a_new_id_a_dial() -> None:
    pattern = bound(
        endpoint_at="servers.0.endpoint",
        query={"token": "{token}", "privateChannel": "true", "connectId": "{id}"},
        rules=(accepted({"type": "welcome", "id": Seen.MY_ID}),),
    )
    answer = {"token": TOKEN, "servers": [{"endpoint": "wss://one.example.com/endpoint"}]}
    pre_auth = await pattern.pre_auth(Caller(answer))
    assert pre_auth.url == (
        "wss://one.example.com/endpoint?token=T%2Bo%2Fk%3D%3Den&privateChannel=true&connectId=first"
    )
    assert pattern.sign_message({"type": "subscribe"}) == {"type": "subscribe"}
    second = await pattern.pre_auth(Caller(answer))
    assert second.url.endswith("connectId=second")
    late, own = ({"type": "welcome", "id": each} for each in ("first", "second"))
    assert pattern.handle_auth_response(WebSocketResponse(late)).status is AuthStatus.NOT_MINE
    assert pattern.handle_auth_response(WebSocketResponse(own)).status is AuthStatus.ACCEPTED


async def test_a_query_that_is_there_is_kept() -> None:
    pattern = bound(url="wss://ws.example.com/?v=2", query={"token": "{token}"})
    pre_auth = await pattern.pre_auth(Caller({"token": "t"}))
    assert pre_auth.url == "wss://ws.example.com/?v=2&token=t"


@pytest.mark.parametrize("endpoint", ["ws://one.example.com/", "https://one.example.com/", 1, None])
async def test_a_token_goes_to_no_address_without_tls(endpoint: Any) -> None:
    pattern = bound(endpoint_at="endpoint", query={"token": "{token}"})
    with pytest.raises(DecodeError, match="wss://") as caught:
        await pattern.pre_auth(Caller({"token": TOKEN, "endpoint": endpoint}))
    trace: TracebackType | None = caught.tb
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("rest_token.py"):
            assert TOKEN not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next


async def test_without_a_caller_it_says_what_to_pass() -> None:
    with pytest.raises(ConfigurationError, match="RESTManager"):
        await bound().pre_auth(None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": ["EAPI:Invalid key"]}, "EAPI:Invalid key"),
        ({"error": [], "result": {"token": ""}}, "it told no reason"),
        ({"result": {"token": 5}, "msg": "bad\r\nkey"}, r"bad\\x0d\\x0akey"),
        ("no mapping", "it told no reason"),
        (None, "it told no reason"),
    ],
)
async def test_no_token_is_a_refusal_with_its_reason(answer: Any, reason: str) -> None:
    pattern = bound(token_at="result.token", reasons=("error.0", "msg"))
    with pytest.raises(AuthenticationError, match=rf"api\.example\.com gave no token: {reason}"):
        await pattern.pre_auth(Caller(answer))


@pytest.mark.parametrize(
    ("reason", "is_final"), [("EAPI:Invalid key", True), ("EService:Unavailable", False)]
)
async def test_what_is_no_refusal_may_pass(reason: str, is_final: bool) -> None:
    pattern = bound(reasons=("error",), refusals=("Invalid key",))
    with pytest.raises(NetworkpypeError, match=reason) as caught:
        await pattern.pre_auth(Caller({"error": reason}))
    assert isinstance(caught.value, AuthenticationError) is is_final


async def test_nothing_shows_the_token() -> None:
    pattern = bound(message_at="token", query={"token": "{token}"})
    pre_auth = await pattern.pre_auth(Caller({"token": TOKEN}))
    request = WebSocketJSONRequest(pattern.sign_message({"a": 1}))
    shown = f"{pattern!r} {vars(pattern)} {pre_auth!r} {request!r}"
    assert TOKEN not in shown
    assert "T%2Bo" not in shown
    with pytest.raises(TypeError, match="pickle"):
        pattern.__reduce_ex__(4)


async def test_other_frames_are_not_mine() -> None:
    pattern = bound(rules=(accepted({"type": "welcome", "id": Seen.MY_ID}),))
    frames: list[Any] = [{"type": "welcome", "id": ""}, {"type": "welcome"}, [1], "pong", None]
    for frame in frames:
        outcome = pattern.handle_auth_response(WebSocketResponse(frame))
        assert outcome.status is AuthStatus.NOT_MINE


async def test_arguments_of_the_call_are_not_shared() -> None:
    data: Mapping[str, Any] = {"scope": "private"}
    caller = Caller({"token": "t"})
    await bound(data=data).pre_auth(caller)
    assert caller.calls[0]["data"] == data
    assert caller.calls[0]["data"] is not data
