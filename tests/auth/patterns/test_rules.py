"""Rules say what a frame means: each way of asking, by frames that fit and frames that do not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.auth.outcome import AuthStatus
from networkpype.auth.patterns.rules import (
    Containing,
    Seen,
    accepted,
    expired,
    judge,
    rejected,
    seconds_at,
    value_at,
)
from networkpype.errors import AuthenticationFailure

FRAMES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("when", "frame", "fits"),
    [
        ({"code": 0}, {"code": 0}, True),
        ({"code": 0}, {"code": "0"}, True),
        ({"code": "0"}, {"code": 0}, True),
        ({"code": 0}, {"code": False}, False),
        ({"code": 0}, {"code": None}, False),
        ({"code": 0}, {"code": ""}, False),
        ({"code": 0}, {}, False),
        ({"ok": True}, {"ok": True}, True),
        ({"ok": True}, {"ok": "true"}, True),
        ({"ok": True}, {"ok": 1}, False),
        ({"ok": False}, {"ok": False}, True),
        ({"ok": False}, {}, False),
        ({"event": "login"}, {"event": "Login"}, False),
        ({"code": (1, 2)}, {"code": "2"}, True),
        ({"code": (1, 2)}, {"code": 3}, False),
        ({"a": Seen.ANY}, {"a": 0}, True),
        ({"a": Seen.ANY}, {"a": ""}, True),
        ({"a": Seen.ANY}, {"a": False}, False),
        ({"a": Seen.ANY}, {"a": None}, False),
        ({"a": Seen.ANY}, {}, False),
        ({"a": Seen.ABSENT}, {}, True),
        ({"a": Seen.ABSENT}, {"a": None}, True),
        ({"a": Seen.ABSENT}, {"a": False}, False),
        ({"id": Seen.MY_ID}, {"id": 7}, True),
        ({"id": Seen.MY_ID}, {"id": "7"}, True),
        ({"id": Seen.MY_ID}, {"id": 8}, False),
        ({"id": Seen.MY_ID}, {"id": None}, False),
        ({"msg": Containing("Sign", "key")}, {"msg": "invalid SIGNATURE"}, True),
        ({"msg": Containing("Sign", "key")}, {"msg": "other"}, False),
        ({"msg": Containing("sign")}, {}, False),
        ({"a.b": 1}, {"a": {"b": 1}}, True),
        ({"a.b": 1}, {"a": "b"}, False),
        ({"a.0.c": 1}, {"a": [{"c": 1}]}, True),
        ({"a.1.c": 1}, {"a": [{"c": 1}]}, False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
    ],
)
def test_a_rule_asks_this_of_a_frame(when: Any, frame: Any, fits: bool) -> None:
    assert (judge(frame, [accepted(when)], 7).status is AuthStatus.ACCEPTED) is fits


def test_no_id_is_nobodys_id() -> None:
    rules = [accepted({"id": Seen.MY_ID})]
    for frame in ({"id": None}, {}, {"id": "None"}):
        assert judge(frame, rules, None).status is AuthStatus.NOT_MINE


def test_the_first_rule_that_fits_decides() -> None:
    rules = [rejected({"a": 1, "b": 1}, definite=False), accepted({"a": 1}), rejected({})]
    assert [judge(frame, rules).status for frame in ({"a": 1, "b": 1}, {"a": 1}, {})] == [
        AuthStatus.REJECTED,
        AuthStatus.ACCEPTED,
        AuthStatus.REJECTED,
    ]


@pytest.mark.parametrize("frame", ["pong", b"\x00", None, 5, [], ["auth"], [{"a": 1}], {}])
def test_what_is_no_mapping_or_fits_nothing_is_not_mine(frame: Any) -> None:
    assert judge(frame, [accepted({"a": 1})]).status is AuthStatus.NOT_MINE


@given(FRAMES)
def test_no_frame_is_too_strange_to_be_judged(frame: Any) -> None:
    rules = [accepted({"a.b.0": Seen.ANY, "c": 1}, lifetime="d"), expired({"e": Containing("x")})]
    assert judge(frame, rules, "1").status in AuthStatus
    value_at(frame, "a.0.b")


def test_the_reason_is_the_first_of_the_exchanges_own_words() -> None:
    rules = [rejected({"error": Seen.ANY}, "error.message", "error.code", "text")]
    told = [
        judge(frame, rules).reason
        for frame in (
            {"error": {"message": "no", "code": 5}},
            {"error": {"message": "", "code": 5}},
            {"error": {"message": None}, "text": "plain"},
            {"error": True},
        )
    ]
    assert told == ["no", "5", "plain", "refused without a reason"]


def test_a_reason_cannot_forge_a_line_of_a_log() -> None:
    said = "bad\r\n2026-01-01 INFO all is well\x1b[2J" + "x" * 5000
    reason = judge({"e": said}, [rejected({"e": Seen.ANY}, "e")]).reason
    assert reason.isprintable()
    assert reason.startswith("bad")
    assert len(reason) < 400


def test_a_refusal_says_what_it_is_about_and_whether_it_passes() -> None:
    rule = rejected({}, failure=AuthenticationFailure.TIMESTAMP, definite=False)
    outcome = judge({"x": 1}, [rule])
    assert (outcome.failure, outcome.definite) == (AuthenticationFailure.TIMESTAMP, False)
    plain = judge({"x": 1}, [rejected({})])
    assert (plain.failure, plain.definite) == (AuthenticationFailure.REJECTED, True)


def test_an_end_of_a_token_is_no_refusal() -> None:
    outcome = judge({"cmd": "token_expired", "m": "late"}, [expired({"cmd": "token_expired"}, "m")])
    assert (outcome.status, outcome.reason, outcome.definite) == (AuthStatus.EXPIRED, "late", False)


@pytest.mark.parametrize(
    ("said", "lifetime_s"),
    [
        (900, 900.0),
        (0.5, 0.5),
        ("1800", 1800.0),
        (0, None),
        (-1, None),
        ("never", None),
        ("", None),
        (None, None),
        (True, None),
        ("nan", None),
        ("inf", None),
        (10**400, None),
        ("9" * 400, None),
        ([900], None),
    ],
)
def test_a_lifetime_is_a_number_of_seconds_above_zero(said: Any, lifetime_s: Any) -> None:
    frame = {"ok": 1, "result": {"expires_in": said}}
    rule = accepted({"ok": 1}, lifetime="result.expires_in")
    assert judge(frame, [rule]).lifetime_s == lifetime_s
    assert seconds_at(frame, "result.expires_in") == lifetime_s
