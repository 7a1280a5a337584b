"""A Redis Cluster: the node of the keys, its failover, its slots on the move, and mistakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from networkpype import RedisLimitStore, RedisNonces, RedisTokens
from networkpype.auth.access_tokens import HeldTokens
from networkpype.errors import ConfigurationError
from networkpype.shared.link import RedisLink, RedisLostError, Script
from tests.shared.failover import play_failover
from tests.shared.own_cluster import DEADLINE_S, OwnCluster, until
from tests.shared.own_redis import OwnRedis, needs_redis
from tests.shared.traffic import UNITS, Counting, Traffic, once_it_answers

pytestmark = needs_redis

NAME = "shared"
TAG = f"{{networkpype:{NAME}}}"
COUNT = Script("return {redis.call('INCR', KEYS[1]), ARGV[1]}")


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnCluster]:
    """Start a cluster whose nodes no test kills."""
    cluster = OwnCluster(tmp_path_factory.mktemp("cluster"), TAG)
    try:
        asyncio.run(cluster.begin())
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
async def link(common: OwnCluster) -> AsyncIterator[RedisLink]:
    client = common.client()
    link = RedisLink(client, tells_server=False)
    yield link
    await link.close()
    await client.aclose()


async def test_a_failover_that_loses_counts_breaks_no_limit_and_loses_no_call(
    tmp_path: Path,
) -> None:
    async with OwnCluster(tmp_path, TAG) as cluster:
        account = next(
            each
            for each in map(str, range(99))
            if cluster.node_of(f"{{networkpype:{NAME}:{each}}}") is cluster.owner
        )
        owner = cluster.owner
        await play_failover(
            cluster.client, NAME, account, lambda: cluster.cut_off(owner), owner.kill
        )


async def test_a_node_that_hangs_keeps_nobody_from_its_replica(tmp_path: Path) -> None:
    """The connection to it stays open, and it is one of those that tell where the keys are."""
    async with OwnCluster(tmp_path, TAG) as cluster:
        client = cluster.client()
        link = RedisLink(client, timeout_s=0.5, tells_server=False)
        assert await link.run(COUNT, [TAG], ["a"]) == [1, b"a"]
        first = link.server
        await until(cluster.replica_has_all)
        cluster.owner.stop()
        assert await once_it_answers(link, COUNT, TAG, "b") == [2, b"b"]
        assert link.server not in ("", first)
        await link.close()
        await client.aclose()


async def test_a_slot_that_moves_takes_its_counts_along(common: OwnCluster) -> None:
    other = next(each for each in common.nodes[:3] if each is not common.owner)
    nonces = Counting(common.client, NAME)
    async with Traffic(common.client, NAME, 0.5) as traffic:
        traffic.allow(1000, 0, 1, 2)
        await traffic.go_on(UNITS)
        given = [number for taker in range(3) for number in await nonces.take(taker, 3)]
        await common.move(other)
        given += [number for taker in range(3) for number in await nonces.take(taker, 3)]
        await until(lambda: traffic.is_back)
        await traffic.go_on(UNITS)
        await traffic.finish()
    await nonces.close()
    assert traffic.most_in_a_window <= UNITS
    assert traffic.begun == traffic.ended == len(traffic.arrived)
    assert traffic.changes == [["LimitStoreLost", "LimitStoreRestored"]] * 3
    assert not traffic.forgot
    assert given == sorted(set(given))
    assert int(await other.say("CLUSTER", "COUNTKEYSINSLOT", common.slot_of(TAG))) > 0


async def test_a_key_that_is_on_its_way_is_asked_where_it_is(
    common: OwnCluster, link: RedisLink
) -> None:
    key = next(f"{{{n}}}" for n in range(99) if common.node_of(f"{{{n}}}") is common.nodes[0])
    assert await link.run(COUNT, [key], ["a"]) == [1, b"a"]
    server = link.server
    await common.move(common.nodes[1], key=key, halfway=True)
    assert await link.run(COUNT, [key], ["b"]) == [2, b"b"]
    assert link.server == server  # which still has the slot
    # Of two keys one is here and one is nowhere: that is waited out.
    with pytest.raises(RedisLostError, match=r"slot of its keys is being moved \(TryAgainError\)"):
        await link.run(COUNT, [key, f"{key}:new"], ["c"])
    assert await link.run(COUNT, [key], ["c"]) == [3, b"c"]
    await common.settle(common.nodes[1], key=key)
    with pytest.raises(RedisLostError, match=r"on another node \(MovedError\)"):
        await link.run(COUNT, [key], ["d"])
    assert await link.run(COUNT, [key], ["e"]) == [4, b"e"]
    assert link.server not in ("", server)


async def test_a_key_on_its_way_is_found_through_the_clients_address_remap(
    tmp_path: Path,
) -> None:
    """The nodes call each other by names that nobody else knows."""
    async with OwnCluster(tmp_path, TAG) as cluster:
        for node in cluster.nodes:
            await node.say("CONFIG", "SET", "cluster-announce-hostname", f"n{node.port}.invalid")
            await node.say("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
        key = TAG
        other = next(each for each in cluster.nodes[:3] if each is not cluster.owner)
        name = f"n{other.port}.invalid"

        async def is_known() -> bool:
            return name in str(await cluster.owner.say("CLUSTER", "NODES"))

        await until(is_known)
        remapped: list[tuple[str, int]] = []

        def remap(address: tuple[str, int]) -> tuple[str, int]:
            remapped.append(address)
            return "127.0.0.1", address[1]

        client = cluster.client(address_remap=remap)
        link = RedisLink(client, tells_server=False)
        assert await link.run(COUNT, [key], ["a"]) == [1, b"a"]
        await cluster.move(other, halfway=True)
        remapped.clear()
        assert await link.run(COUNT, [key], ["b"]) == [2, b"b"]
        assert remapped == [(name, other.port)]
        await link.close()
        await client.aclose()


async def test_accounts_in_slots_of_other_nodes_share_one_way(common: OwnCluster) -> None:
    client = common.client(decode_responses=True)
    tokens = RedisTokens(client, name="t")
    accounts = [f"a{n}" for n in range(9)]
    there = {common.node_of(f"{{networkpype:t:{each}}}").port for each in accounts}
    assert len(there) == 3
    asked: list[str] = []

    async def renew(account: str) -> str:
        async def refresh(_: HeldTokens) -> HeldTokens:
            asked.append(account)
            await asyncio.sleep(0.05)
            return HeldTokens(SecretStr(f"token of {account}"), None, SecretStr("next"))

        held = HeldTokens(SecretStr(""), None, SecretStr("first"))
        got = await tokens.renewed(account, held, refresh, now=lambda: 0.0)
        return got.access.get_secret_value()

    async with asyncio.timeout(DEADLINE_S):
        got = await asyncio.gather(*(renew(each) for each in accounts * 2))
    assert got == [f"token of {each}" for each in accounts * 2]
    assert sorted(asked) == sorted(accounts)
    await tokens.close()
    await client.aclose()


async def test_the_first_call_is_no_loss_and_a_ping_finds_it_too(common: OwnCluster) -> None:
    client = common.client()
    async with RedisLimitStore(client, name="quiet") as store:
        await store.ping()
        assert repr(store) == 'RedisLimitStore(name="quiet")'
    await client.aclose()


async def test_a_node_of_a_cluster_passed_as_one_redis_is_refused(common: OwnCluster) -> None:
    """It would work until its slot moves, or not at all."""
    url = f"redis://127.0.0.1:{common.owner.port}"
    said = r"node of a Redis Cluster.*pass redis\.asyncio\.RedisCluster\.from_url"

    async def refresh(held: HeldTokens) -> HeldTokens:
        raise AssertionError("nobody is to be asked")

    held = HeldTokens(SecretStr(""), None, SecretStr("first"))
    async with (
        RedisLimitStore(url, name=NAME) as store,
        RedisNonces(url, name=NAME, timeout_s=0.3) as nonces,
        RedisTokens(url, name=NAME, timeout_s=0.3) as tokens,
    ):
        for asked in (
            store.ping(),
            nonces.reserve(),
            tokens.renewed("a", held, refresh, now=lambda: 0.0),
        ):
            with pytest.raises(ConfigurationError, match=said):
                await asked


async def test_one_redis_passed_as_a_cluster_is_refused(common_redis: OwnRedis) -> None:
    from redis.asyncio.cluster import RedisCluster

    client: Any = RedisCluster(host="127.0.0.1", port=common_redis.port)
    async with RedisLimitStore(client, name=NAME) as store:
        with pytest.raises(ConfigurationError, match=r"is no cluster.*pass a URL") as raised:
            await store.ping()
    assert f"Redis Cluster at 127.0.0.1:{common_redis.port}" in str(raised.value)
    await client.aclose()


async def test_a_user_who_may_not_ask_whose_server_it_is_is_refused(common: OwnCluster) -> None:
    for node in common.nodes:
        await node.say("ACL", "SETUSER", "few", "on", ">sesame", "~*", "+@all", "-info")
    client = common.client(username="few", password="sesame")
    async with RedisLimitStore(client, name=NAME) as store:
        with pytest.raises(ConfigurationError, match=r"may not run INFO.*allow \+info"):
            await store.ping()
    await client.aclose()
