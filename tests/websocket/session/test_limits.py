"""What an exchange takes of dials and messages (F39): counted where it counts them, at its end."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit
from networkpype.errors import (
    ConfigurationError,
    ConnectFailedError,
    NotConnectedError,
    Outcome,
    RateLimitedError,
    ReconnectError,
    ThrottleTimeoutError,
    UnknownLimitError,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.hooks import Event, LimitBlocked, ThrottleWaited
from networkpype.testing import MockVenue
from networkpype.testing.virtual_time import virtual_time
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.rate_limit import LinkedLimitWeightPair
from networkpype.websocket.decoding import MessageDecoder
from networkpype.websocket.line import Line
from networkpype.websocket.pacing import Pace
from networkpype.websocket.processor.base import WebSocketPreProcessor
from networkpype.websocket.request import (
    WebSocketJSONRequest,
    WebSocketPlainTextRequest,
    WebSocketRequest,
)
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import Connected, Disconnected, Ready
from networkpype.websocket.session.redial import Reconnect
from tests.support.raw_websocket import PING, PONG, TEXT, Frame, frame
from tests.support.stage import AT_ONCE, Guest, Seen, Stage, serving, staged, topics, watched

FIFTY = [f"c{number}" for number in range(50)]
DIALS = RateLimit("dials", 5, 0.5)


def most_in(times: Sequence[float], interval_s: float) -> int:
    """Return how many came within any interval, wherever it begins."""
    times = sorted(times)
    return max(sum(at <= other < at + interval_s for other in times) for at in times)


class Counter:
    """Notes when each dial and each frame of a client came in."""

    def __init__(self, *, ping_every_s: float | None = None, silent: bool = False) -> None:
        self.dials: list[float] = []
        self.frames: dict[int, list[tuple[float, Frame]]] = defaultdict(list)
        self._guests: list[Guest] = []
        self._ping_every_s = ping_every_s
        self._silent = silent

    async def __call__(self, guest: Guest) -> None:
        now = asyncio.get_running_loop().time
        self.dials.append(now())
        self._guests.append(guest)
        await guest.upgrade()
        pinging = asyncio.create_task(self._ping(guest))
        try:
            while True:
                got = await guest.read_frame()
                if got.opcode not in (TEXT, PING, PONG):
                    return
                self.frames[guest.number].append((now(), got))
                guest.stage.notice()
                if got.opcode == PING:
                    await guest.write(frame(PONG, got.payload))
                elif got.opcode == TEXT and not self._silent:
                    await self._answer(guest, got.payload.decode())
        finally:
            pinging.cancel()

    async def _answer(self, guest: Guest, text: str) -> None:
        if text == "ping":
            await guest.write(frame(TEXT, "pong"))
            return
        data = json.loads(text)
        if "SUBSCRIBE" in str(data.get("method")):
            await guest.accept(data)
        elif "id" in data:
            await guest.say({"id": data["id"], "result": "here"})

    async def _ping(self, guest: Guest) -> None:
        number = 0
        while self._ping_every_s is not None:
            await asyncio.sleep(self._ping_every_s)
            number += 1
            await guest.write(frame(PING, str(number).encode()))

    def drop_all(self) -> None:
        for guest in self._guests:
            guest.hang_up()

    def times(self, number: int) -> list[float]:
        return [at for at, _ in self.frames[number]]

    def of(self, number: int, opcode: int) -> list[tuple[float, str]]:
        return [
            (at, got.payload.decode()) for at, got in self.frames[number] if got.opcode == opcode
        ]


# -- dials -----------------------------------------------------------------------------------------


async def test_many_sessions_dial_within_the_limit_they_share() -> None:
    """F39, F46: twenty sessions, first dials and those after a drop of all: never 6 in 0.5 s."""
    count = Counter()
    throttler = AsyncThrottler([DIALS], safety_margin_pct=0)
    async with Stage(count) as stage, AsyncExitStack() as stack:
        factory = await stack.enter_async_context(ConnectionManagersFactory(throttler))
        reconnect = Reconnect(backoff=AT_ONCE, most_dials=1000)
        seen = []
        for _ in range(20):
            session = factory.get_ws_session(
                stage.url, dial_limit_id="dials", reconnect=reconnect, close_timeout_s=0.5
            )
            seen.append(Seen(await stack.enter_async_context(session)))
        began = asyncio.get_running_loop().time()
        for each in seen:
            await each.until(lambda each=each: each.of(Ready))  # type: ignore[misc]
        assert asyncio.get_running_loop().time() - began >= 1.5
        assert len(count.dials) == 20
        assert most_in(count.dials, 0.5) == 5
        count.drop_all()
        for each in seen:
            await each.until(lambda each=each: len(each.of(Ready)) == 2)  # type: ignore[misc]
        assert len(count.dials) == 40
        assert most_in(count.dials, 0.5) == 5
        await factory.close()
        await asyncio.gather(*(each.task for each in seen))


async def test_sharded_connections_rollovers_and_managers_share_it() -> None:
    """F39: whoever dials, waits in the same line."""
    count = Counter()
    throttler = AsyncThrottler([RateLimit("dials", 2, 0.4)], safety_margin_pct=0)
    async with Stage(count) as stage, ConnectionManagersFactory(throttler) as factory:
        reconnect = Reconnect(backoff=AT_ONCE, most_dials=1000, rollover_s=0.5, overlap_s=0)
        async with factory.get_sharded_session(
            stage.url,
            max_subscriptions=1,
            subscriptions=topics("a", "b", "c"),
            dial_limit_id="dials",
            reconnect=reconnect,
            close_timeout_s=0.5,
        ) as session:
            seen = Seen(session)  # type: ignore[arg-type]
            manager = await factory.get_ws_manager(dial_limit_id="dials")
            await manager.connect(stage.url)
            await manager.disconnect()
            await seen.until(lambda: sum(each.planned for each in seen.of(Disconnected)) >= 3)
            assert len(count.dials) >= 7
            assert most_in(count.dials, 0.4) == 2
            assert len({each.shard for each in seen.of(Disconnected)}) == 3
            await session.close()
            await seen.task


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ("429 Too Many Requests", ["Retry-After: 3600"]),
        ("418 I'm a teapot", ["Retry-After: 3600"]),
        ("503 Service Unavailable", ["Retry-After: 3600"]),
    ],
)
async def test_a_dial_that_is_refused_holds_the_others_back(status: str, lines: list[str]) -> None:
    """F39: Retry-After is for the address, not for one session."""

    async def refuse(guest: Guest) -> None:
        await guest.read_head()
        await guest.answer(status, "Content-Length: 0", *lines)

    told: list[Event] = []
    throttler = AsyncThrottler(
        [RateLimit("dials", 100, 1), RateLimit("rest", 9, 1)], hook=told.append
    )
    async with (
        Stage(refuse, serving) as stage,
        ConnectionManagersFactory(throttler) as factory,
        factory.get_ws_session(stage.url, dial_limit_id="dials") as first,
    ):
        seen = Seen(first)
        await seen.until(lambda: seen.of(Disconnected))
        (failed,) = seen.of(Disconnected)
        assert failed.retry_in_s == pytest.approx(3600, abs=1)
        (blocked,) = [each for each in told if isinstance(each, LimitBlocked)]
        everything = ("dials", "rest") if status.startswith("418") else ("dials",)
        assert (sorted(blocked.limit_ids), blocked.for_s) == (sorted(everything), 3600)
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await manager.connect(stage.url)
        assert stage.connections == 1
        await first.close()
        await seen.task


async def test_a_session_waits_whatever_the_throttlers_own_patience_is() -> None:
    """Its messages and dials have to go some time; a manager's caller hears of it at once."""
    count = Counter()
    throttler = AsyncThrottler(
        [RateLimit("dials", 1, 0.3), RateLimit("messages", 1, 0.05)],
        safety_margin_pct=0,
        max_wait=0.0,
    )
    async with Stage(count) as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        await manager.connect(stage.url)
        await manager.disconnect()
        with pytest.raises(ThrottleTimeoutError) as failed:
            await manager.connect(stage.url)
        assert failed.value.outcome is Outcome.NOT_SENT
        async with factory.get_ws_session(
            stage.url,
            subscriptions=topics("a", "b", "c"),
            dial_limit_id="dials",
            throttler_limit_id="messages",
            close_timeout_s=0.5,
        ) as session:
            await session.ready(5)
            assert session.epoch == 1
            assert len(count.frames[2]) == 3


