"""What an exchange's answers tell: pauses that stop everybody, and counts that are corrected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import pytest
from multidict import CIMultiDict

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    LimitBlocked,
    LimitCorrected,
    LinkedLimitWeightPair,
    RateLimit,
    UnknownLimitError,
)
from networkpype.hooks import Event
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.learning import (
    LONGEST_PAUSE_S,
    Answer,
    Lesson,
    Pause,
    RemainingHeader,
    Used,
    UsedHeader,
)

LIMITS = [
    RateLimit("ip", 100, 60),
    RateLimit("orders", 10, 1, 1, [LinkedLimitWeightPair("ip", 2)]),
    RateLimit("other", 10, 10),
]


def throttler(**options: Any) -> tuple[AsyncThrottler, list[Event]]:
    events: list[Event] = []
    return AsyncThrottler(LIMITS, safety_margin_pct=0, hook=events.append, **options), events


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CIMultiDict(named), body)


async def call(limited: AsyncThrottler, limit_id: str, told: Answer) -> None:
    async with limited.in_flight(limit_id) as slot:
        slot.land(told)


@virtual_time
@pytest.mark.parametrize(
    ("told", "quiet_s"),
    [
        (answer(429, Retry_After="7"), 7.0),
        (answer(429, Retry_After="0.5"), 0.5),
        (
            answer(
                429,
                Date="Fri, 21 Nov 2025 02:40:00 GMT",
                Retry_After="Fri, 21 Nov 2025 02:40:09 GMT",
            ),
            9.0,
        ),
        (answer(503, Retry_After="4"), 4.0),
        (answer(429), 60.0),  # the longest interval that the call was charged under
        (answer(429, Retry_After="soon"), 60.0),
        (answer(429, Retry_After="-5"), 60.0),
        (answer(429, Retry_After="1e12"), LONGEST_PAUSE_S),
    ],
    ids=["seconds", "a fraction", "a date", "503", "untold", "unreadable", "negative", "absurd"],
)
async def test_every_lane_of_the_scope_is_quiet_as_long_as_is_asked(
    told: Answer, quiet_s: float
) -> None:
    limited, events = throttler()
    await call(limited, "orders", told)
    assert LimitBlocked(("orders", "ip"), quiet_s, told.status) in events
    shown = limited.snapshot()
    assert shown["ip"].blocked_s == shown["orders"].blocked_s == pytest.approx(quiet_s)
    assert shown["other"].blocked_s == 0
    start = asyncio.get_running_loop().time()
    await limited.acquire("other")
    assert asyncio.get_running_loop().time() == start
    await asyncio.gather(limited.acquire("ip"), limited.acquire("orders"))
    assert asyncio.get_running_loop().time() - start == pytest.approx(quiet_s)


@virtual_time
async def test_a_ban_stops_every_lane_and_a_shorter_pause_does_not_end_it() -> None:
    limited, events = throttler()
    waits = [asyncio.create_task(limited.acquire(name)) for name in ("orders",) * 15]
    await asyncio.sleep(0)
    await call(limited, "ip", answer(418, Retry_After="120"))
    assert events[-1] == LimitBlocked(("ip", "orders", "other"), 120.0, 418)
    limited.block(5, ["orders"])
    start = asyncio.get_running_loop().time()
    await asyncio.gather(limited.acquire("other"), *waits)
    assert asyncio.get_running_loop().time() - start == pytest.approx(120.0)


@pytest.mark.parametrize("status", [200, 400, 403, 500, 502, 504, 503])
async def test_other_answers_ask_for_no_pause(status: int) -> None:
    limited, events = throttler()
    await call(limited, "orders", answer(status))
    assert events == []
    assert limited.snapshot()["orders"].blocked_s == 0


@virtual_time
async def test_the_count_follows_what_the_exchange_has_counted() -> None:
    learner = UsedHeader("X-MBX-USED-WEIGHT-1M", "ip")
    limited, events = throttler(learn_from=[learner])
    for _ in range(10):
        await limited.acquire("ip")
    await asyncio.sleep(1)
    await call(limited, "ip", answer(X_MBX_USED_WEIGHT_1M="41"))
    assert limited.snapshot()["ip"].used == 41
    assert events == [LimitCorrected("ip", 11, 41)]
    await asyncio.sleep(1)
    await call(limited, "ip", answer(X_MBX_USED_WEIGHT_1M="3"))
    assert limited.snapshot()["ip"].used == 3
    assert events[1:] == [LimitCorrected("ip", 42, 3)]


@virtual_time
async def test_what_left_after_the_call_that_tells_is_not_forgotten() -> None:
    limited, _ = throttler(learn_from=[UsedHeader("X-Used", "ip")])
    async with limited.in_flight("ip") as first:
        await asyncio.sleep(0.1)
        async with limited.in_flight("ip"):
            for _ in range(5):
                await limited.acquire("ip")
            first.land(answer(X_Used="1"))
            assert limited.snapshot()["ip"].used == 7


@virtual_time
async def test_what_is_left_is_learnt_and_a_share_of_it_is_no_more() -> None:
    learner = RemainingHeader("X-Left", limit_header="X-Limit")
    limited, _ = throttler(learn_from=[learner])
    await call(limited, "other", answer(X_Left="2", X_Limit="10"))
    assert limited.snapshot()["other"].used == 8
    half = AsyncThrottler(
        LIMITS, safety_margin_pct=0, limits_share_percentage=50, learn_from=[learner]
    )
    await call(half, "other", answer(X_Left="7", X_Limit="10"))
    assert half.snapshot()["other"].used == 1  # the others used 2, of what is not ours
    await asyncio.sleep(1)
    await call(half, "other", answer(X_Left="2", X_Limit="10"))
    assert half.snapshot()["other"].used == 3  # of 5: no more than 2 are left to anybody


@pytest.mark.parametrize("text", ["", "many", "-3", "inf", "nan"])
async def test_a_header_that_tells_nothing_changes_nothing(text: str) -> None:
    limited, events = throttler(learn_from=[UsedHeader("X-Used"), RemainingHeader("X-Left")])
    await call(limited, "ip", answer(X_Used=text, X_Left=text))
    assert events == []


@virtual_time
async def test_a_learner_of_your_own_reads_the_body() -> None:
    def bybit(told: Answer, limit_id: str) -> Iterable[Lesson]:
        if b"10006" in told.body:
            yield Pause((limit_id,), 3.0)
        if told.status == 403:
            yield Pause(None, 600.0)

    limited, _ = throttler(learn_from=[bybit])
    await call(limited, "orders", answer(200, b'{"retCode":10006}'))
    shown = limited.snapshot()
    assert shown["orders"].blocked_s == pytest.approx(3.0)
    assert shown["ip"].blocked_s == 0
    await call(limited, "other", answer(403))
    assert limited.snapshot()["ip"].blocked_s == pytest.approx(600.0)


async def test_a_learner_that_fails_is_logged_and_the_call_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(told: Answer, limit_id: str) -> Iterable[Lesson]:
        raise LookupError("oh")

    limited, events = throttler(learn_from=[broken, lambda *_: [Used("nowhere", 5)]])
    with caplog.at_level(logging.ERROR):
        await call(limited, "ip", answer(200))
    assert events == []
    assert "oh" in caplog.text
    assert 'no rate limit "nowhere"' in caplog.text
    assert limited.snapshot()["ip"].held == 0


async def test_to_block_by_hand() -> None:
    limited, events = throttler()
    limited.block(5.0)
    assert events == [LimitBlocked(("ip", "orders", "other"), 5.0, 0)]
    with pytest.raises(UnknownLimitError):
        limited.block(5.0, ["nowhere"])
    with pytest.raises(ConfigurationError, match="for_s"):
        limited.block(-1.0)
    limited.block(0)
    limited.block(0.0, ["ip"])
    limited.block(5.0, [])
    assert len(events) == 1
    with pytest.raises(ConfigurationError, match="list of names"):
        limited.block(1.0, "ip")


@virtual_time
async def test_what_is_refused_together_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    limited, _ = throttler()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            limited.block(7.0, ["other"], status=429)
    assert len([each for each in caplog.records if "no call for 7 s" in each.message]) == 1


def test_a_header_is_learnt_for_a_limit_that_is_there() -> None:
    with pytest.raises(UnknownLimitError, match='did you mean "ip"'):
        throttler(learn_from=[UsedHeader("X-Used", "ipp")])


@virtual_time
async def test_who_waits_goes_on_at_once_where_the_exchange_has_counted_less() -> None:
    limited, _ = throttler(learn_from=[UsedHeader("X-Used", "ip")])
    for _ in range(99):
        await limited.acquire("ip")
    await asyncio.sleep(1)
    start = asyncio.get_running_loop().time()
    async with limited.in_flight("ip") as slot:
        waits = asyncio.create_task(limited.acquire("ip"))
        await asyncio.sleep(1)
        slot.land(answer(X_Used="40"))
        await waits
    assert asyncio.get_running_loop().time() - start == pytest.approx(1.0)


@virtual_time
async def test_to_block_before_the_first_call() -> None:
    limited, _ = throttler()
    limited.block(5.0)
    start = asyncio.get_running_loop().time()
    await limited.acquire("ip")
    assert asyncio.get_running_loop().time() - start == pytest.approx(5.0)


@pytest.mark.parametrize(
    "told", [answer(429), answer(429, Retry_After="7"), answer(418, Retry_After="7"), answer(200)]
)
async def test_a_learner_that_reads_the_answer_knows_better_than_its_status(told: Answer) -> None:
    limited, events = throttler(learn_from=[lambda told, limit_id: [Pause((limit_id,), 1.5)]])
    await call(limited, "orders", told)
    assert events == [LimitBlocked(("orders",), 1.5, told.status)]


@pytest.mark.parametrize(
    ("pause", "blocked"),
    [
        (Pause((), 0), ()),  # not a reason to be quiet at all
        (Pause(("orders",), 0), ()),
        (Pause(("nowhere",), 3), ("orders", "ip")),
        (Pause(("orders",), float("nan")), ("orders", "ip")),
        (Pause(("orders",), -1.0), ("orders", "ip")),  # it took the clock for another
    ],
)
async def test_a_pause_that_cannot_be_takes_the_place_of_nothing(
    pause: Pause, blocked: tuple[str, ...]
) -> None:
    limited, events = throttler(learn_from=[lambda told, limit_id: [pause]])
    await call(limited, "orders", answer(429, Retry_After="7"))
    assert events == ([LimitBlocked(blocked, 7.0, 429)] if blocked else [])


SLOTS = [
    RateLimit("ip", 100, 60),
    RateLimit.concurrent("slots", 3),
    *(
        RateLimit(
            name, 10, 1, 1, [LinkedLimitWeightPair("slots"), LinkedLimitWeightPair("ip", weight)]
        )
        for name, weight in (("orders", 1), ("cancels", 0))
    ),
]


@virtual_time
@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_stops_no_limit_of_calls_under_way(status: int) -> None:
    events: list[Event] = []
    limited = AsyncThrottler(SLOTS, hook=events.append)
    await call(limited, "orders", answer(status, Retry_After="7"))
    assert events == [LimitBlocked(("orders", "ip"), 7.0, status)]
    async with limited.in_flight("cancels", max_wait=0):  # which the 429 was not about
        assert limited.snapshot()["slots"].blocked_s == 0
    await call(limited, "cancels", answer(418, Retry_After="3"))
    assert limited.snapshot()["slots"].blocked_s == pytest.approx(3.0)
    limited.block(9.0, ["slots"])
    assert limited.snapshot()["slots"].blocked_s == pytest.approx(9.0)


async def test_a_refusal_that_can_stop_nothing_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited = AsyncThrottler(SLOTS)
    for _ in range(3):
        await call(limited, "slots", answer(429, Retry_After="7"))
    [warned] = caplog.records
    assert 'answered 429 to a call under "slots", which has no limit that' in warned.message
    assert limited.snapshot()["slots"].blocked_s == 0


@virtual_time
@pytest.mark.parametrize(
    "returned", [None, "oh", Pause(None, 600.0), Used("ip", 5), 7, ["ip"], [Used("ip", 5), None]]
)
async def test_a_learner_that_returns_no_list_is_told_so_once(
    returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    limited, events = throttler(learn_from=[lambda told, limit_id: returned])
    for _ in range(3):
        await call(limited, "orders", answer(429, Retry_After="7"))
    [error] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "return a list of Used, Remaining and Pause (an empty one for nothing)" in error.message
    assert error.exc_info is None
    assert events[0] == LimitBlocked(("orders", "ip"), 7.0, 429)  # as if it were not there
    assert limited.snapshot()["ip"].held == 0


async def test_a_learner_that_raises_shows_one_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(told: Answer, limit_id: str) -> Iterable[Lesson]:
        raise LookupError("oh")

    limited, _ = throttler(learn_from=[broken])
    for _ in range(3):
        await call(limited, "ip", answer(200))
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [each.exc_info is not None for each in errors] == [True, False, False]
    assert all("LookupError: oh" in each.message for each in errors)


@pytest.mark.parametrize("header", ["", " ", None, b"X-Used"])
def test_a_header_has_a_name(header: Any) -> None:
    with pytest.raises(ConfigurationError, match="header is the name of a header"):
        UsedHeader(header)
    with pytest.raises(ConfigurationError, match="header is the name of a header"):
        RemainingHeader(header)
    if header is not None:
        with pytest.raises(ConfigurationError, match="limit_header is the name of a header"):
            RemainingHeader("X-Left", limit_header=header)


@virtual_time
@pytest.mark.parametrize("comes", [None, 1, 100, 101])
async def test_a_header_that_never_comes_is_told_once(
    comes: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> list[str]:
        return [each.message for each in caplog.records if each.levelno >= logging.WARNING]

    roomy = [limit.copy(limit=10_000) for limit in LIMITS]
    limited = AsyncThrottler(roomy, learn_from=[UsedHeader("X-Usedd", "ip")])
    for _ in range(150):
        await call(limited, "other", answer())  # not counted there, whoever answers
        await call(limited, "ip", answer(502))  # nor by a proxy
    assert warnings() == []
    for number in range(1, 301):
        told = answer(X_Usedd="1") if number == comes else answer()
        await call(limited, "ip", told)
        expected = number >= 100 and (comes is None or comes > 100)
        assert len(warnings()) == expected, number
    if expected:
        assert 'header "X-Usedd", which tells of limit "ip"' in caplog.text
        assert "none of the first 100 answers" in caplog.text


@virtual_time
async def test_a_bucket_is_never_believed_to_be_more_than_full() -> None:
    limited = AsyncThrottler(
        [RateLimit.token_bucket("a", 10, 1)], 0.1, 0, learn_from=[UsedHeader("X-Used")]
    )
    await call(limited, "a", answer(X_Used="999999"))
    assert limited.snapshot()["a"].used == 10


async def test_a_pause_for_a_limit_that_is_not_there_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited, _ = throttler(learn_from=[lambda *_: [Pause(("nowhere",), 1.0)]])
    await call(limited, "ip", answer(200))
    assert 'no rate limit "nowhere"' in caplog.text
