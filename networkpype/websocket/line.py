"""One open WebSocket: the watch over it, the ways to give it up, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Mapping
from typing import TypeAlias

import aiohttp
from aiohttp import WSMsgType

from networkpype.errors import (
    ConfigurationError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    WebSocketClosedError,
)
from networkpype.redact import escape, mask_url, scrub, secret_values
from networkpype.transport import describe
from networkpype.waits import Waits
from networkpype.websocket.decoding import MessageDecoder
from networkpype.websocket.heartbeat import Pulse, Verdict
from networkpype.websocket.pacing import Pace

__all__ = ["AnyMessage", "Line"]

AnyMessage: TypeAlias = "aiohttp.WSMessage | aiohttp.http.WSMessageTextBytes"

NO_CODE = 1005  # RFC 6455 section 7.4.1: a close frame came without a code
NO_CLOSE_FRAME = 1006
TOO_BIG = 1009

_LOOK_S = 0.001  # the event loop looks into every socket before a timer of this length
_TAKE_S = 1.0


class Line:
    """An open WebSocket and the watch over it.

    In silence it sends pings. What the pulse holds against the peer is put into the queue of
    messages as an ERROR message with a `Verdict` in it: there it comes after everything that had
    arrived, and unlike a cancellation it cannot be mixed up with the caller's own.
    """

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse[bool],
        *,
        url: str,
        headers: Mapping[str, str],
        decoder: MessageDecoder,
        ping_interval_s: float | None,
        message_timeout_s: float | None,
        close_timeout_s: float,
        pace: Pace | None = None,
        waits: Waits | None = None,
    ) -> None:
        self.ws = ws
        self.waits = Waits() if waits is None else waits
        """What waits to be sent on this one and no other; it is over when this is."""
        self.pace = pace
        """Counts what is sent, None where nothing does."""
        self.url = mask_url(url)
        self.decoder = decoder
        self.loads = decoder.loads
        self.left = False
        """Whether this side disconnected."""
        self._secrets = [part for part in re.split("[/?&=]", url) if part not in self.url]
        self._secrets += secret_values((), headers)
        self._close_timeout_s = close_timeout_s
        self._loop = asyncio.get_running_loop()
        # The same clock, without a frame around it: it is asked twice for every message.
        plain = getattr(type(self._loop), "time", None) is asyncio.BaseEventLoop.time
        self.now = time.monotonic if plain else self._loop.time
        self.pulse = Pulse(
            self.now(),
            ping_interval_s=ping_interval_s,
            pong_timeout_s=None if ping_interval_s is None else ping_interval_s / 2,
            message_timeout_s=message_timeout_s,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._ping_waits = False
        self._ponging: asyncio.Task[None] | None = None
        self._pong_payload = b""
        self._dropped = False
        self.watch()

    @property
    def is_open(self) -> bool:
        """Tell whether the socket is open: False as soon as the loss is known, read or not."""
        return not self.ws.closed and self.ws.get_extra_info("peername") is not None

    def watch(self) -> None:
        """Ask the pulse what to do, do it, and ask again when it says."""
        if self._dropped or not self.is_open:
            return  # the reader will find out by himself
        if self._timer is not None:
            self._timer.cancel()
        if self._ping_waits:
            self.pulse.ping_at = self.now()  # it is not sent yet, so no answer is due
        verdict, next_at = self.pulse.poll(self.now())
        if verdict is Verdict.PING:
            self._ping()
        elif verdict is not Verdict.WAIT:
            # A loop that was blocked comes here before it has looked into the socket.
            self._timer = self._loop.call_later(_LOOK_S, self._tell, verdict)
            return
        self._timer = None if next_at is None else self._loop.call_at(next_at, self.watch)

    def _ping(self) -> None:
        if self._pinging is None or self._pinging.done():
            self._pinging = self._loop.create_task(self._keep_warm())
        # A frame so large that it takes longer than the pong would must not be taken for silence;
        # aiohttp's own heartbeat listens in the same place.
        if (connection := self.ws._conn) is not None and connection.protocol is not None:
            connection.protocol._data_received_cb = self._heard

    async def _keep_warm(self) -> None:
        # The reader will say how a broken connection ended.
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, NotConnectedError):
            if self.pace is not None and not self.pace.takes_control():
                self._ping_waits = True
                try:
                    await self.pace.control_turn()
                finally:
                    self._ping_waits = False
                self.pulse.ping_at = self.now()
            await self.ws.ping()

    def _heard(self) -> None:
        self.pulse.frame_at = self.now()
        if (connection := self.ws._conn) is not None and connection.protocol is not None:
            connection.protocol._data_received_cb = None  # streams are not slowed down

    def _tell(self, verdict: Verdict) -> None:
        self.ws._reader.feed_data(aiohttp.WSMessage(WSMsgType.ERROR, verdict, None), 0)
        self._timer = self._loop.call_later(_TAKE_S, self._insist, verdict)

    def _insist(self, verdict: Verdict) -> None:
        if verdict is Verdict.DEAD and self.pulse.stands(verdict, self.now()):
            self.drop()  # the reader did not take it: it is stuck in a pong that the peer refuses
        else:
            self.watch()

    async def write(self, writing: Awaitable[None]) -> None:
        """Wait until frames are written; ConfigurationError, or WebSocketClosedError (UNKNOWN)."""
        failure: NetworkpypeError
        try:
            await writing
            return
        except UnicodeEncodeError:
            failure = ConfigurationError("the message holds half of a surrogate pair")
        except (aiohttp.ClientError, ConnectionError) as error:
            lost = describe(error)
            failure = WebSocketClosedError(
                f"{self.url}: the connection broke while sending ({lost})",
                reason=lost,
                outcome=Outcome.UNKNOWN,
            )
        raise failure  # out here, so that no context keeps the message

    async def pong(self, payload: bytes) -> None:
        """Echo a ping; a peer that is closing says so in the next message.

        Where there is no room for it now, reading goes on, and the last of several pings is
        answered for all (RFC 6455 section 5.5.3).
        """
        if self.pace is not None:
            self._pong_payload = payload
            if self._ponging is not None and not self._ponging.done():
                return
            if not self.pace.takes_control():
                self._ponging = self._loop.create_task(self._pong_later(self.pace))
                return
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self.ws.pong(payload)

    async def _pong_later(self, pace: Pace) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, NotConnectedError):
            await pace.control_turn()
            await self.ws.pong(self._pong_payload)

    async def ping(self, payload: bytes) -> None:
        """Send a ping of the caller's."""
        if self.pace is not None:
            await self.pace.control_turn()
        await self.write(self.ws.ping(payload))

    async def answer_close(self, code: int) -> None:
        """Reply to the peer's close frame."""
        # Where this is zero, close() waits for a second close frame, which never comes.
        self.ws._close_code = code or NO_CODE
        await self._close()

    async def hang_up(self) -> None:
        """Close with a handshake, and drop the socket where that takes too long."""
        self.left = True
        self._stop_watch()
        self._end_waits()  # whoever waits for a turn need not wait for the peer's close frame
        # A cancelled receive() leaves 1006 here, and close() would not wait for the peer.
        self.ws._close_code = None
        try:
            await self._close()
        finally:
            self.drop()

    async def _close(self) -> None:
        # The peer may talk on for ever, or not take what is written.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._close_timeout_s):
                await self.ws.close()

    def drop(self) -> None:
        """Give the socket up at once, without a handshake; safe to repeat."""
        self._stop_watch()
        if self._loop.is_closed():
            return
        self._end_waits()
        # aiohttp has no public way to give up without awaiting the peer, and a transport that is
        # closed but not aborted stays open until the peer has taken all that was written.
        self.ws._response.close()
        if (transport := self.ws._writer.transport) is not None:  # it was when the session closed
            transport.abort()

    def _end_waits(self) -> None:
        self.waits.close(
            "the connection ended", "the connection has ended meanwhile, so nothing was sent"
        )

    def _stop_watch(self) -> None:
        self._dropped = True
        if self._timer is not None:
            self._timer.cancel()
        for task in (self._pinging, self._ponging):
            if task is not None:
                task.cancel()

    @property
    def close_code(self) -> int:
        """The peer's close code, as RFC 6455 names what is missing."""
        code = self.ws.close_code
        return NO_CLOSE_FRAME if code is None else int(code) or NO_CODE

    def end(self, message: AnyMessage | None) -> tuple[int, str]:
        """Tell code and reason of the end from the last message; None where nobody read it."""
        data = None if message is None else message.data
        if data is Verdict.DEAD:
            return NO_CLOSE_FRAME, "no pong came in time"
        if message is not None and message.type is WSMsgType.CLOSE:
            return data or NO_CODE, escape(scrub(message.extra or "", self._secrets), limit=200)
        if message is not None and message.type is WSMsgType.ERROR:
            # A frame that breaks the protocol, or is too large: this side sent the close frame.
            code = int(getattr(data, "code", NO_CLOSE_FRAME))
            if code == TOO_BIG:
                return code, "a message is too big; raise max_message_bytes if that is expected"
            return code, escape(str(data), limit=200)
        return NO_CLOSE_FRAME, "the connection was lost without a close frame"
