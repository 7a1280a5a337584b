"""Signs of life: an application's pings, and streams that went quiet."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.errors import ConfigurationError
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.heartbeat import Pulse, Verdict
from networkpype.websocket.session.beats import AppPulse, Heartbeat, Quiet
from networkpype.websocket.session.events import Stale
from networkpype.websocket.subscriptions import Subscription

WAIT, PING, DEAD = Verdict.WAIT, Verdict.PING, Verdict.DEAD


def read_pulse(now: float = 0.0) -> Pulse:
    """Return the pulse of a connection that somebody reads from."""
    pulse = Pulse(now, ping_interval_s=None, pong_timeout_s=None, message_timeout_s=None)
    pulse.waiting_since = now
    return pulse


def beating(**more: Any) -> AppPulse:
    return AppPulse(Heartbeat(message="ping", **{"message_s": 20.0, "reply_s": 10.0, **more}), 0.0)


@pytest.mark.parametrize(
    "wrong",
    [{"ping_s": 0}, {"message_s": -1}, {"reply_s": float("inf")}, {"reply": "pong"}],
)
def test_a_wrong_heartbeat_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Heartbeat(**wrong)


def test_only_functions_make_every_message_be_decoded() -> None:
    assert not Heartbeat(message="ping", reply="pong", answers={"hi": "ho"}).decodes
    assert Heartbeat(message="ping", reply=lambda data: True).decodes
    assert Heartbeat(answers=lambda data: None).decodes
    assert Heartbeat(message="ping", reply="pong", answers={"hi": "ho"}).texts == {
        "pong": None,
        "hi": "ho",
    }


def test_a_ping_goes_out_every_so_often_whatever_else_comes() -> None:
    beats, pulse = beating(), read_pulse()
    assert beats.poll(0.0, pulse) == (WAIT, 20.0)
    assert beats.poll(19.9, pulse) == (WAIT, 20.0)
    pulse.frame_at = 19.95  # data flows, and the exchange wants its ping all the same
    assert beats.poll(20.0, pulse) == (PING, 30.0)
    pulse.frame_at = 20.1
    assert beats.poll(25.0, pulse) == (WAIT, 40.0)
    assert beats.poll(40.0, pulse)[0] is PING


def test_without_any_frame_after_a_ping_the_peer_is_dead() -> None:
    beats, pulse = beating(), read_pulse()
    beats.poll(20.0, pulse)
    assert beats.poll(29.9, pulse) == (WAIT, 30.0)
    assert beats.poll(30.0, pulse)[0] is DEAD


def test_any_frame_is_life() -> None:
    beats, pulse = beating(), read_pulse()
    beats.poll(20.0, pulse)
    pulse.frame_at = 29.9  # it is no pong
    assert beats.poll(30.0, pulse) == (WAIT, 40.0)


def test_a_frame_before_the_ping_is_no_answer() -> None:
    beats, pulse = beating(), read_pulse()
    pulse.frame_at = 19.9
    beats.poll(20.0, pulse)
    assert beats.poll(30.0, pulse)[0] is DEAD


def test_while_nobody_reads_the_peer_is_not_blamed() -> None:
    beats, pulse = beating(), read_pulse()
    beats.poll(20.0, pulse)
    pulse.waiting_since = None  # the consumer is slow, and the socket is left alone
    assert beats.poll(35.0, pulse) == (WAIT, 40.0)
    assert beats.poll(40.0, pulse) == (PING, 60.0)  # but the exchange hears from us
    pulse.waiting_since = 50.0
    assert beats.poll(50.0, pulse) == (WAIT, 60.0)
    assert beats.poll(60.0, pulse)[0] is DEAD  # it had its time, counted from the reading


def test_a_second_ping_gives_no_second_grace() -> None:
    beats, pulse = beating(message_s=4.0), read_pulse()
    assert beats.poll(4.0, pulse) == (PING, 8.0)
    assert beats.poll(8.0, pulse) == (PING, 12.0)
    assert beats.poll(12.0, pulse) == (PING, 14.0)
    assert beats.poll(14.0, pulse)[0] is DEAD


# -- streams that went quiet -----------------------------------------------------------------------


def stream(name: str, stale_after_s: float = 5.0) -> Subscription:
    return Subscription(
        name,
        MethodSubscribe(),
        matches=lambda data: data == name,
        stale_after_s=stale_after_s,
    )


def test_a_stream_that_goes_quiet_is_told_once_a_silence() -> None:
    quiet, live = Quiet(), [stream("a")]
    assert quiet.tick(live, 0.0, 3) == ([], 5.0)
    assert quiet.tick(live, 4.9, 3) == ([], 5.0)
    assert quiet.tick(live, 5.5, 3) == ([Stale(3, "a", 5.5)], None)
    assert quiet.tick(live, 60.0, 3) == ([], None)
    quiet.heard("a", live, 61.0)
    assert quiet.tick(live, 62.0, 3) == ([], 66.0)
    assert quiet.tick(live, 66.0, 3) == ([Stale(3, "a", 5.0)], None)


def test_another_streams_messages_do_not_help() -> None:
    quiet, live = Quiet(), [stream("a"), stream("b", 8.0)]
    quiet.tick(live, 0.0, 1)
    quiet.heard("b", live, 4.0)
    assert quiet.tick(live, 5.0, 1) == ([Stale(1, "a", 5.0)], 12.0)


def test_one_that_went_and_came_back_begins_anew() -> None:
    quiet, live = Quiet(), [stream("a")]
    quiet.tick(live, 0.0, 1)
    assert quiet.tick(live, 5.0, 1)[0]
    assert quiet.tick([], 6.0, 1) == ([], None)
    assert quiet.tick(live, 100.0, 1) == ([], 105.0)
    assert quiet.tick(live, 105.0, 1) == ([Stale(1, "a", 5.0)], None)


def test_time_in_which_nobody_reads_is_no_silence() -> None:
    quiet, live = Quiet(), [stream("a")]
    quiet.tick(live, 0.0, 1)
    quiet.pause(2.0)
    assert quiet.tick(live, 50.0, 1) == ([], None)
    quiet.go_on(50.0)
    assert quiet.tick(live, 50.0, 1) == ([], 53.0)
    assert quiet.tick(live, 53.0, 1) == ([Stale(1, "a", 5.0)], None)


def test_one_without_a_limit_is_never_stale() -> None:
    quiet = Quiet()
    assert quiet.tick([Subscription("a", MethodSubscribe())], 0.0, 1) == ([], None)
    assert quiet.tick([Subscription("a", MethodSubscribe())], 1e9, 1) == ([], None)
