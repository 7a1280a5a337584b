"""A Redis that is wrongly set up: what is said of it, to whom, and how often."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from networkpype import AsyncThrottler, RateLimit
from networkpype.errors import ConfigurationError, Outcome, ThrottleTimeoutError, TransportError
from networkpype.hooks import Event, LimitStoreLost, LimitStoreRestored
from networkpype.shared.limits import RedisLimitStore
from networkpype.shared.link import RedisLink, RedisLostError, Script
from networkpype.throttler.rate_limit import LinkedLimitWeightPair
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.shared import Ask, Batch, Hold
from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

Sent = list[Event]


@pytest.fixture
def nowhere() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def throttler_of(store: RedisLimitStore, *limits: RateLimit) -> tuple[AsyncThrottler, Sent]:
    events: Sent = []
    rate_limits = list(limits) or [RateLimit("order", 5, 60)]
    return (
        AsyncThrottler(rate_limits, safety_margin_pct=0, store=store, hook=events.append),
        events,
    )


async def test_redis_that_is_absent_is_named_with_its_reason(
    nowhere: int, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://someone:open-sesame@127.0.0.1:{nowhere}/0"
    said = f'Redis at 127.0.0.1:{nowhere} (name="binance") cannot be reached: Connection refused'
    async with RedisLimitStore(url, name="binance") as store:
        throttler, events = throttler_of(store)
        with pytest.raises(ThrottleTimeoutError, match="shared store is lost") as raised:
            await throttler.acquire("order", max_wait=0.3)
        assert said in str(raised.value)
        assert raised.value.limit_id == "order"
        assert raised.value.forecast_s is not None
        with pytest.raises(TransportError, match="Connection refused") as pinged:
            await store.ping()
        assert pinged.value.outcome is Outcome.NOT_SENT
        assert repr(store) == f'RedisLimitStore(name="binance", lost: {said})'
    assert events[0] == LimitStoreLost(said, None)
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("networkpype")]
    assert ours == [
        f"the shared limit store is lost: {said}; calls wait until it is back (max_wait, "
        "local_share_pct)"
    ]
    assert "sesame" not in str(raised.value) + str(pinged.value) + repr(store) + caplog.text


async def test_a_client_tells_where_it_is(nowhere: int) -> None:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import ConstantBackoff

    # Its own tries again would take longer than the deadline, and hide the reason.
    stubborn = Retry(ConstantBackoff(2), 5)
    async with Redis(port=nowhere, password="open-sesame", retry=stubborn) as client:
        store = RedisLimitStore(client, name="x")
        said = f"localhost:{nowhere} .*Connection refused"
        with pytest.raises(TransportError, match=said) as raised:
            await store.ping()
    assert "sesame" not in str(raised.value)
    unix = RedisLimitStore("unix:///nowhere/redis.sock", name="x")
    with pytest.raises(TransportError, match=r"Redis at /nowhere/redis\.sock .*No such file"):
        await unix.ping()


async def test_tls_to_a_port_without_it_says_so(redis: OwnRedis) -> None:
    url = redis.url.replace("redis://", "rediss://")
    async with RedisLimitStore(url, name="x", timeout_s=0.3) as store:
        with pytest.raises(TransportError, match=r"cannot be reached: .*TLS"):
            await store.ping()


async def ask_for_password(redis: OwnRedis, password: str, now: str | None) -> None:
    """Have the server want another password than `now`."""
    from redis.asyncio import Redis

    async with Redis(port=redis.port, password=now) as client:
        await client.config_set("requirepass", password)


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    """Start a server with a password, a user with few rights, and few databases."""
    few = "user few on >open-sesame ~* +@all -evalsha -eval"
    some = "user some on >open-sesame ~* +@all -hset"
    (tmp_path / "acl").write_text(f"user default on >right ~* &* +@all\n{few}\n{some}\n")
    redis = OwnRedis(tmp_path, "--appendonly", "no", "--aclfile", str(tmp_path / "acl"))
    await redis.start()
    yield redis
    redis.kill()


@pytest.mark.parametrize(
    ("who", "database", "said"),
    [
        ("someone:open-sesame@", 0, r"wrong user or password"),
        ("", 0, r"wrong user or password, or none given"),
        (":right@", 99, r"no database of that number"),
        ("few:open-sesame@", 0, r"may not run a command"),
        ("some:open-sesame@", 0, r"may not run a command"),
    ],
)
async def test_what_no_waiting_mends_is_told_to_callers(
    odd: OwnRedis, who: str, database: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://{who}127.0.0.1:{odd.port}/{database}"
    async with RedisLimitStore(url, name="x", local_share_pct=50) as store:
        throttler, events = throttler_of(store)
        calls = [throttler.acquire("order"), throttler.acquire("order", max_wait=5)]
        async with asyncio.timeout(3):
            errors = await asyncio.gather(*calls, return_exceptions=True)
            with pytest.raises(ConfigurationError, match=said) as again:
                await throttler.acquire("order")
            with pytest.raises(ConfigurationError, match=said) as pinged:
                await store.ping()
    for error in (*errors, again.value, pinged.value):
        assert type(error) is ConfigurationError
        assert error.outcome is Outcome.NOT_SENT
        assert f"127.0.0.1:{odd.port}" in str(error)
        assert "sesame" not in str(error)
    lost = [event for event in events if isinstance(event, LimitStoreLost)]
    assert len(lost) == 1
    assert "sesame" not in caplog.text
    assert "calls fail until that is set right" in caplog.text


async def test_a_command_that_is_unknown_is_told_to_callers(tmp_path: Path) -> None:
    redis = OwnRedis(tmp_path, "--appendonly", "no", "--rename-command", "EVALSHA", "")
    await redis.start()
    try:
        async with RedisLimitStore(redis.url, name="x") as store, asyncio.timeout(3):
            throttler, _ = throttler_of(store)
            with pytest.raises(ConfigurationError, match=r"does not know a command"):
                await throttler.acquire("order")
    finally:
        redis.kill()


async def test_it_goes_on_when_it_is_set_right(redis: OwnRedis) -> None:
    await ask_for_password(redis, "right", now=None)
    async with RedisLimitStore(redis.url, name="x") as store:
        throttler, events = throttler_of(store)
        with pytest.raises(ConfigurationError):
            await throttler.acquire("order")
        await ask_for_password(redis, "", now="right")
        await store.ping()
        await asyncio.wait_for(throttler.acquire("order"), 3)
        assert isinstance(events[-1], LimitStoreRestored)
        assert repr(store) == 'RedisLimitStore(name="x")'


async def test_after_it_worked_once_a_refusal_is_waited_out(redis: OwnRedis) -> None:
    async with RedisLimitStore(redis.url, name="x") as store:
        throttler, events = throttler_of(store, RateLimit("order", 5, 0.5))
        await throttler.acquire("order")
        redis.kill()
        await redis.start()
        await ask_for_password(redis, "right", now=None)
        waiting = asyncio.create_task(throttler.acquire("order"))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert isinstance(events[0], LimitStoreLost)
        assert "wrong user or password" in events[0].error
        await ask_for_password(redis, "", now="right")
        await asyncio.wait_for(waiting, 8)


def test_a_client_that_blocks_is_refused() -> None:
    import redis as blocking

    with pytest.raises(ConfigurationError, match=r"redis\.asyncio, got redis\.client\.Redis"):
        RedisLimitStore(blocking.Redis(), name="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("percent", "said"),
    [(0.2, "got 0.2; write 20 for 20 %"), (True, "got True"), (float("nan"), "got nan")],
)
def test_a_share_that_is_no_percentage_is_refused(percent: float, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RedisLimitStore("redis://127.0.0.1", name="x", local_share_pct=percent)


async def test_a_ping_tells_what_others_have_used(redis: OwnRedis) -> None:
    async with RedisLimitStore(redis.url, name="x") as store:
        one, _ = throttler_of(store)
        other, events = throttler_of(store)
        for _ in range(4):
            await one.acquire("order")
        assert other.snapshot()["order"].used == 0  # it has heard nothing yet
        await store.ping()
        assert other.snapshot()["order"].used == 4
        assert other.snapshot()["order"].next_free_s == 0
        assert events == []


@pytest.mark.parametrize(
    "limit",
    [
        RateLimit("order", 3, 20.0),
        RateLimit.fixed_window("order", 3, 20.0),
        RateLimit.token_bucket("order", 3, 60.0),
    ],
    ids=["rolling", "fixed", "bucket"],
)
async def test_a_full_limit_tells_when_it_is_free(redis: OwnRedis, limit: RateLimit) -> None:
    async with RedisLimitStore(redis.url, name="x") as store:
        one, _ = throttler_of(store, limit)
        other, _ = throttler_of(store, limit)
        local = AsyncThrottler([limit], safety_margin_pct=0)
        for _ in range(3):
            await local.acquire("order")
            await one.acquire("order")
        await store.ping()
        expected = local.snapshot()["order"].next_free_s
        assert expected > 0
        for throttler in (one, other):
            assert throttler.snapshot()["order"].next_free_s == pytest.approx(expected, abs=0.3)


async def test_the_short_way_tells_it_too(redis: OwnRedis) -> None:
    limits = (
        RateLimit("order", 3, 20.0, linked_limits=[LinkedLimitWeightPair("ip")]),
        RateLimit("ip", 100, 60.0),
    )
    async with RedisLimitStore(redis.url, name="x") as store:
        throttler, _ = throttler_of(store, *limits)
        for _ in range(3):
            assert throttler.snapshot()["order"].next_free_s == 0
            await throttler.acquire("order")
        usage = throttler.snapshot()
        assert usage["order"].used == 3
        assert 19.0 < usage["order"].next_free_s <= 20.0
        assert usage["ip"].next_free_s == 0


async def test_a_reset_tells_that_the_counts_are_gone_and_begins_new_ones(
    redis: OwnRedis,
) -> None:
    """What comes after calls went out alone is a reset from the first."""
    async with RedisLimitStore(redis.url, name="x") as store:
        way, now = store.join(), asyncio.get_running_loop().time
        way.configure({"order": Capacity(5, 60.0)})

        def ask(call_id: int) -> Batch:
            return Batch(
                asks=[Ask(call_id, Hold.FINAL, 2, 0, 0.0, False, 1, (Charge("order", 1, 0),))]
            )

        assert not (await way.run(ask(1), now)).had_forgot
        assert not (await way.run(Batch(reset=True), now)).had_forgot  # it has them all
        redis.kill()
        await redis.start()
        reply = await way.run(Batch(reset=True), now)
        assert (reply.forgot, reply.had_forgot) == (False, True)
        assert not (await way.run(ask(2), now)).forgot


async def test_one_outage_is_one_loss_and_one_return(redis: OwnRedis) -> None:
    async with RedisLimitStore(redis.url, name="x", timeout_s=0.2, local_share_pct=50) as store:
        throttler, events = throttler_of(store, RateLimit("order", 4, 0.5))
        await throttler.acquire("order")
        redis.kill()
        for _ in range(3):
            await throttler.acquire("order")
        await redis.start()
        async with asyncio.timeout(10):
            while not any(isinstance(event, LimitStoreRestored) for event in events):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            for _ in range(6):
                await throttler.acquire("order")
    changes = [each for each in events if isinstance(each, (LimitStoreLost, LimitStoreRestored))]
    assert [type(each) for each in changes] == [LimitStoreLost, LimitStoreRestored]
    restored = changes[1]
    assert isinstance(restored, LimitStoreRestored)
    assert restored.forgot


def test_the_error_keeps_that_it_is_final() -> None:
    assert pickle.loads(pickle.dumps(RedisLostError("no", True, True))).is_final


async def test_the_reason_of_each_kind_of_error(redis: OwnRedis) -> None:
    link = RedisLink(redis.url)
    with pytest.raises(RedisLostError, match=r"it refuses \(ResponseError\)"):
        await link.run(Script("return redis.error_reply('ERR open-sesame')"), [], [])
    redis.kill()
    with pytest.raises(RedisLostError):
        await link.run(Script("return 1"), [], [])
    with pytest.raises(RedisLostError, match="cannot be reached: Connection refused"):
        await link.run(Script("return 1"), [], [])
    await link.close()
