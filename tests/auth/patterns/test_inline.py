"""Private messages that bring their own signature or token."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from typing import Any, cast

import pytest

from networkpype import (
    Credentials,
    SchemeAuth,
    TimeSynchronizer,
    WebSocketJSONRequest,
    WebSocketResponse,
)
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.patterns.frame import Whole
from networkpype.auth.patterns.inline import (
    InlineSignature,
    InlineToken,
    KeyChoice,
    SignedRequests,
)
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.errors import ConfigurationError
from tests.support.vectors import Clock

SECRET = "a secret of the exchange"


def bound(pattern: WebSocketAuthPattern, key: str = "k", ms: int = 1_700_000_000_123) -> Any:
    clock = Clock(ms)
    auth = SchemeAuth(
        Credentials(key=key, secret=SECRET, passphrase="p"),
        pattern=pattern,
        time_provider=cast("TimeSynchronizer", clock),
    )
    assert auth.ws_pattern is not None
    return auth.ws_pattern


def mac(message: str) -> str:
    return hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()


def signature(**more: Any) -> InlineSignature:
    given: dict[str, Any] = {
        "url": "wss://ws.example.com",
        "message": "{channel}|{event}|{symbols}|{timestamp}",
        "fields": {"time": Whole("{timestamp}"), "auth": {"KEY": "{key}", "SIGN": "{signature}"}},
        **more,
    }
    return InlineSignature(**given)


class TestInlineSignature:
    async def test_the_handshake_has_its_headers_and_there_is_no_login(self) -> None:
        pattern = bound(signature(headers={"X-Exact": "1"}))
        pre_auth = await pattern.pre_auth(None)
        assert (pre_auth.url, dict(pre_auth.headers)) == ("wss://ws.example.com", {"X-Exact": "1"})
        assert pattern.build_auth_message(0.0) is None

    def test_a_message_is_signed_over_what_stands_in_it(self) -> None:
        message = {"channel": "orders", "event": "unsubscribe", "symbols": ["A-B", "C-D"]}
        sent = bound(signature()).sign_message(message)
        assert sent == {
            **message,
            "time": 1_700_000_000,
            "auth": {"KEY": "k", "SIGN": mac("orders|unsubscribe|A-B,C-D|1700000000")},
        }
        assert "auth" not in message

    def test_a_stale_time_and_signature_are_replaced(self) -> None:
        stale = {"time": 1, "channel": "orders", "event": "e", "auth": {"SIGN": "old", "x": 1}}
        sent = bound(signature()).sign_message(stale)
        assert list(sent) == ["time", "channel", "event", "auth"]
        assert sent["time"] == 1_700_000_000
        assert sent["auth"] == {"SIGN": mac("orders|e||1700000000"), "x": 1, "KEY": "k"}

    def test_the_fields_of_a_subscribe(self) -> None:
        fields = bound(signature()).build_subscribe_auth("orders", ["A-B"])
        assert fields["auth"]["SIGN"] == mac("orders|subscribe|A-B|1700000000")
        assert bound(signature()).build_subscribe_auth()["auth"]["SIGN"] == mac(
            "|subscribe||1700000000"
        )

    def test_where_things_stand_is_told(self) -> None:
        pattern = bound(signature(channel_at="c.name", event_at="type", symbols_at="c.ids"))
        sent = pattern.sign_message({"type": "subscribe", "c": {"name": "user", "ids": ("X",)}})
        assert sent["auth"]["SIGN"] == mac("user|subscribe|X|1700000000")

    def test_an_ack_counts_for_channels_that_were_signed_here(self) -> None:
        pattern = bound(signature(acks=(accepted({"event": "subscribe"}),)))
        pattern.sign_message({"channel": "orders", "event": "subscribe"})
        ack = {"event": "subscribe", "channel": "orders"}

        def heard(which: Any, frame: Any) -> AuthStatus:
            status: AuthStatus = which.handle_auth_response(WebSocketResponse(frame)).status
            return status

        assert heard(pattern, ack) is AuthStatus.ACCEPTED
        assert heard(pattern, {**ack, "channel": "trades"}) is AuthStatus.NOT_MINE
        assert heard(pattern, {"event": "subscribe"}) is AuthStatus.NOT_MINE
        assert heard(pattern.fresh(), ack) is AuthStatus.NOT_MINE

    def test_a_refusal_counts_for_every_channel(self) -> None:
        pattern = bound(signature(rules=(rejected({"error": "bad key"}, "error"),)))
        outcome = pattern.handle_auth_response(WebSocketResponse({"error": "bad key"}))
        assert (outcome.status, outcome.reason) == (AuthStatus.REJECTED, "bad key")

    @pytest.mark.parametrize("message", ["text", ["list"], None])
    def test_what_holds_no_fields_is_refused(self, message: Any) -> None:
        with pytest.raises(ConfigurationError, match="mapping"):
            bound(signature()).sign_message(message)

    def test_a_field_that_no_template_knows_is_refused_at_once(self) -> None:
        with pytest.raises(ConfigurationError, match="chanel"):
            signature(message="{chanel}")
        with pytest.raises(ConfigurationError, match="chanel"):
            signature(fields={"a": ["{chanel}"]})

    def test_lists_and_plain_values_in_fields(self) -> None:
        fields = bound(signature(fields={"a": ["{key}", 1, None]})).build_subscribe_auth()
        assert fields == {"a": ["k", 1, None]}


def test_a_token_is_made_for_each_message() -> None:
    numbers = itertools.count(1)
    pattern = bound(
        InlineToken(token=lambda identity: f"{identity.key}-{next(numbers)}", field_name="jwt")
    )
    assert pattern.sign_message({"a": 1}) == {"a": 1, "jwt": "k-1"}
    assert pattern.sign_message({"a": 1, "jwt": "stale"}) == {"a": 1, "jwt": "k-2"}
    assert pattern.build_auth_message(0.0) is None


@pytest.mark.parametrize(("key", "field_name"), [("k", "one"), ("other", "two")])
def test_the_key_decides_which_pattern_logs_in(key: str, field_name: str) -> None:
    choice = KeyChoice(
        choose=lambda identity: identity.key,
        choices={
            "k": InlineToken(token=lambda _: "t", field_name="one"),
            "other": InlineToken(token=lambda _: "t", field_name="two"),
        },
    )
    pattern = bound(choice, key)
    assert pattern.sign_message({}) == {field_name: "t"}
    assert pattern.fresh().sign_message({}) == {field_name: "t"}


def requests() -> SignedRequests:
    return SignedRequests(
        url="wss://ws.example.com",
        headers={"X-Exact": "1"},
        message="login|{timestamp}",
        frame={"id": "{id}", "event": "api", "sign": "{signature}"},
        rules=(accepted({"request_id": Seen.MY_ID}),),
        timestamp="s",
        ids="number",
        request_message="api|{channel}|{params}|{timestamp}",
        subscribes=signature(),
    )


class TestSignedRequests:
    async def test_it_logs_in_first(self) -> None:
        pattern = bound(requests())
        assert dict((await pattern.pre_auth(None)).headers) == {"X-Exact": "1"}
        frame = pattern.build_auth_message(1_700_000_000.9)
        assert isinstance(frame, WebSocketJSONRequest)
        assert frame.payload == {"id": "1", "event": "api", "sign": mac("login|1700000000")}
        mine, other = ({"request_id": each} for each in ("1", "2"))
        assert pattern.handle_auth_response(WebSocketResponse(mine)).status is AuthStatus.ACCEPTED
        assert pattern.handle_auth_response(WebSocketResponse(other)).status is AuthStatus.NOT_MINE

    def test_a_request_is_signed_over_the_json_that_is_sent(self) -> None:
        params = {"pair": "A_B", "text": "é", "n": 1.5}
        message = {"id": "9", "channel": "place", "event": "api", "payload": {"req_param": params}}
        sent = bound(requests()).sign_message(message)
        text = '{"pair":"A_B","text":"\\u00e9","n":1.5}'
        assert sent == {
            "id": "9",
            "channel": "place",
            "event": "api",
            "time": 1_700_000_000,
            "payload": {
                "req_id": "9",
                "timestamp": "1700000000",
                "api_key": "k",
                "signature": mac(f"api|place|{text}|1700000000"),
                "req_param": params,
            },
        }

    def test_a_list_of_parameters(self) -> None:
        message = {"event": "api", "channel": "c", "payload": {"req_id": "x", "req_param": [1]}}
        payload = bound(requests()).sign_message(message)["payload"]
        assert payload["req_param"] == [1]
        assert payload["req_id"] == "x"
        assert payload["signature"] == mac("api|c|[1]|1700000000")

    def test_a_request_without_an_id_gets_one(self) -> None:
        pattern = bound(requests())
        first, second = (pattern.sign_message({"event": "api", "channel": "c"}) for _ in range(2))
        assert (first["id"], first["payload"]["req_id"]) == ("1", "1")
        assert second["id"] == "2"
        assert first["payload"]["req_param"] == {}
        assert first["payload"]["signature"] == mac("api|c|{}|1700000000")

    def test_a_subscribe_is_signed_as_one(self) -> None:
        sent = bound(requests()).sign_message({"channel": "orders", "event": "subscribe"})
        assert sent["auth"]["SIGN"] == mac("orders|subscribe||1700000000")
        fields = bound(requests()).build_subscribe_auth("orders")
        assert fields["auth"]["SIGN"] == mac("orders|subscribe||1700000000")
