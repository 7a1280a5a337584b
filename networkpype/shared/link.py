"""A way to Redis: one script, one round trip, one deadline, one error."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from networkpype.deadline import Deadline, Deadlines
from networkpype.errors import ConfigurationError, MissingExtraError, Outcome, TransportError
from networkpype.shared.address import client_of
from networkpype.shared.faults import Faulty, fault_of, too_late, where_is
from networkpype.shared.routes import disconnect, route_of
from networkpype.shared.whose import run_id_in

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["Prepared", "RedisLink", "RedisLostError", "Script"]


class RedisLostError(TransportError):
    """Redis could not be asked: not reached, too late, or it refused.

    `reason` is what failed, in a few words that hold neither URL nor password; `late` tells that it
    was no more than too late, `is_final` that no waiting mends it. What was asked may have been
    done all the same.
    """

    def __init__(self, reason: str, late: bool = False, is_final: bool = False) -> None:
        super().__init__(
            f"Redis did not do what it was asked: {reason}; check that it runs, takes writes, and "
            "is not slower than timeout_s",
            outcome=Outcome.UNKNOWN,
        )
        self.reason = reason
        self.late = late
        self.is_final = is_final

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.late, self.is_final)


class Script:
    """A Lua script and the digest that Redis knows it by once it has seen it."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.sha[:8]})"


class Prepared:
    """A script with its keys and first arguments, written once for many runs."""

    __slots__ = ("_head", "arguments", "keys", "script")

    def __init__(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str], more: int
    ) -> None:
        self.script = script
        self.keys = keys
        self.arguments = arguments
        words = ["EVALSHA", script.sha, str(len(keys)), *keys, *arguments]
        self._head = _packed(words, len(words) + more)

    def packed(self, last: Sequence[bytes]) -> bytes:
        """Return the command with its last arguments."""
        return self._head + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in last])


class _NewServerError(Exception):
    """What is to be run was written for another server."""