async def test_closing_while_a_dial_waits_gives_its_turn_back() -> None:
    count = Counter()
    throttler = AsyncThrottler([RateLimit("dials", 1, 3600)], safety_margin_pct=0)
    before = asyncio.all_tasks()
    async with Stage(count) as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager(dial_limit_id="dials")
        await manager.connect(stage.url)
        session = factory.get_ws_session(stage.url, dial_limit_id="dials")
        await session.open()
        while not throttler.snapshot()["dials"].waiting:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0)
        await asyncio.wait_for(session.close(), 1)
        assert throttler.snapshot()["dials"].waiting == 0
        await manager.disconnect()
    assert stage.connections == 1
    assert asyncio.all_tasks() == before


async def test_disconnecting_while_a_dial_waits_dials_nothing() -> None:
    throttler = AsyncThrottler([RateLimit("dials", 1, 0.1)], safety_margin_pct=0)
    async with Stage(serving) as stage, ConnectionManagersFactory(throttler) as factory:
        first, second = [await factory.get_ws_manager(dial_limit_id="dials") for _ in range(2)]
        await first.connect(stage.url)
        dialing = asyncio.create_task(second.connect(stage.url))
        await asyncio.sleep(0)
        await second.disconnect()
        with pytest.raises(NotConnectedError, match="turn"):
            await dialing
        assert stage.connections == 1
        await second.connect(stage.url)
        assert second.connected
        await first.disconnect()
        await second.disconnect()


