"""The way to Redis: errors without secrets, deadlines, and whose connection it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from networkpype.errors import ConfigurationError, MissingExtraError, Outcome
from networkpype.shared import link as link_module
from networkpype.shared.link import RedisLink, RedisLostError, Script
from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

ECHO = Script("return {KEYS[1], ARGV[1]}")
COUNT = Script("return redis.call('INCR', KEYS[1])")


@pytest.fixture
async def link(redis: OwnRedis) -> AsyncIterator[RedisLink]:
    link = RedisLink(redis.url, timeout_s=0.3)
    yield link
    await link.close()


async def test_a_script_runs_by_its_digest_and_is_loaded_where_it_is_unknown(
    redis: OwnRedis, link: RedisLink
) -> None:
    words = "blank \r\n ü".encode()
    for _ in range(2):
        assert await link.run(ECHO, ["{k}"], [words]) == [b"{k}", words]
    stats = await redis.say("INFO", "commandstats")
    assert "evalsha" in str(stats)
    await redis.say("SCRIPT", "FLUSH")
    assert await link.run(ECHO, ["{k}"], ["x"]) == [b"{k}", b"x"]


async def test_it_tells_one_start_of_a_server_from_another(
    redis: OwnRedis, link: RedisLink
) -> None:
    assert not link.connected
    await link.connect()
    first = link.server
    assert len(first) == 40
    redis.kill()
    with pytest.raises(RedisLostError):
        await link.run(COUNT, ["{k}"], [])
    await redis.start()
    assert await link.run(COUNT, ["{k}"], []) == 1
    assert link.server not in ("", first)


async def test_many_at_once_get_each_their_own_answer(link: RedisLink) -> None:
    answers = await asyncio.gather(*(link.run(ECHO, ["{k}"], [str(n)]) for n in range(50)))
    assert [int(answer[1]) for answer in answers] == list(range(50))


async def test_one_that_is_cancelled_takes_no_answer_of_another(link: RedisLink) -> None:
    await link.connect()
    for number in range(20):
        gone = asyncio.create_task(link.run(ECHO, ["{k}"], ["gone"]))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert (await link.run(ECHO, ["{k}"], [str(number)]))[1] == str(number).encode()


async def test_a_late_answer_is_a_loss_within_the_deadline(
    redis: OwnRedis, link: RedisLink
) -> None:
    await link.connect()
    await redis.say("CLIENT", "PAUSE", "1000", "ALL")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(RedisLostError, match=r"no answer within 0\.3 s") as raised:
        await link.run(COUNT, ["{k}"], [])
    assert 0.25 <= loop.time() - began <= 0.6
    assert raised.value.late
    assert raised.value.outcome is Outcome.UNKNOWN


async def test_a_replica_is_a_loss_and_named(redis: OwnRedis, link: RedisLink) -> None:
    await redis.say("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(RedisLostError, match="ReadOnlyError") as raised:
        await link.run(COUNT, ["{k}"], [])
    assert raised.value.__cause__ is None
    await redis.say("REPLICAOF", "NO", "ONE")
    assert await link.run(COUNT, ["{k}"], []) == 1


async def test_a_wrong_password_is_a_loss_and_not_shown(redis: OwnRedis) -> None:
    await redis.say("CONFIG", "SET", "requirepass", "right")
    link = RedisLink(redis.url.replace("//", "//:open-sesame@"), timeout_s=1)
    with pytest.raises(RedisLostError) as raised:
        await link.run(COUNT, ["{k}"], [])
    await link.close()
    assert "AuthenticationError" in str(raised.value)
    assert "sesame" not in repr(raised.value) + str(raised.value) + repr(link)
    right = RedisLink(redis.url.replace("//", "//:right@"))
    assert await right.run(COUNT, ["{k}"], []) == 1
    await right.close()


async def test_a_client_stays_its_owners(redis: OwnRedis) -> None:
    from redis.asyncio import Redis

    async with Redis(port=redis.port, decode_responses=True) as client:
        link = RedisLink(client)
        assert await link.run(ECHO, ["{k}"], ["ü"]) == ["{k}", "ü"]
        await link.close()
        assert await client.ping()
        assert await link.run(COUNT, ["{k}"], []) == 1  # opens again
        await link.close()


def test_what_is_no_client_of_one_redis_is_refused_with_what_to_pass() -> None:
    import redis as blocking
    from redis.asyncio.sentinel import Sentinel

    sentinels: Any = Sentinel([("127.0.0.1", 1)])  # type: ignore[no-untyped-call]
    kinds: list[tuple[Any, str]] = [
        (object(), r"got object"),
        (blocking.Redis(), r"redis\.asyncio, got redis\.client\.Redis"),
        (sentinels, r'Sentinel\(\.\.\.\)\.master_for\("name of the service"\)'),
        (sentinels.slave_for("main"), r'pass Sentinel\(\.\.\.\)\.master_for\("main"\)'),
    ]
    for given, said in kinds:
        with pytest.raises(ConfigurationError, match=said):
            RedisLink(given)


def test_it_serves_one_loop_after_another(redis_url: str) -> None:
    link = RedisLink(redis_url)

    async def count() -> object:
        try:
            return await link.run(COUNT, ["{loops}"], [])
        finally:
            await link.close()

    assert [asyncio.run(count()), asyncio.run(count())] == [1, 2]


@pytest.fixture
def redis_url(common_redis: OwnRedis) -> str:
    asyncio.run(common_redis.say("DEL", "{loops}"))
    return common_redis.url


def test_without_the_extra_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "import_module", _refuse)
    with pytest.raises(MissingExtraError, match=r'pip install "networkpype\[redis\]"') as raised:
        RedisLink("redis://127.0.0.1")
    assert raised.value.__cause__ is None


def _refuse(name: str) -> object:
    raise ImportError(name)


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan"), True])
def test_a_wrong_deadline_is_refused(timeout_s: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout_s is seconds above 0"):
        RedisLink("redis://127.0.0.1", timeout_s=timeout_s)
