"""A Redis Cluster and a Redis with sentinels of a test's own, whose masters may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["DEADLINE_S", "SERVICE", "Node", "OwnCluster", "OwnSentinels", "until"]

DEADLINE_S = 30.0
"""For what takes a second where the machine has nothing else to do."""
SERVICE = "main"


async def until(is_so: Callable[[], Any]) -> None:
    """Return when `is_so` returns, or awaits to, something true; ask every 20 ms."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            told = is_so()
            if await told if asyncio.iscoroutine(told) else told:
                return
            await asyncio.sleep(0.02)


class Node:
    """One server, for data or a sentinel."""

    def __init__(self, directory: Path, port: int, *options: str, sentinel: str = "") -> None:
        self.port = port
        directory.mkdir()
        words = ["redis-server"]
        if sentinel:
            config = directory / "sentinel.conf"
            config.write_text(f"dir {directory}\n{sentinel}")
            words += [str(config), "--sentinel"]
        else:
            words += ["--dir", str(directory), "--save", "", "--appendonly", "no"]
            words += ["--repl-diskless-sync-delay", "0"]
        words += ["--port", str(port), "--bind", "127.0.0.1", *options]
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Have it hang, with its connections open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    async def say(self, *words: Any) -> Any:
        """Send one command and return the answer."""
        from redis.asyncio import Redis

        client: Any = Redis(port=self.port, decode_responses=True, protocol=2)
        async with client:
            return await client.execute_command(*words)

    async def is_up(self) -> bool:
        from redis.exceptions import RedisError

        try:
            return bool(await self.say("PING"))
        except (OSError, RedisError):
            return False

    async def is_replica_in_step(self) -> bool:
        told = await self.say("INFO", "replication")
        return bool(told["role"] == "slave" and told["master_link_status"] == "up")


