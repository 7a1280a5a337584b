"""A Redis that sentinels watch: its failover, sentinels that know less, and mistakes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from networkpype import RedisLimitStore
from networkpype.errors import ConfigurationError, TransportError
from networkpype.shared.link import RedisLink, Script
from tests.shared.failover import play_failover
from tests.shared.own_cluster import SERVICE, OwnSentinels, until
from tests.shared.own_redis import needs_redis
from tests.shared.traffic import once_it_answers

pytestmark = needs_redis

NAME = "shared"
COUNT = Script("return redis.call('INCR', KEYS[1])")


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSentinels]:
    """Start servers that no test kills."""
    sentinels = OwnSentinels(tmp_path_factory.mktemp("sentinels"))
    try:
        asyncio.run(sentinels.begin())
        yield sentinels
    finally:
        sentinels.end()


async def test_a_failover_that_loses_counts_breaks_no_limit_and_loses_no_call(
    tmp_path: Path,
) -> None:
    async with OwnSentinels(tmp_path) as own:
        master = own.master
        await play_failover(own.client, NAME, "account", lambda: own.cut_off(master), master.kill)


async def test_neither_what_hangs_nor_who_knows_less_keeps_it_from_the_replica(
    tmp_path: Path,
) -> None:
    """The connection to the master stays open, and the sentinel that was named first hangs too."""
    async with OwnSentinels(tmp_path) as own:
        client = own.client()
        link = RedisLink(client, timeout_s=0.5)
        assert await link.run(COUNT, ["{k}"], []) == 1
        first = link.server
        await until(own.replica_has_all)
        hangs, *others = own.sentinels
        hangs.stop()
        own.master.stop()
        assert await once_it_answers(link, COUNT, "{k}") == 2
        assert link.server not in ("", first)
        # One that was started just now, and cannot hear of the failover from the master of before.
        late = await own.start_sentinel(own.master)
        other_client = own.client([late, hangs, others[0]])
        other = RedisLink(other_client)
        assert await other.run(COUNT, ["{k}"], []) == 3
        assert other.server == link.server
        for each in (link, other):
            await each.close()
        for each in (client, other_client):
            await each.aclose()


async def test_mistakes_are_refused_with_what_to_pass(common: OwnSentinels) -> None:
    from redis.asyncio.sentinel import Sentinel

    at_sentinel = [("127.0.0.1", each.port) for each in common.sentinels]
    at_master = [("127.0.0.1", common.master.port)]
    url = f"redis://127.0.0.1:{at_sentinel[0][1]}"
    said = r"it is a sentinel.*Sentinel\(\.\.\.\)\.master_for"
    async with RedisLimitStore(url, name=NAME) as store:
        with pytest.raises(ConfigurationError, match=said):
            await store.ping()
    for told, service, what in [
        (at_sentinel, "other", r'no sentinel knows "other"'),
        (at_master, SERVICE, r"passed as a sentinel is none"),
    ]:
        client = Sentinel(told).master_for(service)  # type: ignore[no-untyped-call]
        async with RedisLimitStore(client, name=NAME) as store:
            with pytest.raises(ConfigurationError, match=what):
                await store.ping()
        await client.aclose()


async def test_sentinels_that_are_too_few_are_waited_for(common: OwnSentinels) -> None:
    from redis.asyncio.sentinel import Sentinel

    told = [("127.0.0.1", each.port) for each in common.sentinels]
    client = Sentinel(told, min_other_sentinels=5).master_for(SERVICE)  # type: ignore[no-untyped-call]
    async with RedisLimitStore(client, name=NAME) as store:
        with pytest.raises(TransportError, match=r"fewer than min_other_sentinels"):
            await store.ping()
    await client.aclose()
