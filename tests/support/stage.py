"""An exchange on loopback that plays a script for each connection, and who reads a session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar

from networkpype import AsyncThrottler, Auth, ConnectionManagersFactory, ConnectionsFactory
from networkpype.retry import Backoff
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.session.events import SessionEvent, SessionMessage
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.subscriptions import Dialect, Subscription
from tests.support.raw_websocket import CLOSE, PING, PONG, TEXT, Frame, Peer, frame

__all__ = [
    "AT_ONCE",
    "Guest",
    "Script",
    "Seen",
    "Stage",
    "serving",
    "staged",
    "topics",
    "watched",
]

T = TypeVar("T")

AT_ONCE = Backoff(0.001, 1.0, 0.001)
_DEADLINE_S = 5.0


class Guest(Peer):
    """The exchange's end of one connection; `number` counts them from 1."""

    def __init__(
        self, stage: Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(reader, writer)
        self.stage = stage
        self.number = stage.connections

    async def say(self, *messages: Any) -> None:
        """Write each as a text frame of JSON."""
        await self.write(*[frame(TEXT, json.dumps(each)) for each in messages])

    async def hear(self) -> Any:
        """Return the data of the next text frame, which is kept; pings and closings are answered.

        ConnectionResetError after the client's close frame.
        """
        while True:
            got = await self.read_frame()
            if got.opcode == TEXT:
                data = json.loads(got.payload)
                self.stage.heard.append((self.number, data))
                self.stage.notice()
                return data
            self.stage.controls.append((self.number, got))
            self.stage.notice()
            if got.opcode == PING:
                self._writer.write(frame(PONG, got.payload))  # whoever floods answers too
            elif got.opcode == CLOSE:
                await self.write(frame(CLOSE, got.payload))
                raise ConnectionResetError("the client closed")

    async def accept(self, data: Any) -> None:
        """Say yes to a subscribe or unsubscribe message."""
        await self.say({"id": data["id"], "result": None})

    async def enter(self, subscribes: int = 1) -> None:
        """Shake hands and accept so many subscribe messages."""
        await self.upgrade()
        for _ in range(subscribes):
            await self.accept(await self.hear())

    async def serve(self) -> None:
        """Accept whatever is asked until the client hangs up."""
        while True:
            data = await self.hear()
            if isinstance(data, dict) and "SUBSCRIBE" in str(data.get("method")):
                await self.accept(data)


Script = Callable[[Guest], Awaitable[None]]


async def serving(guest: Guest) -> None:
    """Do what a good exchange does."""
    await guest.upgrade()
    await guest.serve()


class Stage:
    """Play the scripts, one for each connection in turn; the last is played for all that follow.

    A connection whose script ends is closed in order (FIN), without a close frame.
    """

    def __init__(self, *scripts: Script, host: str = "127.0.0.1") -> None:
        self._host = host
        self._scripts = scripts or (serving,)
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()
        self.connections = 0
        self.heard: list[tuple[int, Any]] = []
        """Connection and data of each text frame that clients sent."""
        self.controls: list[tuple[int, Frame]] = []
        self.url = ""
        self.port = 0

    def notice(self) -> None:
        self._change.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it holds; it is asked again whenever something arrived."""
        async with asyncio.timeout(_DEADLINE_S):
            while not condition():
                self._change.clear()
                await self._change.wait()

    def subscribes(self, number: int) -> list[str]:
        """Return the channels that were asked for on a connection, as often as they were."""
        asked = [data for by, data in self.heard if by == number]
        asked = [data for data in asked if data.get("method") == "SUBSCRIBE"]
        return [channel for data in asked for channel in data["params"]]

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._play(Guest(self, reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.notice()

    async def _play(self, guest: Guest) -> None:
        script = self._scripts[min(guest.number, len(self._scripts)) - 1]
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(guest)
        finally:
            guest.hang_up()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._enter, self._host, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        self.url = f"ws://{self._host}:{self.port}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _turn in range(3):
            await asyncio.sleep(0)  # closed transports let go of their sockets


class Seen:
    """What a session's consumer got, in order."""

    def __init__(self, session: WebSocketSession) -> None:
        self.session = session
        self.items: list[SessionMessage | SessionEvent] = []
        self.error: BaseException | None = None
        """What ended the session."""
        self.task = asyncio.create_task(self._read())
        self._change = asyncio.Event()

    async def _read(self) -> None:
        try:
            async for item in self.session:
                self.items.append(item)
                self._change.set()
        except Exception as error:
            self.error = error
        self._change.set()

    async def until(self, condition: Callable[[], object], within_s: float = _DEADLINE_S) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._change.clear()
                await self._change.wait()

    async def end(self) -> BaseException:
        """Wait until the session has ended, and return why."""
        async with asyncio.timeout(_DEADLINE_S):
            await self.task
        assert self.error is not None, "it ended in order"
        return self.error

    def of(self, kind: type[T]) -> list[T]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def data(self) -> list[Any]:
        return [item.data for item in self.of(SessionMessage)]

    @property
    def story(self) -> list[str]:
        """The items in short: class and connection, or the data."""
        return [
            f"{type(item).__name__} {item.epoch}"
            if isinstance(item, SessionEvent)
            else str(item.data)
            for item in self.items
        ]


def topics(*channels: str, dialect: Dialect | None = None, **more: Any) -> list[Subscription]:
    """Return subscriptions that are asked for one by one, as Binance's are."""
    dialect = dialect or MethodSubscribe()
    return [Subscription(channel, dialect, **more) for channel in channels]


@asynccontextmanager
async def staged(
    url: str,
    *,
    auth: Auth | None = None,
    throttler: AsyncThrottler | None = None,
    connections: ConnectionsFactory | None = None,
    **options: Any,
) -> AsyncIterator[WebSocketSession]:
    """Open a session that comes back at once and gives closing half a second."""
    options = {
        "reconnect": Reconnect(backoff=AT_ONCE, most_dials=10_000),
        "close_timeout_s": 0.5,
        **options,
    }
    factory = ConnectionManagersFactory(
        throttler or AsyncThrottler([]), auth, connections_factory=connections
    )
    async with factory, factory.get_ws_session(url, **options) as session:
        yield session


@asynccontextmanager
async def watched(url: str, **options: Any) -> AsyncIterator[Seen]:
    """Open a session as `staged` does, and read it."""
    async with staged(url, **options) as session:
        seen = Seen(session)
        try:
            yield seen
            await session.close()
            async with asyncio.timeout(_DEADLINE_S):
                await seen.task
        finally:
            seen.task.cancel()