class _Own:
    """Starts servers and ends them, whatever happens in between."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.replica_of: dict[int, Node] = {}

    async def cut_off(self, master: Node) -> None:
        """Have nothing more arrive at the replica of the master, but all up to now."""
        await until(self.replica_has_all)
        await master.say("ACL", "SETUSER", "default", "-psync", "-sync")
        await master.say("CLIENT", "KILL", "TYPE", "replica")
        replica = self.replica_of[master.port]

        async def is_cut() -> bool:
            return bool((await replica.say("INFO", "replication"))["master_link_status"] == "down")

        await until(is_cut)

    async def begin(self) -> None:
        raise NotImplementedError

    async def replica_has_all(self) -> bool:
        """Return whether a replica has what its master was told up to now."""
        (port,) = self.replica_of
        master = next(each for each in self.nodes if each.port == port)
        told = await master.say("INFO", "replication")
        has = await self.replica_of[port].say("INFO", "replication")
        return bool(has["slave_repl_offset"] >= told["master_repl_offset"])

    async def _start(self, nodes: Sequence[Node]) -> None:
        self.nodes += nodes
        for node in nodes:
            node.start()
        for node in nodes:
            await until(node.is_up)

    async def __aenter__(self) -> Self:
        try:
            await self.begin()
        except BaseException:
            self.end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        for node in self.nodes:
            node.kill()


class OwnCluster(_Own):
    """Three masters, each with a third of the slots, and a replica of the one that has `key`."""

    def __init__(self, directory: Path, key: str) -> None:
        super().__init__()
        self._directory, self._key = directory, key

    async def begin(self) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]
        options += ["--cluster-replica-validity-factor", "0"]
        nodes = [
            # The bus has a port of its own, which is not this one and 10,000, as that may be taken.
            Node(self._directory / f"n{n}", port, *options, "--cluster-port", str(bus))
            for n, (port, bus) in enumerate(zip(ports(4), ports(4), strict=True))
        ]
        await self._start(nodes)
        masters, replica = nodes[:3], nodes[3]
        for number, master in enumerate(masters):
            bounds = [16384 * part // 3 for part in (number, number + 1)]
            await master.say("CLUSTER", "ADDSLOTSRANGE", bounds[0], bounds[1] - 1)
            await master.say("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            bus = node._words[node._words.index("--cluster-port") + 1]
            await nodes[0].say("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        await until(lambda: self._is_well(4))
        self.owner = self.node_of(self._key)
        await replica.say("CLUSTER", "REPLICATE", await self.owner.say("CLUSTER", "MYID"))
        self.replica_of[self.owner.port] = self.replica = replica
        await until(replica.is_replica_in_step)
        await until(lambda: self._is_well(4))

    @staticmethod
    def slot_of(key: str) -> int:
        from redis.crc import key_slot

        return key_slot(key.encode())

    def node_of(self, key: str) -> Node:
        """Return the master that had the slot of the key at first."""
        slot = self.slot_of(key)
        return next(each for n, each in enumerate(self.nodes) if slot < 16384 * (n + 1) // 3)

    async def _is_well(self, size: int) -> bool:
        for node in self.nodes:
            told = str(await node.say("CLUSTER", "INFO"))
            if "cluster_state:ok" not in told and "'cluster_state': 'ok'" not in told:
                return False
            known = await node.say("CLUSTER", "NODES")
            if len(known) < size or "handshake" in str(known):
                return False
        return True

    def client(self, **options: Any) -> Any:
        """Return a client that was told of two of the nodes alone."""
        from redis.asyncio.cluster import ClusterNode, RedisCluster

        told = [ClusterNode("127.0.0.1", node.port) for node in self.nodes[:2]]
        return RedisCluster(startup_nodes=told, **options)

    async def move(self, to: Node, *, key: str = "", halfway: bool = False) -> None:
        """Give a key's slot to another master, with its keys; `halfway` leaves the end to do."""
        slot, owner = self.slot_of(key or self._key), self.node_of(key or self._key)
        ids = [await each.say("CLUSTER", "MYID") for each in (owner, to)]
        await to.say("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        await owner.say("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        while True:
            keys = await owner.say("CLUSTER", "GETKEYSINSLOT", slot, 1000)
            if not keys:
                break
            await owner.say("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
        if not halfway:
            await self.settle(to, key=key)

    async def settle(self, to: Node, *, key: str = "") -> None:
        """Have all masters know that the slot is `to`'s, that one first."""
        new, slot = await to.say("CLUSTER", "MYID"), self.slot_of(key or self._key)
        for node in [to, *(each for each in self.nodes[:3] if each is not to)]:
            await node.say("CLUSTER", "SETSLOT", slot, "NODE", new)


class OwnSentinels(_Own):
    """A master, a replica and three sentinels that watch them."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    async def begin(self) -> None:
        nodes = [Node(self._directory / f"n{n}", port) for n, port in enumerate(ports(2))]
        await self._start(nodes)
        self.master, self.replica = nodes
        await self.replica.say("REPLICAOF", "127.0.0.1", self.master.port)
        self.replica_of[self.master.port] = self.replica
        await until(self.replica.is_replica_in_step)
        self.sentinels = [self._sentinel(self.master) for _ in range(3)]
        await self._start(self.sentinels)
        await until(self._know_each_other)

    def _sentinel(self, master: Node) -> Node:
        (port,) = ports(1)
        config = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\n"
            f"sentinel failover-timeout {SERVICE} 4000\n"
        )
        return Node(self._directory / f"s{port}", port, sentinel=config)

    async def start_sentinel(self, master: Node) -> Node:
        """Start one more, which takes that one for the master."""
        sentinel = self._sentinel(master)
        await self._start([sentinel])
        return sentinel

    async def _know_each_other(self) -> bool:
        for sentinel in self.sentinels:
            told = await sentinel.say("SENTINEL", "MASTER", SERVICE)
            known = (
                told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
            )
            if int(known["num-other-sentinels"]) < 2 or int(known["num-slaves"]) < 1:
                return False
        return True

    def client(self, sentinels: Sequence[Node] = (), **options: Any) -> Any:
        from redis.asyncio.sentinel import Sentinel

        told = [("127.0.0.1", each.port) for each in sentinels or self.sentinels]
        watch: Any = Sentinel(told, **options)  # type: ignore[no-untyped-call]
        return watch.master_for(SERVICE)


def ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for taken in sockets:
            taken.bind(("127.0.0.1", 0))
        return [taken.getsockname()[1] for taken in sockets]
    finally:
        for taken in sockets:
            taken.close()
