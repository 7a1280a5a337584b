"""A mock exchange: a real server on loopback that verifies signatures and keeps rate limits."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

from aiohttp import web

from networkpype.clock import Clock, SystemClock
from networkpype.errors import ConfigurationError
from networkpype.testing.arrivals import (
    DEFAULT_LIMITS,
    ArrivalCounter,
    ArrivalLimit,
    ArrivalUse,
    Overrun,
)
from networkpype.testing.endpoints import Endpoints
from networkpype.testing.feed import Feed, Frames
from networkpype.testing.loopback import LoopbackServer
from networkpype.testing.market import Market
from networkpype.testing.orders import OrderDesk
from networkpype.testing.routes import Handler, Routes, failure_of
from networkpype.testing.subscriber import Subscriber
from networkpype.testing.verifier import Access, Verifier
from networkpype.testing.wire import Answer, ReceivedFrame, ReceivedRequest, Refused

__all__ = ["MockExchange"]

_CLOSE_DEADLINE_S = 2.0


class MockExchange:
    """Serve REST and WebSocket on loopback, as an exchange would, and record what arrives.

    Use it as ``async with MockExchange() as exchange``. The key and the secret are random unless
    given. `clock_skew_s` is how far the exchange's clock is ahead of `clock`; it may be set at any
    time. A timestamp further than `recv_window_ms` from that clock, on either side, is refused.
    Limits are counted on `clock`'s monotonic time, fixed windows on the exchange's own clock.
    `ticker_interval_s` is in seconds of the event loop. `frames` says how WebSocket pushes are
    sent; replies are always text.

    It knows nothing of networkpype's own signing and encoding, so it catches their mistakes.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        clock_skew_s: float = 0.0,
        limits: Iterable[ArrivalLimit] = DEFAULT_LIMITS,
        recv_window_ms: int = 5000,
        ticker_interval_s: float = 0.05,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        frames: Frames = "text",
        api_key: str | None = None,
        api_secret: str | None = None,
    ) -> None:
        _check_number("clock_skew_s", clock_skew_s, low=-math.inf)
        _check_number("recv_window_ms", recv_window_ms)
        _check_number("ticker_interval_s", ticker_interval_s)
        _check_number("port", port, low=-1, high=65536)
        if api_key == "" or api_secret == "":
            raise ConfigurationError(
                "api_key and api_secret are not empty; leave them out for random"
            )
        self.api_key = api_key or secrets.token_hex(16)
        self.api_secret = api_secret or secrets.token_hex(32)
        self.clock_skew_s = clock_skew_s
        self.received: list[ReceivedRequest] = []
        self.status_counts: Counter[int] = Counter()
        self.executions: Counter[str] = Counter()
        self.failures: list[Exception] = []
        """What handlers and weights of yours raised or returned wrongly; each was a 500."""
        self._clock = clock or SystemClock()
        self._ticker_interval_s = ticker_interval_s
        self._verifier = Verifier(self.api_key, self.api_secret, recv_window_ms)
        self._arrivals = ArrivalCounter(limits)
        self._desk = OrderDesk()
        self._routes = Routes()
        market = Market(self.time_ms)
        self._feed = Feed(
            market,
            lambda: Subscriber(self._verifier, self.time_ms),
            self._clock.monotonic,
            self._changed,
            frames,
        )
        Endpoints(self._desk, market, self.time_ms, self._feed.publish).register(self._routes)
        self._server = LoopbackServer(self._handle, host, port, ssl_context)
        self._secure = ssl_context is not None
        self._market_task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen. After `close` it may start again: same port, orders kept."""
        if self._server.running:
            raise ConfigurationError(
                f"{self!r} is already started; close() it first, or make a second MockExchange"
            )
        await self._server.start()
        self._market_task = asyncio.create_task(self._feed.run_market(self._ticker_interval_s))

    async def close(self) -> None:
        """Hang up on every client, at most 2 seconds whatever they do; safe to repeat."""
        if self._market_task is not None:
            self._market_task.cancel()
            await asyncio.wait([self._market_task])
            self._market_task = None
        await self._feed.drop(1001, "the exchange is closing")
        await self._server.close(_CLOSE_DEADLINE_S / 2)

    async def __aenter__(self) -> MockExchange:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """The base URL of the REST endpoints, such as ``http://127.0.0.1:40123``."""
        return self._address("http")

    @property
    def ws_url(self) -> str:
        """The URL of the WebSocket, such as ``ws://127.0.0.1:40123/ws``."""
        return self._address("ws") + "/ws"

    @property
    def ws_received(self) -> list[ReceivedFrame]:
        """The data frames that clients sent, oldest first."""
        return self._feed.received

    @property
    def pings(self) -> list[bytes]:
        """The payloads of the WebSocket pings that clients sent; each was answered."""
        return self._feed.pings

    @property
    def pongs(self) -> list[bytes]:
        """The payloads of the WebSocket pongs that clients sent."""
        return self._feed.pongs

    @property
    def websockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._feed)

    @property
    def orders(self) -> Mapping[str, dict[str, object]]:
        """Every order ever placed, by order id, oldest first."""
        return self._desk.orders

    @property
    def peak_arrivals(self) -> Mapping[str, int]:
        """The most units that each limit has held in any of its windows, by the limit's name."""
        return self._arrivals.peaks

    def arrival_use(self) -> Mapping[str, ArrivalUse]:
        """Return how much of each limit was used and how much it allowed until now, by name."""
        return self._arrivals.use(self._clock.monotonic(), self._clock.time() + self.clock_skew_s)

    def time_ms(self) -> int:
        """Return the exchange's own time, skewed, in Unix milliseconds."""
        return int((self._clock.time() + self.clock_skew_s) * 1000)

    def add_endpoint(
        self, method: str, path: str, handler: Handler, access: Access = Access.PUBLIC
    ) -> None:
        """Answer `method` (``*``: any) on `path` with `handler`, instead of what was there.

        A path that ends with ``*`` stands for all that begin so. The handler takes the
        `ReceivedRequest` and returns an `Answer`, at once or as an awaitable, or raises `Refused`.
        Whatever else it does is answered with 500, whose body says why, and kept in `failures`.
        """
        self._routes.add(method, path, handler, access)

    async def push(self, stream: str, data: object) -> int:
        """Push to every WebSocket subscribed to `stream`; return how many there are."""
        return await self._feed.push(stream, data)

    async def ping_websockets(self, payload: bytes = b"") -> int:
        """Ping every WebSocket and return how many there are; see `pongs` for the answers."""
        return await self._feed.ping(payload)

    async def drop_websockets(self, code: int | None = None, reason: str = "") -> int:
        """Close every WebSocket with `code`, or abort its TCP without a close frame where None.

        Return how many there were, once all are gone.
        """
        return await self._feed.drop(code, reason)

    async def until(self, condition: Callable[[], object], timeout_s: float = 2.0) -> None:
        """Wait until `condition` holds; it is asked again whenever something arrives or ends.

        Raise TimeoutError after `timeout_s` seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            raise TimeoutError(f"{self!r} did not get there within {timeout_s} s") from None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        received = ReceivedRequest(
            request.method, request.raw_path, request.headers, b"", self._clock.monotonic()
        )
        self.received.append(received)
        now, wall_s = received.arrived_at, self._clock.time() + self.clock_skew_s
        try:
            overrun = self._arrivals.arrive(received.method, received.raw_path, now, wall_s)
        except Exception as error:  # a weight of the user's
            return self._respond(received, self._failed(received, error))
        self._changed()
        try:
            return await self._finished(request, received, overrun)
        finally:
            if overrun is None:
                now = self._clock.monotonic()
                self._arrivals.leave(received.method, received.raw_path, now)

    async def _finished(
        self, request: web.BaseRequest, received: ReceivedRequest, overrun: Overrun | None
    ) -> web.StreamResponse:
        try:
            answer = await self._answer(request, received, overrun)
        except Refused as refused:
            received.refusal = refused.message
            answer = refused.answer
        except Exception:
            self._finish(received, 500)
            raise
        if isinstance(answer, web.WebSocketResponse):
            return answer
        return self._respond(received, answer)

    def _respond(self, received: ReceivedRequest, answer: Answer) -> web.Response:
        try:
            response = _response(answer)
        except (TypeError, ValueError) as error:  # data that is no JSON, or a header that is none
            answer = self._failed(received, error)
            response = _response(answer)
        self._finish(received, answer.status)
        return response

    def _failed(self, received: ReceivedRequest, error: Exception) -> Answer:
        self.failures.append(error)
        return failure_of(received, error)

    async def _answer(
        self, request: web.BaseRequest, received: ReceivedRequest, overrun: Overrun | None
    ) -> Answer | web.WebSocketResponse:
        """Read the body, pass the gates (limits, route, signature) and call the endpoint."""
        try:
            received.body = await request.content.read()
        except Exception as error:
            raise Refused(400, -1, f"the body broke off: {type(error).__name__}") from error
        if overrun is not None:
            raise _too_many(overrun)
        if received.path == "/ws":
            return await self._upgrade(request, received)
        endpoint = self._routes.find(received.method, received.path)
        self._verifier.check_request(received, endpoint.access, self.time_ms())
        try:
            answer = await endpoint.answer(received)
        except Refused:
            raise
        except Exception as error:
            return self._failed(received, error)
        if answer.status < 400:
            self.executions[f"{received.method} {received.path}"] += 1
        return answer

    async def _upgrade(
        self, request: web.BaseRequest, received: ReceivedRequest
    ) -> web.WebSocketResponse:
        if not web.WebSocketResponse().can_prepare(request):
            raise Refused(426, -1, "/ws takes WebSocket handshakes only")
        self._finish(received, 101)
        return await self._feed.serve(request)

    def _finish(self, received: ReceivedRequest, status: int) -> None:
        received.status = status
        self.status_counts[status] += 1
        self._changed()

    def _changed(self) -> None:
        self._change.set()

    def _address(self, scheme: str) -> str:
        if self._server.port == 0:
            raise ConfigurationError(
                "no address before the start; use `async with MockExchange() as exchange`"
            )
        host = f"[{self._server.host}]" if ":" in self._server.host else self._server.host
        return f"{scheme}{'s' if self._secure else ''}://{host}:{self._server.port}"

    def __repr__(self) -> str:
        where = self.url if self._server.running else "not running"
        return (
            f"<MockExchange {where}, {len(self.received)} requests, {self.websockets} websockets>"
        )


def _too_many(overrun: Overrun) -> Refused:
    limit, seconds = overrun.limit, overrun.retry_after_s
    return Refused(
        429,
        -1003,
        f'too many requests: limit "{limit.name}" is {limit.rule}; retry after {seconds:.3f} s',
        # The header has whole seconds (RFC 9110 section 10.2.3), so it is rounded up.
        headers={"Retry-After": str(math.ceil(seconds))},
    )


def _response(answer: Answer) -> web.Response:
    if answer.data is None:
        return web.Response(status=answer.status, headers=answer.headers)
    return web.Response(
        body=json.dumps(answer.data, separators=(",", ":")).encode(),
        status=answer.status,
        headers=answer.headers,
        content_type="application/json",
        charset="utf-8",
    )


def _check_number(name: str, value: float, low: float = 0, high: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value < high:
        raise ConfigurationError(f"{name}: a number between {low} and {high} wanted, got {value!r}")
