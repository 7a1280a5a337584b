"""A way to Redis: one script, one round trip, one deadline, one error."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from networkpype.deadline import Deadline, Deadlines
from networkpype.errors import ConfigurationError, MissingExtraError, Outcome, TransportError
from networkpype.shared.faults import fault_of, too_late, where_is

if TYPE_CHECKING:
    from redis.asyncio import Redis

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


class RedisLink:
    """Runs scripts on one connection of its own, one at a time.

    `redis` is a URL or a client of `redis.asyncio`. A client stays its owner's: of its pool's kind
    and settings, a connection is made here, and closed here; through a `RedisCluster`, which has
    no such pool, commands go as they are. The connection is made when it is first needed, and anew
    after every failure and on another event loop.

    Raises MissingExtraError where redis-py is not installed, ConfigurationError for anything else.
    """

    def __init__(self, redis: Redis | str, *, timeout_s: float = 1.0) -> None:
        self._exceptions = _redis("redis.exceptions")
        self._owned = isinstance(redis, str)
        self._client: Any = _from_url(redis) if isinstance(redis, str) else redis
        is_client = callable(getattr(self._client, "execute_command", None))
        if not is_client or _is_sync(self._client):
            raise ConfigurationError(
                "redis is a URL such as redis://127.0.0.1:6379/0 or a client of redis.asyncio, "
                f"got {_name_of(redis)}"
            )
        self.where = where_is(self._client)
        """Host and port, where the client tells."""
        if isinstance(timeout_s, bool) or not 0 < timeout_s < float("inf"):
            raise ConfigurationError(f"timeout_s is seconds above 0, got {timeout_s!r}")
        self.timeout_s = timeout_s
        self.server = ""
        """The `run_id` of the server that answered last, another one after each of its starts."""
        self._pool: Any = getattr(self._client, "connection_pool", None)
        self._connection: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._deadlines = Deadlines()
        no_backoff = _redis("redis.backoff").NoBackoff()
        self._once = _redis("redis.asyncio.retry").Retry(no_backoff, 0)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, so that `server` is known; always so for a cluster."""
        return self._pool is None or self._connection is not None

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
        late = False
        async with self._turn:
            try:
                with Deadline(self._deadlines, self.timeout_s):
                    if self._pool is not None and self._connection is None:
                        await self._connect()
                    if script is None:
                        return None
                    try:
                        if prepared is not None and self._connection is not None:
                            return await self._send(prepared.packed(last))
                        words: tuple[str | bytes, ...] = (str(len(keys)), *keys, *arguments, *last)
                        return await self._command("EVALSHA", script.sha, *words)
                    except self._exceptions.NoScriptError:  # started again, or flushed
                        words = (str(len(keys)), *keys, *arguments, *last)
                        return await self._command("EVAL", script.text, *words)
            except TimeoutError:
                late, fault = True, too_late(self.timeout_s, not self.connected, self._client)
            except (OSError, EOFError, self._exceptions.RedisError) as error:
                fault = fault_of(error, self._exceptions, not self.connected)
            except BaseException:
                # Cancelled half-way: the next answer on this connection would be this one's.
                await self._drop()
                raise
            await self._drop()
        # Not "from": what redis-py says may quote what it was given.
        raise RedisLostError(fault.reason, late, fault.is_final)

    async def _command(self, *words: str | bytes) -> Any:
        if self._connection is None:
            return await self._client.execute_command(*words)
        return await self._send(_packed(words, len(words)))

    async def _send(self, packed: bytes) -> Any:
        # Not through the client: its retries, its pool and its bookkeeping cost as much again as
        # the round trip, and hide that a server was started again.
        connection = self._connection
        await connection.send_packed_command(packed, check_health=False)
        return await connection.read_response()

    async def _connect(self) -> None:
        connection = self._pool.make_connection()
        # Who asks asks again: more tries here take all the time there is, and hide what is wrong.
        connection.retry = self._once
        try:
            await connection.connect()
            # The deadline here is over all of it; theirs costs a task for every command.
            connection.socket_timeout = None
            self._connection = connection
            self.server = await self._whose()
        except BaseException:
            self._connection = connection
            await self._drop()
            raise

    async def _whose(self) -> str:
        try:
            told = await self._command("INFO", "server")
        except self._exceptions.NoPermissionError:
            return ""
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        found = re.search(r"^run_id:(\w+)", text, re.MULTILINE)
        return found.group(1) if found else ""

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
                    await connection.disconnect(nowait=True)
            except (OSError, self._exceptions.RedisError):
                pass  # it is gone already


def _redis(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        pass  # raised below: the error says all that there is to know
    raise MissingExtraError(
        'this needs redis, which is not installed; run: pip install "networkpype[redis]"'
    )


def _from_url(url: str) -> Any:
    try:
        return _redis("redis.asyncio").Redis.from_url(url)
    except ValueError:
        pass  # raised below, without the URL: it may hold a password
    raise ConfigurationError(
        "the URL of Redis is not one; write redis://host:port/db, rediss://... for TLS, or "
        "unix:///path"
    )


def _name_of(client: object) -> str:
    kind = type(client)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _is_sync(client: Any) -> bool:
    blocking = _redis("redis")
    return isinstance(client, (blocking.Redis, blocking.RedisCluster))


def _packed(words: Sequence[str | bytes], size: int) -> bytes:
    """Return the words of a command of `size` as Redis reads them.

    https://redis.io/docs/latest/develop/reference/protocol-spec (read 2026-11-21)
    """
    parts = [b"*%d\r\n" % size]
    for word in words:
        text = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)
