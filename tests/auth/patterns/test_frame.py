"""The family of login frames: templates in, one frame out, and an ack that is known by its id."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from networkpype import WebSocketJSONRequest, WebSocketResponse
from networkpype.auth.identity import Identity
from networkpype.auth.patterns.frame import FrameLogin, JSONText, Whole
from networkpype.auth.patterns.rules import Seen, accepted, rejected
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError
from tests.support.signers import an_identity
from tests.support.vectors import Clock

NOW = 1700000000.123


def a_login(
    *,
    nonces: Callable[[], int | str] | None = None,
    new_id: Callable[[], int | str] | None = None,
    memo: str = "a-memo",
    **more: Any,
) -> FrameLogin:
    data: dict[str, Any] = {"url": "wss://host.test/ws", "message": "{timestamp}", "frame": {}}
    data |= {"rules": ()}
    identity = an_identity(nonce=nonces, new_id=new_id, memo=memo)
    return FrameLogin(**(data | more)).bound_to(identity)


def frame_of(login: FrameLogin, now: float = NOW) -> Any:
    request = login.build_auth_message(now)
    assert isinstance(request, WebSocketJSONRequest)
    return request.payload


def status(login: FrameLogin, frame: Any) -> str:
    return login.handle_auth_response(WebSocketResponse(frame)).status.value


def mac(text: str) -> str:
    return hmac.new(b"a-secret", text.encode(), hashlib.sha256).hexdigest()


def test_every_field_that_a_frame_may_name() -> None:
    fields = ("key", "passphrase", "memo", "timestamp", "expires", "nonce", "id", "signature")
    login = a_login(
        message="<{timestamp}|{expires}|{nonce}|{id}|{key}>",
        frame={name: f"{{{name}}}" for name in fields},
        nonces=lambda: 5,
        new_id=lambda: "my-id",
        nonce="source",
        expires_in_s=10,
    )
    assert frame_of(login) == {
        "key": "a-key",
        "passphrase": "a-phrase",
        "memo": "a-memo",
        "timestamp": "1700000000123",
        "expires": "1700000010123",
        "nonce": "5",
        "id": "my-id",
        "signature": mac("<1700000000123|1700000010123|5|my-id|a-key>"),
    }


def test_a_frame_is_filled_in_to_its_depth() -> None:
    login = a_login(
        timestamp="s",
        frame={
            "op": "login",
            "n": 5,
            "no": None,
            "yes": True,
            "args": [{"t": Whole("{timestamp}")}, ("{key}", "plain")],
            "text": JSONText({"t": Whole("{timestamp}"), "k": "{key}"}),
        },
    )
    assert frame_of(login) == {
        "op": "login",
        "n": 5,
        "no": None,
        "yes": True,
        "args": [{"t": 1700000000}, ["a-key", "plain"]],
        "text": '{"t":1700000000,"k":"a-key"}',
    }


def test_a_text_that_is_no_number_stays_one() -> None:
    assert frame_of(a_login(frame={"id": Whole("{id}")}, new_id=lambda: "a1")) == {"id": "a1"}


def test_a_frame_is_made_anew_each_time_from_data_that_stays() -> None:
    data = {"args": [{"t": "{timestamp}"}]}
    login = a_login(frame=data)
    first, second = frame_of(login, 1.0), frame_of(login, 2.0)
    assert (first, second) == ({"args": [{"t": "1000"}]}, {"args": [{"t": "2000"}]})
    assert data == {"args": [{"t": "{timestamp}"}]}


@pytest.mark.parametrize(
    ("kind", "nonces", "wanted"),
    [
        ("timestamp", count(5).__next__, ["1700000000123", "1700000000123"]),
        ("source", count(5).__next__, ["5", "6"]),
        ("source", None, ["1700000000123", "1700000000124"]),
        ("text", lambda: "given", ["given", "given"]),
    ],
)
def test_where_a_nonce_comes_from(kind: Any, nonces: Any, wanted: list[str]) -> None:
    login = a_login(frame={"n": "{nonce}"}, nonce=kind, nonces=nonces)
    assert [frame_of(login)["n"] for _ in range(2)] == wanted


def test_a_random_nonce_and_a_random_id_never_come_again() -> None:
    login = a_login(frame={"n": "{nonce}", "id": "{id}"}, nonce="text")
    seen = {value for _ in range(20) for value in frame_of(login).values()}
    assert len(seen) == 40


def test_numbers_rise_and_begin_anew_with_each_connection() -> None:
    login = a_login(frame={"id": Whole("{id}")}, ids="number")
    assert [frame_of(login)["id"] for _ in range(3)] == [1, 2, 3]
    assert frame_of(login.fresh())["id"] == 1
    assert frame_of(login)["id"] == 4


def test_only_the_answer_to_the_last_frame_counts() -> None:
    rules = (accepted({"id": Seen.MY_ID, "ok": 1}), rejected({"id": Seen.MY_ID}))
    login = a_login(ids="number", rules=rules)
    assert status(login, {"id": 1, "ok": 1}) == "not mine"
    frame_of(login)
    assert status(login, {"id": 2, "ok": 1}) == "not mine"
    assert status(login, {"id": 1, "ok": 1}) == "accepted"
    frame_of(login)
    assert status(login, {"id": 1, "ok": 1}) == "not mine"
    assert status(login, {"id": "2"}) == "rejected"
    assert status(login.fresh(), {"id": 2, "ok": 1}) == "not mine"


async def test_the_address_may_hold_the_memo() -> None:
    assert (await a_login().pre_auth(None)).url == "wss://host.test/ws"
    login = a_login(url="wss://host.test/ws/{memo}?v=1", memo="a/b?c")
    assert (await login.pre_auth(None)).url == "wss://host.test/ws/a%2Fb%3Fc?v=1"


async def test_an_address_without_its_memo_is_not_dialed() -> None:
    login = FrameLogin(url="wss://host.test/{memo}", message="", frame={}, rules=())
    bound = login.bound_to(Identity(Credentials(key="k", secret="s"), Clock(0)))
    with pytest.raises(MissingCredentialsError, match=r"Credentials\(memo="):
        await bound.pre_auth(None)


def test_a_login_without_an_identity_says_how_it_gets_one() -> None:
    login = FrameLogin(message="", frame={}, rules=())
    with pytest.raises(ConfigurationError, match="hand it to a SchemeAuth"):
        login.build_auth_message(NOW)


def test_a_slip_in_a_template_is_told() -> None:
    with pytest.raises(ConfigurationError, match='names the field "kye"'):
        frame_of(a_login(frame={"a": "{kye}"}))


def test_a_bound_login_neither_copies_nor_shows_what_it_knows() -> None:
    login = a_login(message="{key}", frame={"s": "{signature}"})
    frame_of(login)
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="does not pickle or copy"):
            leave(login)
    assert repr(login) == "FrameLogin(wss://host.test/ws)"
    assert "a-secret" not in f"{vars(login)} {login.draft(NOW)!r}"
    assert mac("a-key") not in f"{vars(login)} {login.draft(NOW)!r}"


def test_private_messages_go_out_as_they_are() -> None:
    login = a_login()
    assert login.build_subscribe_auth("orders", ["BTC"]) is None
    assert login.sign_message({"op": "subscribe"}) == {"op": "subscribe"}
    assert login.sign_message("ping") == "ping"
