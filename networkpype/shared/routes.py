"""To which server: the one of a client, the master that sentinels name, or the node of a slot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn, Protocol

from networkpype.errors import ConfigurationError
from networkpype.shared.address import check_options
from networkpype.shared.faults import Faulty

__all__ = ["Route", "disconnect", "route_of"]

_MOST_ASKED = 5
"""Nodes of a cluster that are asked at once who has a slot."""
Address = tuple[str, int]


class Route(Protocol):
    """Knows where a client's commands go, and leaves the client's own connections alone."""

    is_cluster: bool
    needs_server: bool
    """Whether the server may be another one at any time, so that nothing goes without its id."""
    only_mode: str
    """The `redis_mode` that the server has to be in."""

    async def connect(self, key: str, patience_s: float) -> Any:
        """Return a new connection to the server that has `key`; others are asked `patience_s`."""
        ...

    async def redirect(self, host: str, port: int) -> Any:
        """Return a new connection to a server that was named in an answer."""
        ...


def route_of(client: Any) -> Route:
    """Return the route of a client of `redis.asyncio`; ConfigurationError where it is none."""
    blocking, cluster = import_module("redis"), import_module("redis.asyncio.cluster")
    sentinel = import_module("redis.asyncio.sentinel")
    if isinstance(client, (sentinel.Sentinel, blocking.Sentinel)):
        raise ConfigurationError(
            f"redis is the client of one service, got {_name_of(client)}; pass "
            'redis.asyncio.sentinel.Sentinel(...).master_for("name of the service")'
        )
    if isinstance(client, cluster.RedisCluster):
        return _Cluster(client)
    pool = getattr(client, "connection_pool", None)
    is_client = callable(getattr(client, "execute_command", None))
    if not is_client or pool is None or isinstance(client, blocking.Redis):
        raise ConfigurationError(
            "redis is a URL such as redis://127.0.0.1:6379/0 or a client of redis.asyncio, got "
            f"{_name_of(client)}"
        )
    by_sentinels = isinstance(pool, sentinel.SentinelConnectionPool)
    if by_sentinels and not pool.is_master:
        raise ConfigurationError(
            "redis is a replica's client, and replicas take no writes; pass "
            f'Sentinel(...).master_for("{pool.service_name}")'
        )
    check_options(pool)
    return _Sentinels(pool) if by_sentinels else _Server(pool)


class _Server:
    """One server, of which the client tells the address."""

    is_cluster = needs_server = False
    only_mode = "standalone"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def connect(self, key: str, patience_s: float) -> Any:
        connection = self._pool.make_connection()
        return await _opened(connection, connection.connect)

    async def redirect(self, host: str, port: int) -> NoReturn:
        raise AssertionError("a single server names no other")


class _Sentinels:
    """The master of a service, of which the sentinel tells that heard of the last failover.

    redis-py believes the first that answers, which may be the last to hear of it; and one that
    hangs keeps it from the others.
    """

    is_cluster = False
    needs_server = True
    only_mode = "standalone"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def connect(self, key: str, patience_s: float) -> Any:
        host, port = await self._master(patience_s)
        connection = self._pool.make_connection()
        return await _opened(connection, lambda: connection.connect_to((host, port)))

    async def redirect(self, host: str, port: int) -> NoReturn:
        raise AssertionError("a single server names no other")

    async def _master(self, patience_s: float) -> Address:
        service, manager = self._pool.service_name, self._pool.sentinel_manager
        told = await _each(
            [partial(self._told_by, each, service) for each in manager.sentinels], patience_s
        )
        views = [view for view in told if view is not None]
        if not views:
            raise Faulty(f'no sentinel knows "{service}"; is that the name of the service?', True)
        if not any(enough for _, _, enough in views):
            raise Faulty(f'the sentinels of "{service}" are fewer than min_other_sentinels')
        newest = max(epoch for epoch, _, enough in views if enough)
        host, port = _most([address for epoch, address, _ in views if epoch == newest])
        # For sentinels behind an address translation: a setting of redis-py, hidden there.
        return getattr(manager, "_force_master_ip", None) or host, port

    async def _told_by(self, client: Any, service: str) -> tuple[int, Address, bool] | None:
        connection = client.connection_pool.make_connection()
        commands = [("GET-MASTER-ADDR-BY-NAME", service), ("MASTER", service)]
        try:
            await _opened(connection, connection.connect)
            try:
                address, state = [
                    await _answer(connection, "SENTINEL", *words) for words in commands
                ]
            finally:
                await disconnect(connection)
        except import_module("redis.exceptions").ResponseError as error:
            said = str(error).lower()
            if "no such master" in said:
                return None
            if "unknown command" in said:
                raise Faulty("what was passed as a sentinel is none", True) from None
            raise
        if not address:
            return None
        if not isinstance(state, dict):  # as RESP2 has it
            state = dict(zip(state[::2], state[1::2], strict=True))
        known = {_text(name): value for name, value in state.items()}
        others = int(known.get("num-other-sentinels", 0))
        epoch, at = int(known.get("config-epoch", 0)), (_text(address[0]), int(address[1]))
        return epoch, at, others >= self._pool.sentinel_manager.min_other_sentinels


class _Cluster:
    """The node that has a slot, by the word of most of the nodes that answer."""

    is_cluster = needs_server = True
    only_mode = "cluster"

    def __init__(self, client: Any) -> None:
        self._client = client
        nodes = list(client.nodes_manager.startup_nodes.values())
        self._given = [(node.host, node.port) for node in nodes]
        self._like = nodes[0]
        self._known: list[Address] = []
        self._turn = 0

    async def connect(self, key: str, patience_s: float) -> Any:
        owner = await self._owner(import_module("redis.crc").key_slot(key.encode()), patience_s)
        return await self._open(*owner)

    async def redirect(self, host: str, port: int) -> Any:
        return await self._open(*self._client.nodes_manager.remap_host_port(host, port))

    async def _open(self, host: str, port: int) -> Any:
        # As the client makes its own, but for one that reads from replicas too.
        settings = {**self._like.connection_kwargs, "host": host, "port": port}
        settings.pop("redis_connect_func", None)
        connection = self._like.connection_class(**settings)
        return await _opened(connection, connection.connect)

    async def _owner(self, slot: int, patience_s: float) -> Address:
        nodes = list(dict.fromkeys([*self._known, *self._given]))
        # Others each time: all of a large cluster need not be asked, and some may be gone.
        start = self._turn % len(nodes)
        asked = [*nodes[start:], *nodes[:start]][:_MOST_ASKED]
        self._turn += _MOST_ASKED
        told = await _each([partial(self._slots_by, *each) for each in asked], patience_s)
        self._known = list(
            dict.fromkeys(at for slots in told for _, _, all_ in slots for at in all_)
        )
        owners = [
            addresses[0]
            for slots in told
            for first, last, addresses in slots
            if first <= slot <= last
        ]
        if not owners:
            raise Faulty("no node of the cluster has the slot of its keys")
        return _most(owners)

    async def _slots_by(self, host: str, port: int) -> list[tuple[int, int, list[Address]]]:
        try:
            connection = await self._open(host, port)
            try:
                told = await _answer(connection, "CLUSTER", "SLOTS")
            finally:
                await disconnect(connection)
        except import_module("redis.exceptions").ResponseError as error:
            if "cluster support disabled" in str(error).lower():
                raise Faulty(
                    "it is no cluster, and was passed as one; pass a URL or redis.asyncio.Redis",
                    True,
                ) from None
            raise
        remap = self._client.nodes_manager.remap_host_port
        # Nodes that do not know their own name are where they were asked.
        return [
            (
                int(first),
                int(last),
                [remap(_text(at or b"").replace("?", "") or host, int(to)) for at, to, *_ in nodes],
            )
            for first, last, *nodes in told
        ]


async def disconnect(connection: Any) -> None:
    """Close a connection of redis-py without waiting for the other side."""
    try:
        await connection.disconnect(nowait=True)
    except (OSError, import_module("redis.exceptions").RedisError):
        pass  # it is gone already


async def _opened(connection: Any, connect: Callable[[], Awaitable[None]]) -> Any:
    # Who asks asks again: more tries here take all the time there is, and hide what is wrong.
    retry = import_module("redis.asyncio.retry").Retry
    connection.retry = retry(import_module("redis.backoff").NoBackoff(), 0)
    try:
        await connect()
    except BaseException:
        await disconnect(connection)
        raise
    return connection


async def _answer(connection: Any, *words: str) -> Any:
    await connection.send_command(*words, check_health=False)
    return await connection.read_response()


async def _each(asks: Sequence[Callable[[], Awaitable[Any]]], patience_s: float) -> list[Any]:
    """Return what those answer that do within `patience_s`; raise where none does."""

    async def patient(ask: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(patience_s):
            return await ask()

    told = await asyncio.gather(*map(patient, asks), return_exceptions=True)
    answers = [each for each in told if not isinstance(each, BaseException)]
    if answers:
        return answers
    errors = [each for each in told if isinstance(each, BaseException)]
    worst = min(errors, key=_rank)
    if isinstance(worst, TimeoutError):
        raise Faulty(f"no answer within {patience_s:g} s")
    raise worst


def _rank(error: BaseException) -> int:
    """Order errors: what a server says is more than that another one is not there."""
    exceptions = import_module("redis.exceptions")
    said = (Faulty, exceptions.ResponseError, exceptions.AuthenticationError)
    return 0 if isinstance(error, said) else 2 if isinstance(error, TimeoutError) else 1


def _most(addresses: Sequence[Address]) -> Address:
    return Counter(addresses).most_common(1)[0][0]


def _text(word: Any) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


def _name_of(client: object) -> str:
    kind = type(client)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
