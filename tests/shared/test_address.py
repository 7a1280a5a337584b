"""The URL of Redis: what is wrong with it is told when it is passed, and nothing of it is shown."""

from __future__ import annotations

import re
import traceback
from typing import Any

import pytest

from networkpype import RedisLimitStore, RedisNonces, RedisTokens
from networkpype.errors import ConfigurationError
from networkpype.shared.link import RedisLink, RedisLostError, Script
from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

CLUSTER = r"RedisCluster\.from_url.*Sentinel\(.*master_for"


def refused(url: str) -> str:
    """Return what is said of the URL, wherever it is passed; its password is in nothing of it."""
    said = set()
    for kind in (RedisLimitStore, RedisNonces, RedisTokens):
        with pytest.raises(ConfigurationError) as raised:
            kind(url, name="x")
        error = raised.value
        assert error.__context__ is None
        assert error.__cause__ is None
        assert "sesame" not in "".join(traceback.format_exception(error, limit=0)) + repr(error)
        said.add(str(error))
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize(
    ("query", "fix"),
    [
        ("sokcet_timeout=1", r'does not know; did you mean "socket_timeout"\?$'),
        ("open=sesame", "known: .*client_name, .*socket_timeout"),
        ("ssl_ca_certs=sesame", r"for TLS, which is rediss://"),
        ("socket_timeout=sesame", "socket_timeout in its query has no such value"),
        ("protocol=9", "makes no connection of these options"),
        ("encoder_class=sesame", "makes no connection of these options"),
        ("socket_timeout=", "an option without a value"),
        ("sesame", "an option without a value"),
        ("db=1&db=2", "or twice"),
    ],
)
def test_the_query_is_tried_without_a_dial(query: str, fix: str) -> None:
    assert re.search(fix, refused(f"redis://:open-sesame@127.0.0.1:1?{query}"))


@pytest.mark.parametrize("path", ["/sesame", "/1/2", "/-1", "//1", "/1.5", "/%31"])
def test_what_is_no_number_is_no_database(path: str) -> None:
    said = refused(f"redis://:open-sesame@127.0.0.1:1{path}")
    assert "the number of a database, as in redis://host:6379/0" in said


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        (" redis://:open-sesame@h:1", "begins or ends with a blank"),
        ("redis://:open-sesame@h:1/0 ", "begins or ends with a blank"),
        ("redis://:open-sesame@h:1/0\n", "begins or ends with a blank"),
        ("redis://:open-sesame\t@h:1/0", "a line break or tab"),
        ("redis://:open-sesame@h:1/1?db=2", "two databases"),
        ("redis://:open-sesame@h:0", "port 0 is none"),
        ("redis://:12#sesame@h:1", "urllib.parse.quote"),
        ("redis://:12/sesame@h:1", "urllib.parse.quote"),
        ("redis://:open/sesame@h:1", "urllib.parse.quote"),
        ("redis:sesame", "write redis://host:port/db"),
        ("http://sesame:1", "write redis://host:port/db"),
        ("unix://sesame/x", "three slashes"),
        ("unix://", "three slashes"),
    ],
)
def test_what_would_be_misread_is_refused(url: str, fix: str) -> None:
    assert fix in refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:open-sesame@a:1,b:2/0",
        "redis://a,b/0",
        "redis+sentinel://:open-sesame@a:26379/main",
        "redis-cluster://a:1",
    ],
)
def test_several_hosts_are_a_cluster_or_sentinels(url: str) -> None:
    assert re.search(CLUSTER, refused(url))


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("redis://", {}),
        ("redis://h", {"host": "h"}),
        ("redis://h:1/", {"host": "h", "port": 1}),
        ("redis://h/2/", {"host": "h", "db": 2}),
        ("redis://h/2?db=2", {"host": "h", "db": 2}),
        ("redis://u%2F:p%40@[::1]:1/3", {"host": "::1", "username": "u/", "password": "p@"}),
        ("redis://h?db=4&max_connections=3&client_name=me", {"db": 4, "client_name": "me"}),
        ("rediss://h?ssl_cert_reqs=none", {"ssl_cert_reqs": "none"}),
        ("unix:///run/x.sock?db=1", {"path": "/run/x.sock", "db": 1}),
    ],
)
def test_what_redis_py_reads_is_taken(url: str, known: dict[str, Any]) -> None:
    settings = RedisLink(url)._client.connection_pool.connection_kwargs
    assert {name: settings[name] for name in known} == known


def test_a_client_with_such_an_option_is_refused_too() -> None:
    from redis.asyncio import Redis

    client = Redis.from_url("redis://:open-sesame@h?sokcet_timeout=1")
    with pytest.raises(ConfigurationError, match=r'did you mean "socket_timeout"\?') as raised:
        RedisLimitStore(client, name="x")
    assert "sesame" not in str(raised.value)


async def test_a_replica_is_named_and_the_master_asked_for(redis: OwnRedis) -> None:
    link = RedisLink(redis.url)
    await redis.say("REPLICAOF", "127.0.0.1", "1")
    said = r"it is a replica, which takes no writes; pass the master \(ReadOnlyError\)"
    with pytest.raises(RedisLostError, match=said) as raised:
        await link.run(Script("return redis.call('INCR', KEYS[1])"), ["{k}"], [])
    assert not raised.value.is_final  # it may be promoted
    await link.close()


async def test_tls_where_nobody_speaks_it_offers_the_plain_url(redis: OwnRedis) -> None:
    link = RedisLink(redis.url.replace("redis://", "rediss://"), timeout_s=0.3)
    with pytest.raises(RedisLostError, match="If not, write redis://"):
        await link.connect()
    await link.close()