class RedisLink:
    """Runs scripts on one connection of its own, one at a time.

    `redis` is a URL or a client of `redis.asyncio`: a `Redis`, what `Sentinel.master_for` returns,
    or a `RedisCluster`. A client stays its owner's: with its settings, a connection is made here,
    and closed here. It is made when it is first needed, and anew after every failure and on another
    event loop; to the master that the sentinels name then, to the node that has the slot of the
    keys then. `tells_server` is whether what is run was told `server`.

    Raises MissingExtraError where redis-py is not installed, ConfigurationError for anything else.
    """

    def __init__(
        self,
        redis: Redis | RedisCluster | str,
        *,
        timeout_s: float = 1.0,
        tells_server: bool = True,
    ) -> None:
        self._exceptions = _redis("redis.exceptions")
        self._owned = isinstance(redis, str)
        self._client: Any = client_of(redis) if isinstance(redis, str) else redis
        self._route = route_of(self._client)
        self.where = where_is(self._client)
        """Host and port, where the client tells."""
        if isinstance(timeout_s, bool) or not 0 < timeout_s < float("inf"):
            raise ConfigurationError(f"timeout_s is seconds above 0, got {timeout_s!r}")
        self.timeout_s = timeout_s
        self.server = ""
        """The `run_id` of the server that answered last, another one after each of its starts."""
        self._tells_server = tells_server
        self._connection: Any = None
        self._key = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._deadlines = Deadlines()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, so that `server` is known.

        Always so for a cluster: only a run finds the node of its keys. Where that is another server
        than the one known before, it runs nothing, and raises RedisLostError; the next run does.
        """
        return self._route.is_cluster or self._connection is not None

    async def connect(self) -> None:
        """Make the connection and ask whose it is, where there is none. Raises RedisLostError."""
        await self._guarded(None, (), ())

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes]
    ) -> Any:
        """Run the script and return its reply: bytes, or text with a client that decodes.

        All keys must carry one hash tag, such as ``{orders}:count``. Raises RedisLostError.
        """
        return await self._guarded(script, keys, arguments)

    async def run_prepared(self, prepared: Prepared, *last: bytes) -> Any:
        """Do as `run` does with arguments of which only the last are new."""
        return await self._guarded(
            prepared.script, prepared.keys, prepared.arguments, prepared, last
        )

    async def pop(self, key: str, wait_s: float) -> bool:
        """Wait for an item of this list, and take it; False where none came within `wait_s`.

        Which is less than `timeout_s`. Raises RedisLostError.
        """
        told = await self._guarded(None, (key,), ("BLPOP", key, f"{wait_s:.3f}"))
        return told is not None

    async def close(self) -> None:
        """Close the connection, and the client where it was made here; within the deadline."""
        await self._drop()
        if self._owned:
            try:
                async with asyncio.timeout(self.timeout_s):
                    await self._client.aclose()
            except (OSError, self._exceptions.RedisError):
                pass  # it is gone already

    def __repr__(self) -> str:
        state = "not connected" if self._connection is None else "connected"
        return f"RedisLink({state})"

    async def _guarded(
        self,
        script: Script | None,
        keys: Sequence[str],
        arguments: Sequence[str | bytes],
        prepared: Prepared | None = None,
        last: Sequence[bytes] = (),
    ) -> Any:
        running = asyncio.get_running_loop()
        if running is not self._loop:
            self._adopt(running)
        late, told = False, self.server
        async with self._turn:
            try:
                with Deadline(self._deadlines, self.timeout_s):
                    await self._ready(keys[0] if keys else "")
                    if script is None:  # a plain command, or none
                        return await self._command(*arguments) if arguments else None
                    if self._route.is_cluster and self._tells_server and self.server != told:
                        raise _NewServerError
                    return await self._run(script, keys, arguments, prepared, last)
            except TimeoutError:
                late, fault = True, too_late(self.timeout_s, self._connection is None, self._client)
            except _NewServerError:
                raise RedisLostError("its keys are on another server than before") from None
            except (OSError, EOFError, Faulty, self._exceptions.RedisError) as error:
                fault = fault_of(error, self._exceptions, self._connection is None)
            except BaseException:
                # Cancelled half-way: the next answer on this connection would be this one's.
                await self._drop()
                raise
            await self._drop()
        # Not "from": what redis-py says may quote what it was given.
        raise RedisLostError(fault.reason, late, fault.is_final)

    async def _run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[str | bytes],
        prepared: Prepared | None,
        last: Sequence[bytes],
    ) -> Any:
        try:
            if prepared is not None:
                return await self._send(prepared.packed(last))
            return await self._command(
                "EVALSHA", script.sha, str(len(keys)), *keys, *arguments, *last
            )
        except self._exceptions.NoScriptError:  # started again, or flushed
            words = ("EVAL", script.text, str(len(keys)), *keys, *arguments, *last)
            return await self._command(*words)
        except self._exceptions.MovedError:
            raise
        except self._exceptions.AskError as error:
            # The slot is on its way to another node, and these keys are there already.
            words = ("EVAL", script.text, str(len(keys)), *keys, *arguments, *last)
            return await self._asking(error.host, error.port, words)

    async def _asking(self, host: str, port: int, words: Sequence[str | bytes]) -> Any:
        connection = await self._route.redirect(host, port)
        try:
            packed = _packed(("ASKING",), 1) + _packed(words, len(words))
            await connection.send_packed_command(packed, check_health=False)
            await connection.read_response()
            return await connection.read_response()
        finally:
            await disconnect(connection)

    async def _command(self, *words: str | bytes) -> Any:
        return await self._send(_packed(words, len(words)))

    async def _send(self, packed: bytes) -> Any:
        # Not through the client: its retries, its pool and its bookkeeping cost as much again as
        # the round trip, and hide that a server was started again.
        connection = self._connection
        await connection.send_packed_command(packed, check_health=False)
        return await connection.read_response()

    async def _ready(self, key: str) -> None:
        """Have a connection to the server of the key; none of a cluster before there is a key."""
        if self._route.is_cluster:
            if not key:
                return
            if key != self._key:
                await self._drop()
                self._key = key
        if self._connection is None:
            # A third of the time: who does not answer then leaves some for who does.
            self._connection = await self._route.connect(key, self.timeout_s / 3)
            try:
                # The deadline here is over all of it; theirs costs a task for every command.
                self._connection.socket_timeout = None
                self.server = await self._whose()
            except BaseException:
                await self._drop()
                raise

    async def _whose(self) -> str:
        told = None
        with suppress(self._exceptions.NoPermissionError):
            told = await self._command("INFO", "server")
        return run_id_in(told, self._route.only_mode, self._route.needs_server)

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and not self._loop.is_closed() and self._loop.is_running():
            raise ConfigurationError(
                f"{self!r} is in use on another event loop that is still running; make one for each"
            )
        self._loop, self._turn = loop, asyncio.Lock()
        self._connection = None  # it ended with its loop

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._loop is asyncio.get_running_loop():
            try:
                async with asyncio.timeout(self.timeout_s):
                    await disconnect(connection)
            except TimeoutError:
                pass


def _redis(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        pass  # raised below: the error says all that there is to know
    raise MissingExtraError(
        'this needs redis, which is not installed; run: pip install "networkpype[redis]"'
    )


def _packed(words: Sequence[str | bytes], size: int) -> bytes:
    """Return the words of a command of `size` as Redis reads them.

    https://redis.io/docs/latest/develop/reference/protocol-spec (read 2026-11-21)
    """
    parts = [b"*%d\r\n" % size]
    for word in words:
        text = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)
