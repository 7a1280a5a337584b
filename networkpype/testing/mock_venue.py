"""One exchange as its signers meet it: a real server on loopback that checks who is asking."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Literal, TypeVar

from aiohttp import web

from networkpype import codec
from networkpype.clock import Clock, SystemClock
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError
from networkpype.testing.loopback import LoopbackServer
from networkpype.testing.routes import Handler, Routes
from networkpype.testing.venues.account import Account, Refusal, Why
from networkpype.testing.venues.keys import make_keys
from networkpype.testing.venues.table import VENUES
from networkpype.testing.venues.venue import Endpoint, Frame, Socket
from networkpype.testing.verifier import Access
from networkpype.testing.wire import Answer, ReceivedFrame, ReceivedRequest, Refused

__all__ = ["LoginAnswer", "MockVenue"]

LoginAnswer = Literal["answer", "refuse", "hold", "silent"]
"""What happens to a login: as the exchange does, refused whatever it is, kept until `release`, or
nothing."""

T = TypeVar("T")

_CLOSE_DEADLINE_S = 1.0
_CLOSE_GRACE_S = 0.25
# What a malformed request makes the plain code of a check raise.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError)


class MockVenue:
    """Speak one exchange's authentication: REST signatures, listen keys, tokens, socket logins.

    Use it as ``async with MockVenue("okx") as venue``; names are those of `networkpype.exchanges`.
    Every path answers what arrived, once the signature is right; a wrong key, signature, nonce or
    time is refused with the exchange's own status and body. The socket knows login frames, tokens
    and private subscriptions.

    Keys are made at random and given by `credentials`, or are those passed in. `clock_skew_s` is
    how far the exchange's clock is ahead of `clock`. `on_login` says what becomes of logins; it may
    be set at any time. The checks are written from the exchanges' pages and share nothing with
    networkpype's signers.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock | None = None,
        clock_skew_s: float = 0.0,
        on_login: LoginAnswer = "answer",
        credentials: Credentials | None = None,
        public_key: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if name not in VENUES:
            raise ConfigurationError(f'no venue "{name}"; known: {", ".join(VENUES)}')
        self.name = name
        self.clock_skew_s = clock_skew_s
        self.on_login: LoginAnswer = on_login
        self.received: list[ReceivedRequest] = []
        self.ws_received: list[ReceivedFrame] = []
        self.refusals: list[str] = []
        self._venue = VENUES[name]
        self._clock = clock or SystemClock()
        if credentials is None:
            made, public_key = make_keys(self._venue.keys, self._venue.fields)
            credentials = Credentials(**made)
        self._credentials = credentials
        known = ("key", "secret", "passphrase", "memo", "wallet")
        fields = {field: credentials.reveal(field) for field in known}
        self.account = Account(self.time_ms, public_key=public_key, **fields)
        self._routes = Routes()
        self._register()
        self._server = LoopbackServer(self._handle, host, port, None)
        self._clients: list[_Client] = []
        self._connections = 0
        self._change = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen."""
        await self._server.start()

    async def close(self) -> None:
        """Hang up on every client; safe to repeat."""
        await self.drop_websockets(1001)
        await self._server.close(_CLOSE_DEADLINE_S)

    async def __aenter__(self) -> MockVenue:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Where REST requests go, such as ``http://127.0.0.1:40123``."""
        return f"http://{self._address()}"

    @property
    def ws_url(self) -> str:
        """Where sockets dial, such as ``ws://127.0.0.1:40123``; any path will do."""
        return f"ws://{self._address()}"

    @property
    def credentials(self) -> Credentials:
        """The keys of the account, bound to this address and to no other."""
        return self._credentials.model_copy(update={"origins": (self.url,)})

    @property
    def websockets(self) -> int:
        """How many sockets are open."""
        return len(self._clients)

    @property
    def logged_in(self) -> int:
        """How many sockets are logged in, or have asked for something private and were let."""
        return sum(client.socket.logged_in for client in self._clients)

    def time_ms(self) -> int:
        """Return the exchange's own time in Unix ms."""
        return int((self._clock.time() + self.clock_skew_s) * 1000)

    def add_endpoint(
        self, method: str, path: str, handler: Handler, access: Access = Access.SIGNED
    ) -> None:
        """Answer `method` (``*``: any) on `path` with `handler`; see `MockExchange`."""
        self._routes.add(method, path, handler, access)

    async def push(self, frame: object) -> int:
        """Send a frame to every socket and return how many there are."""
        for client in self._clients:
            await client.send(frame)
        return len(self._clients)

    async def expire(self) -> int:
        """End every token, listen key and login; tell each socket as the exchange does.

        Return how many sockets there are. Where the exchange says nothing, neither does this.
        """
        self.account.revoke()
        for client in self._clients:
            client.socket.logged_in = False
            event = client.socket.expired()
            if event is not None:
                await client.send(event)
        return len(self._clients)

    async def release(self) -> int:
        """Answer the logins that were held; return how many there were."""
        held = [(client, frame) for client in self._clients for frame in client.held]
        for client, frame in held:
            client.held.remove(frame)
            await self._login(client, frame, refuse=False)
        return len(held)

    async def drop_websockets(self, code: int = 1001) -> int:
        """Close every socket with this code; return how many there were."""
        clients = list(self._clients)
        for client in clients:
            with suppress(ConnectionError):
                await client.response.close(code=code, drain=False)
        return len(clients)

    async def until(self, condition: Callable[[], object], timeout_s: float = 2.0) -> None:
        """Wait until `condition` holds; it is asked again whenever something arrives or ends."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._change.clear()
                await self._change.wait()

    def _register(self) -> None:
        venue = self._venue
        self._routes.add("*", "/*", _echo, Access.SIGNED)
        for name, endpoint in venue.endpoints.items():
            method, _, path = name.partition(" ")
            access = Access.KEY if name in venue.key_only else Access.SIGNED
            if name in venue.open:
                access = Access.PUBLIC
            self._routes.add(method, path, self._bound(endpoint), access)

    def _bound(self, endpoint: Endpoint) -> Handler:
        return lambda request: endpoint(request, self.account)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        received = ReceivedRequest(
            request.method, request.raw_path, request.headers, b"", self._clock.monotonic()
        )
        self.received.append(received)
        try:
            received.body = await request.content.read()
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._upgrade(request, received)
            answer = await self._answer(received)
        except Refusal as refusal:
            self._note(str(refusal))
            received.refusal = str(refusal)
            answer = self._venue.refuse(refusal)
            if "Upgrade" in request.headers and answer.status < 400:
                answer = Answer(answer.data, 401)
        except Refused as refused:
            answer = refused.answer
        received.status = answer.status
        self._change.set()
        body = None if answer.data is None else json.dumps(answer.data).encode()
        kind = {"Content-Type": "application/json"} | dict(answer.headers)
        return web.Response(body=body, status=answer.status, headers=kind)

    async def _answer(self, received: ReceivedRequest) -> Answer:
        endpoint = self._routes.find(received.method, received.path)
        named = f"{received.method} {received.path}"
        check = self._venue.key_only.get(named, self._venue.check)
        if endpoint.access is not Access.PUBLIC:
            _tolerant(partial(check, received, self.account))
        answer = endpoint.handler(received)
        return await answer if inspect.isawaitable(answer) else answer

    async def _upgrade(
        self, request: web.BaseRequest, received: ReceivedRequest
    ) -> web.WebSocketResponse:
        if self._venue.socket is None:
            raise Refusal(Why.MISSING, f"{self.name} has no socket here")
        socket = self._venue.socket(self.account, received)
        greeting: list[Frame] = _tolerant(socket.open)
        response = web.WebSocketResponse(timeout=_CLOSE_GRACE_S)
        await response.prepare(request)
        received.status = 101
        self._connections += 1
        client = _Client(self._connections, socket, response)
        self._clients.append(client)
        self._change.set()
        try:
            for frame in greeting:
                await client.send(frame)
            async for message in response:
                if message.type in (web.WSMsgType.TEXT, web.WSMsgType.BINARY):
                    await self._take(client, message.data)
                    self._change.set()
        finally:
            self._clients.remove(client)
            self._change.set()
        return response

    async def _take(self, client: _Client, data: str | bytes) -> None:
        """Answer one frame of a client."""
        self.ws_received.append(ReceivedFrame(client.number, data, self._clock.monotonic()))
        if data == "ping":
            await client.send("pong")
            return
        try:
            frame = codec.loads(data)
        except (ValueError, RecursionError):
            return
        frame = frame if isinstance(frame, dict) else {"list": frame}
        socket = client.socket
        if socket.is_login(frame):
            if self.on_login == "hold":
                client.held.append(frame)
            elif self.on_login != "silent":
                await self._login(client, frame, refuse=self.on_login == "refuse")
            return
        try:
            if socket.is_private(frame):
                _tolerant(partial(socket.check_private, frame))
            answer = socket.answered(frame)
        except Refusal as refusal:
            self._note(str(refusal))
            answer = socket.denied(frame, refusal)
        if answer is not None:
            await client.send(answer)

    async def _login(self, client: _Client, frame: Frame, *, refuse: bool) -> None:
        socket = client.socket
        try:
            if refuse:
                raise Refusal(Why.SIGNATURE, "refused on command")
            _tolerant(partial(socket.check_login, frame))
            answer = socket.accepted(frame)
            socket.logged_in = True
        except Refusal as refusal:
            self._note(str(refusal))
            answer = socket.refused(frame, refusal)
        for other in socket.unrelated:
            await client.send(other)
        await client.send(answer)

    def _note(self, refusal: str) -> None:
        self.refusals.append(refusal)
        self._change.set()

    def _address(self) -> str:
        if self._server.port == 0:
            raise ConfigurationError(
                "no address before the start; use `async with MockVenue(...) as venue`"
            )
        return f"{self._server.host}:{self._server.port}"

    def __repr__(self) -> str:
        return f"<MockVenue {self.name}, {len(self.received)} requests>"


class _Client:
    """One socket: its conversation, and the logins that wait for `release`."""

    def __init__(self, number: int, socket: Socket, response: web.WebSocketResponse) -> None:
        self.number = number
        self.socket = socket
        self.response = response
        self.held: list[Frame] = []

    async def send(self, frame: object) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
        with suppress(ConnectionError):
            if self.socket.encoding == "gzip":
                await self.response.send_bytes(gzip.compress(text.encode()))
            elif self.socket.encoding == "deflate":
                squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
                await self.response.send_bytes(squeeze.compress(text.encode()) + squeeze.flush())
            else:
                await self.response.send_str(text)


def _tolerant(check: Callable[[], T]) -> T:
    """Call a check; what a malformed request makes it stumble over is a refusal too."""
    try:
        return check()
    except _MALFORMED as error:
        raise Refusal(Why.MISSING, f"malformed: {type(error).__name__}") from error


def _echo(request: ReceivedRequest) -> Answer:
    """Tell what arrived."""
    text = request.body.decode("utf-8", "replace")
    return Answer({"method": request.method, "raw_path": request.raw_path, "body": text})