class NoToken:
    """Makes the calls of a login, none of which is answered, or none well."""

    def __init__(self, *, fails: bool) -> None:
        self.asked = asyncio.Event()
        self._fails = fails

    async def execute_request(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.set()
        if self._fails:
            raise ConnectFailedError("no token today")
        await asyncio.Event().wait()


async def test_a_login_that_never_dials_gives_its_turn_back() -> None:
    """What it fetches comes after its turn, so that it is fresh, and may fail or be cut short."""
    throttler = AsyncThrottler(
        [RateLimit("dials", 1, 3600), RateLimit("tokens", 9, 1)], safety_margin_pct=0
    )
    async with MockVenue("kucoin") as venue:
        auth = exchange_auth(
            exchange("kucoin").at(venue.url, venue.ws_url),
            venue.credentials,
            throttler_limit_id="tokens",
        )
        async with ConnectionManagersFactory(throttler, auth) as factory:
            manager = await factory.get_ws_manager(dial_limit_id="dials")
            with pytest.raises(ConnectFailedError):
                await manager.login(NoToken(fails=True))
            assert throttler.snapshot()["dials"].used == 0
            rest = NoToken(fails=False)
            async with factory.get_ws_session(dial_limit_id="dials", rest=rest) as session:
                await asyncio.wait_for(rest.asked.wait(), 5)
                assert throttler.snapshot()["dials"].used == 1
                await session.close()
            assert throttler.snapshot()["dials"].used == 0
            await manager.login(await factory.get_rest_manager())
            assert manager.connected
            assert throttler.snapshot()["dials"].used == 1
            await manager.disconnect()


def test_a_limit_that_is_not_there_is_refused_at_once() -> None:
    factory = ConnectionManagersFactory(AsyncThrottler([DIALS]))
    with pytest.raises(UnknownLimitError, match="dial"):
        factory.get_ws_session("ws://h", dial_limit_id="dial")
    with pytest.raises(UnknownLimitError, match="dial"):
        factory.get_sharded_session("ws://h", max_subscriptions=1, dial_limit_id="dial")


# -- messages --------------------------------------------------------------------------------------

BEATS = Heartbeat(ping_s=0.3, message="ping", message_s=0.4, reply="pong", reply_s=5)


async def test_fifty_channels_and_heartbeats_within_the_messages_a_second() -> None:
    """F39: pings, pongs, subscribes and sends together; never 21 in half a second."""
    count = Counter(ping_every_s=0.5)
    async with (
        Stage(count) as stage,
        watched(
            stage.url,
            subscriptions=topics(*FIFTY),
            heartbeat=BEATS,
            message_limit=RateLimit("messages", 20, 0.5),
        ) as seen,
    ):
        await seen.session.ready(20)
        assert sorted(
            json.loads(text)["params"][0] for _, text in count.of(1, TEXT) if text != "ping"
        ) == sorted(FIFTY)
        count.drop_all()
        await seen.until(lambda: len(seen.of(Ready)) == 2, within_s=20)
    for number in (1, 2):
        assert 18 <= most_in(count.times(number), 0.5) <= 20
        took = count.times(number)[-1] - count.times(number)[0]
        assert took < 4.0, "it uses what it may"
        assert len(count.of(number, PONG)) >= took / (0.5 + 0.25) - 2
        pings = [at for at, text in count.of(number, TEXT) if text == "ping"]
        assert len(pings) >= 3
        assert pings[0] - count.times(number)[0] < 0.4 + 0.75 + 0.2
        assert max(b - a for a, b in pairwise(pings)) < 0.4 + 0.75 + 0.2
    assert not [each for each in seen.of(Disconnected) if "ping" in each.reason]


@virtual_time
async def test_pings_go_before_sends_and_sends_before_subscriptions() -> None:
    """F39: of what waits, the best goes first; within one kind, what came first."""
    pace = Pace([RateLimit("messages", 1, 1.0)])
    order: list[str] = []

    async def send(name: str, priority: Priority) -> None:
        async with pace.turn(None, priority, None) as slot:
            await slot.depart()
            order.append(name)

    async def ping() -> None:
        await pace.control_turn()
        order.append("ping")

    tasks = [asyncio.create_task(send("first", Priority.QUERY))]
    for number in range(2):
        tasks.append(asyncio.create_task(send(f"subscribe {number}", Priority.QUERY)))
        tasks.append(asyncio.create_task(send(f"send {number}", Priority.PLACE)))
    tasks += [asyncio.create_task(send("login", Priority.CANCEL)), asyncio.create_task(ping())]
    await asyncio.gather(*tasks)
    waited = ["login", "ping", "send 0", "send 1", "subscribe 0", "subscribe 1"]
    assert order == ["first", *waited]
    assert asyncio.get_running_loop().time() == pytest.approx(6 * 1.25)


async def test_a_reply_to_a_flood_of_pings_never_stops_the_reader() -> None:
    """The last ping is answered for all that found no room, and data comes meanwhile."""
    heard: list[tuple[int, bytes]] = []

    async def flood(guest: Guest) -> None:
        await guest.upgrade()
        await guest.write(*[frame(PING, str(number)) for number in range(100)])
        await guest.say("after the pings")
        while True:
            got = await guest.read_frame()
            heard.append((got.opcode, got.payload))
            guest.stage.notice()

    async with (
        Stage(flood) as stage,
        watched(stage.url, message_limit=RateLimit("messages", 3, 0.5)) as seen,
    ):
        await seen.until(lambda: seen.data, within_s=0.4)
        await stage.until(lambda: len(heard) == 4)
        assert heard == [(PONG, b"0"), (PONG, b"1"), (PONG, b"2"), (PONG, b"99")]


async def test_a_peer_that_pings_faster_than_it_takes_answers_is_left() -> None:
    """What waits to be sent is bounded."""

    async def flood(guest: Guest) -> None:
        await guest.upgrade()
        await guest.write(*[frame(TEXT, "ping") for _ in range(1_100)])
        await guest.read_end()

    async with (
        Stage(flood, serving) as stage,
        watched(
            stage.url,
            heartbeat=Heartbeat(answers={"ping": "pong"}),
            message_limit=RateLimit("messages", 1, 3600),
        ) as seen,
    ):
        await seen.until(lambda: seen.session.epoch == 2 and seen.of(Connected))
        assert seen.of(Disconnected)[0].reason == (
            "the exchange pings faster than its answers may go"
        )


async def test_a_ping_that_waits_is_not_held_against_the_peer() -> None:
    """Its pong is due from when it was sent."""
    count = Counter()
    async with (
        Stage(count) as stage,
        watched(
            stage.url,
            heartbeat=Heartbeat(ping_s=0.1),
            message_limit=RateLimit("messages", 1, 0.5),
        ) as seen,
    ):
        await stage.until(lambda: len(count.of(1, PING)) == 3)
        assert not seen.of(Disconnected)
        assert most_in(count.times(1), 0.5) == 1


async def test_several_limits_and_weights_by_the_message() -> None:
    """F39: as OKX counts: logins and subscriptions an hour, and pings not among them."""
    count = Counter()
    limits = [
        RateLimit("requests", 20, 0.5),
        RateLimit("an hour", 3, 3600, weight=lambda request: 0 if request.payload == "ping" else 1),
    ]
    async with (
        Stage(count) as stage,
        watched(
            stage.url,
            subscriptions=topics("a", "b", "c", "d"),
            heartbeat=Heartbeat(ping_s=0.1, message="ping", message_s=0.1, reply="pong"),
            message_limit=limits,
        ) as seen,
    ):
        await stage.until(lambda: len(count.of(1, TEXT)) >= 8)
        texts = [text for _, text in count.of(1, TEXT)]
        assert len([text for text in texts if text != "ping"]) == 3
        with pytest.raises(NotConnectedError):
            await seen.session.send({"op": "order"})  # the fourth subscription is not answered


async def test_pings_and_pongs_count_where_a_weight_is_a_number() -> None:
    count = Counter(ping_every_s=0.02)
    limits = [
        RateLimit("an hour", 5, 3600, weight=lambda request: 1),
        RateLimit("frames", 3, 0.3),
    ]
    async with (
        Stage(count) as stage,
        watched(stage.url, subscriptions=topics("a", "b"), message_limit=limits) as seen,
    ):
        await seen.session.ready(5)
        await stage.until(lambda: len(count.of(1, PONG)) >= 6)
        assert most_in(count.times(1), 0.3) <= 3
        assert len(count.of(1, TEXT)) == 2


@virtual_time
async def test_the_answer_to_a_ping_is_due_from_when_it_was_sent() -> None:
    sent: list[tuple[float, float | None]] = []

    async def ping() -> None:
        sent.append((asyncio.get_running_loop().time(), line.pulse.ping_at))

    pace = Pace([RateLimit("messages", 1, 1.0)])
    line = Line(
        cast(
            "Any",
            SimpleNamespace(closed=False, get_extra_info=lambda _: "there", ping=ping, _conn=None),
        ),
        url="ws://h",
        headers={},
        decoder=MessageDecoder(None, max_size=1, json_loads=None),
        ping_interval_s=0.8,
        message_timeout_s=None,
        close_timeout_s=1,
        pace=pace,
    )
    line.pulse.waiting_since = 0.0
    assert pace.takes_control()
    await asyncio.sleep(1.3)
    line._stop_watch()
    assert sent == [(1.25, 1.25)]
    await asyncio.sleep(0)


async def test_a_message_is_never_sent_on_another_connection_than_it_waited_for() -> None:
    """Its turn was that of a connection which ended while it was prepared."""
    count = Counter()

    class Reconnecting(WebSocketPreProcessor):
        async def pre_process(self, request: WebSocketRequest) -> WebSocketRequest:
            await manager.disconnect()
            await manager.connect(stage.url)
            return request

    factory = ConnectionManagersFactory(AsyncThrottler([]), ws_pre_processors=[Reconnecting()])
    async with Stage(count) as stage, factory:
        manager = await factory.get_ws_manager(message_limit=RateLimit("messages", 9, 1))
        await manager.connect(stage.url)
        with pytest.raises(NotConnectedError, match="has ended") as failed:
            await manager.send(WebSocketJSONRequest({"n": 1}))
        assert failed.value.outcome is Outcome.NOT_SENT
        await manager.ping(b"")
        await stage.until(lambda: count.frames[2])
        await manager.disconnect()
    assert not count.of(1, TEXT) + count.of(2, TEXT)


async def test_what_waits_for_its_turn_when_the_connection_ends_was_not_sent() -> None:
    count = Counter()
    throttler = AsyncThrottler([])
    async with Stage(count) as stage, ConnectionManagersFactory(throttler) as factory:
        manager = await factory.get_ws_manager(message_limit=RateLimit("messages", 1, 3600))
        await manager.connect(stage.url)
        await manager.send(WebSocketJSONRequest({"n": 1}))
        waiting = [
            asyncio.create_task(manager.send(WebSocketJSONRequest({"n": 2}))),
            asyncio.create_task(manager.ping(b"x")),
        ]
        await asyncio.sleep(0.05)
        await manager.disconnect()
        for task in waiting:
            with pytest.raises(NotConnectedError) as failed:
                await asyncio.wait_for(task, 1)
            assert failed.value.outcome is Outcome.NOT_SENT
        await manager.connect(stage.url)
        await manager.send(WebSocketJSONRequest({"n": 3}))  # a new connection, a new count
        await stage.until(lambda: len(count.frames[2]) == 1)
        with pytest.raises(ThrottleTimeoutError) as refused:
            await manager.send(WebSocketPlainTextRequest("x"), max_wait=1)
        assert refused.value.outcome is Outcome.NOT_SENT
        await manager.disconnect()
    assert [len(count.frames[number]) for number in (1, 2)] == [1, 1]


async def test_a_send_that_cannot_keep_its_time_is_refused_at_once() -> None:
    """F42: told as NOT_SENT before it waits."""
    count = Counter()
    async with (
        Stage(count) as stage,
        watched(stage.url, message_limit=RateLimit("messages", 1, 3600)) as seen,
    ):
        await seen.until(lambda: seen.of(Ready))
        await seen.session.send({"n": 1})
        began = asyncio.get_running_loop().time()
        for asking in (
            seen.session.send({"n": 2}, timeout_s=5),
            seen.session.request({"n": 3}, timeout_s=5),
        ):
            with pytest.raises(ThrottleTimeoutError) as failed:
                await asking
            assert failed.value.outcome is Outcome.NOT_SENT
        assert asyncio.get_running_loop().time() - began < 1
        assert seen.session.is_ready
    assert len(count.of(1, TEXT)) == 1


async def test_a_wait_for_a_message_is_told_to_the_hook() -> None:
    told: list[Event] = []
    async with Stage(Counter()) as stage:
        factory = ConnectionManagersFactory(AsyncThrottler([]), hook=told.append)
        async with (
            factory,
            factory.get_ws_session(
                stage.url,
                subscriptions=topics("a", "b"),
                message_limit=RateLimit("messages", 1, 0.05),
                close_timeout_s=0.5,
            ) as session,
        ):
            await session.ready(5)
    (waited,) = [each for each in told if isinstance(each, ThrottleWaited)]
    assert waited.limit_id == "messages"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("messages", "pass a RateLimit"),
        ({"messages": 5}, "pass a RateLimit"),
        ([5], "holds a int"),
        (RateLimit("m", 1, 1, linked_limits=[LinkedLimitWeightPair("x")]), "links"),
        (RateLimit("m", 1, 1, kind=LimitKind.CONCURRENT), "under way"),
        ([RateLimit("m", 1, 1), RateLimit("m", 2, 1)], "two rate limits"),
    ],
)
def test_a_message_limit_that_cannot_be_one_is_refused(limit: Any, words: str) -> None:
    factory = ConnectionManagersFactory(AsyncThrottler([]))
    with pytest.raises(ConfigurationError, match=words):
        factory.get_ws_session("ws://h", message_limit=limit)


async def test_the_error_of_a_refused_dial_is_the_same_under_a_limit() -> None:
    async def refuse(guest: Guest) -> None:
        await guest.read_head()
        await guest.answer("429 Too Many Requests", "Content-Length: 0")

    throttler = AsyncThrottler([RateLimit("dials", 1000, 0.01)])
    async with (
        Stage(refuse) as stage,
        watched(
            stage.url,
            throttler=throttler,
            dial_limit_id="dials",
            reconnect=Reconnect(backoff=AT_ONCE, most_attempts=2),
        ) as seen,
    ):
        error = await seen.end()
        assert isinstance(error, RateLimitedError) or (
            isinstance(error, ReconnectError) and isinstance(error.__cause__, RateLimitedError)
        )
        assert stage.connections == 2
        assert not seen.of(Connected)


async def test_a_session_without_limits_counts_nothing() -> None:
    async with Stage(serving) as stage, staged(stage.url, subscriptions=topics("a")) as session:
        await session.ready(5)
        link = session._supervisor.current
        assert link is not None
        assert link._connection.pace is None
        assert link._manager.dial_turn is None
