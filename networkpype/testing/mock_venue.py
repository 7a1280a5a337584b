"""One exchange as its signers meet it: a real server on loopback that checks who is asking."""

from __future__ import annotations

import asyncio
import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeVar, get_args

from aiohttp import web

from networkpype import codec
from networkpype.clock import Clock, SystemClock
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingExtraError
from networkpype.testing.arrivals import ArrivalCounter, ArrivalLimit, Overrun
from networkpype.testing.loopback import LoopbackServer
from networkpype.testing.routes import Handler, Routes, failure_of
from networkpype.testing.venue_client import Encoding, VenueClient
from networkpype.testing.venues.account import Account, Refusal, Why
from networkpype.testing.venues.keys import make_keys
from networkpype.testing.venues.table import VENUES
from networkpype.testing.venues.venue import Endpoint, Frame, Socket, Venue
from networkpype.testing.verifier import Access
from networkpype.testing.wire import Answer, ReceivedFrame, ReceivedRequest, Refused

__all__ = ["LoginAnswer", "MockVenue"]

LoginAnswer = Literal["answer", "refuse", "hold", "silent"]
"""What happens to a login: judged as the exchange does, refused whatever it is, kept until
`release`, or nothing. Where the handshake is the login, it is the upgrade that is refused,
kept or never answered; KuCoin's greeting likewise. An exchange without a login, such as one
with signed subscribes, has nothing to refuse."""

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
    and private subscriptions; `publish` feeds those who are subscribed, where the venue's
    subscribe frames are known (CoinEx, ETHGas).

    More requests than `limits` allow are answered with 429. `encoding` is how frames are sent, None
    for the exchange's own way.

    Keys are made at random and given by `credentials`, or are those passed in. `clock_skew_s` is
    how far the exchange's clock is ahead of `clock`. `on_login` says what becomes of logins, a
    `LoginAnswer`; it may be set at any time. The checks are written from the exchanges' pages and
    share nothing with networkpype's signers. Raises MissingExtraError where keys are made by a
    package that is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock | None = None,
        clock_skew_s: float = 0.0,
        on_login: LoginAnswer = "answer",
        limits: Iterable[ArrivalLimit] = (),
        encoding: Encoding | None = None,
        credentials: Credentials | None = None,
        public_key: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if name not in VENUES:
            near = difflib.get_close_matches(str(name).lower(), VENUES, n=1)
            hint = f'did you mean "{near[0]}"? ' if near else ""
            raise ConfigurationError(f'no venue "{name}"; {hint}known: {", ".join(VENUES)}')
        self.name = name
        self.clock_skew_s = clock_skew_s
        self.on_login = on_login
        self.answer_all: Answer | None = None
        """While set, the answer to every request and handshake, such as a 429."""
        self.received: list[ReceivedRequest] = []
        self.ws_received: list[ReceivedFrame] = []
        self.refusals: list[str] = []
        self.failures: list[Exception] = []
        """What handlers and weights of yours raised or returned wrongly; each was a 500."""
        self._venue = VENUES[name]
        self._arrivals = ArrivalCounter(limits)
        self._encoding = encoding
        self._clock = clock or SystemClock()
        if credentials is None:
            made, public_key = _new_keys(name, self._venue)
            credentials = Credentials(**made)
        self._credentials = credentials
        known = ("key", "secret", "passphrase", "memo", "wallet")
        fields = {field: credentials.reveal(field) for field in known}
        self.account = Account(self.time_ms, public_key=public_key, **fields)
        self._routes = Routes()
        self._register()
        self._server = LoopbackServer(self._handle, host, port, None)
        self._clients: list[VenueClient] = []
        self._upgrades: list[asyncio.Event] = []  # the handshakes that wait for `release`
        self._connections = 0
        self._change = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen; after `close` again, at the same address."""
        await self._server.start()

    async def close(self) -> None:
        """Hang up on every client; safe to repeat."""
        await self.drop_websockets(1001)
        await self._server.close(_CLOSE_DEADLINE_S)

    async def __aenter__(self) -> Self:
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
    def on_login(self) -> LoginAnswer:
        """What becomes of logins from now on."""
        return self._on_login

    @on_login.setter
    def on_login(self, answer: LoginAnswer) -> None:
        if answer not in get_args(LoginAnswer):
            known = ", ".join(f'"{each}"' for each in get_args(LoginAnswer))
            raise ConfigurationError(f"on_login is {answer!r}; pass one of {known}")
        self._on_login: LoginAnswer = answer

    @property
    def websockets(self) -> int:
        """How many sockets are open."""
        return len(self._clients)

    @property
    def logged_in(self) -> int:
        """How many sockets are logged in, or have asked for something private and were let."""
        return sum(client.socket.logged_in for client in self._clients)

    @property
    def peak_arrivals(self) -> Mapping[str, int]:
        """The most requests that any window of each of the `limits` has held, by its name."""
        return self._arrivals.peaks

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
        clients = list(self._clients)  # one may come or go meanwhile
        for client in clients:
            await client.send(frame)
        return len(clients)

    async def publish(self, topic: str, frame: object) -> int:
        """Send a frame to every socket that is subscribed to `topic`; return how many there are.

        Topics are named ``channel.market``, such as ``depth.BTCUSDT``; who subscribed to the
        channel as a whole gets all of them. Raises ConfigurationError where the venue does not read
        what a socket subscribes to.
        """
        if not _reads_topics(self._venue):
            known = ", ".join(name for name, venue in VENUES.items() if _reads_topics(venue))
            raise ConfigurationError(
                f"{self.name} does not read what its sockets subscribe to, so it cannot publish; "
                f"those that do are {known}, and push(frame) sends to every socket of any venue"
            )
        clients = [client for client in self._clients if client.wants(topic)]
        for client in clients:
            await client.send(frame)
        return len(clients)

    def snapshot(self, topic: str) -> object | None:
        """Return what a socket gets as soon as it is subscribed: nothing, unless overridden."""
        return None

    async def expire(self) -> int:
        """End every token, listen key and login; tell each socket as the exchange does.

        Return how many sockets there are. Where the exchange says nothing, neither does this.
        """
        self._revoke()
        for client in list(self._clients):
            client.log_out()
            event = client.socket.expired()
            if event is not None:
                await client.send(event)
        return len(self._clients)

    def _revoke(self) -> None:
        self.account.revoke()

    async def release(self) -> int:
        """Answer the logins that were held; return how many there were."""
        held = [(client, frame) for client in self._clients for frame in client.held]
        for client, frame in held:
            client.held.remove(frame)
            await self._login(client, frame, refuse=False)
        greetings = [client for client in self._clients if client.greeting]
        for client in greetings:
            client.socket.logged_in = True
            await client.greet()
        upgrades, self._upgrades = self._upgrades, []
        for upgrade in upgrades:
            upgrade.set()
        return len(held) + len(greetings) + len(upgrades)

    def mute_websockets(self) -> int:
        """Go silent on every socket that is open now: nothing is sent or answered any more."""
        for client in self._clients:
            client.is_mute = True
        return len(self._clients)

    async def drop_websockets(self, code: int | None = 1001, reason: str = "") -> int:
        """Close every socket with this code, or cut its line without a word where None.

        Return how many there were.
        """
        clients = list(self._clients)
        for client in clients:
            await client.leave(code, reason)
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
        now, wall_s = received.arrived_at, self.time_ms() / 1000
        try:
            overrun = self._arrivals.arrive(received.method, received.raw_path, now, wall_s)
        except Exception as error:  # a weight of the user's
            return self._finished(received, self._failed(received, error))
        try:
            return await self._respond(request, received, overrun)
        finally:
            if overrun is None:
                now = self._clock.monotonic()
                self._arrivals.leave(received.method, received.raw_path, now)

    async def _respond(
        self, request: web.BaseRequest, received: ReceivedRequest, overrun: Overrun | None
    ) -> web.StreamResponse:
        try:
            received.body = await request.content.read()
            self._check_load(overrun)
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
            received.refusal = refused.message
            answer = refused.answer
        return self._finished(received, answer)

    def _finished(self, received: ReceivedRequest, answer: Answer) -> web.Response:
        try:
            response = _response(answer)
        except (TypeError, ValueError) as error:  # data that is no JSON, or a header that is none
            answer = self._failed(received, error)
            response = _response(answer)
        received.status = answer.status
        self._change.set()
        return response

    def _failed(self, received: ReceivedRequest, error: Exception) -> Answer:
        self.failures.append(error)
        return failure_of(received, error)

    def _check_load(self, overrun: Overrun | None) -> None:
        """Refuse what comes while nobody is answered, or too fast."""
        if self.answer_all is not None:
            refused = Refused(self.answer_all.status, -1, "answer_all is set")
            refused.answer = self.answer_all
            raise refused
        if overrun is not None:
            wait = {"Retry-After": str(math.ceil(overrun.retry_after_s))}
            raise Refused(429, -1, f'limit "{overrun.limit.name}" is exceeded', headers=wait)

    async def _answer(self, received: ReceivedRequest) -> Answer:
        endpoint = self._routes.find(received.method, received.path)
        named = f"{received.method} {received.path}"
        check = self._venue.key_only.get(named, self._venue.check)
        if endpoint.access is not Access.PUBLIC:
            _tolerant(partial(check, received, self.account))
        try:
            return await endpoint.answer(received)
        except (Refused, Refusal):
            raise
        except Exception as error:
            return self._failed(received, error)

    async def _upgrade(
        self, request: web.BaseRequest, received: ReceivedRequest
    ) -> web.WebSocketResponse:
        if self._venue.socket is None:
            raise Refusal(Why.MISSING, f"{self.name} has no socket here")
        socket = self._venue.socket(self.account, received)
        greeting: list[Frame] = _tolerant(socket.open)
        kept: list[Frame] = []
        # One that has a login frame as well is asked again by that.
        if socket.logged_in and type(socket).is_login is Socket.is_login:
            greeting, kept = await self._judge(socket, greeting)
        # Pings are answered below rather than by aiohttp, which would answer them when mute too.
        response = web.WebSocketResponse(timeout=_CLOSE_GRACE_S, autoping=False)
        await response.prepare(request)
        received.status = 101
        self._connections += 1
        client = VenueClient(self._connections, socket, request, response, self._encoding)
        client.greeting = kept
        self._clients.append(client)
        self._change.set()
        try:
            for frame in greeting:
                await client.send(frame)
            async for message in response:
                if message.type in (web.WSMsgType.TEXT, web.WSMsgType.BINARY):
                    await self._take(client, message.data)
                    self._change.set()
                elif message.type is web.WSMsgType.PING:
                    await client.pong(message.data)
        finally:
            self._clients.remove(client)
            self._change.set()
        return response

    async def _judge(
        self, socket: Socket, greeting: list[Frame]
    ) -> tuple[list[Frame], list[Frame]]:
        """Treat a login that is the handshake by `on_login`; return what to say now, and later."""
        if self.on_login == "answer":
            return greeting, []
        if self.on_login == "refuse":
            socket.logged_in = False
            refusal = Refusal(Why.SIGNATURE, "refused on command")
            said = socket.turned_away(refusal)
            self._note(str(refusal))
            return said, []
        if greeting:
            socket.logged_in = False
            return [], greeting if self.on_login == "hold" else []
        released = asyncio.Event()
        if self.on_login == "hold":
            self._upgrades.append(released)
        self._change.set()
        await released.wait()  # `close` cancels what never is
        return [], []

    async def _take(self, client: VenueClient, data: str | bytes) -> None:
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
        begun: list[str] = []
        try:
            private = _tolerant(partial(socket.is_private, frame))
            if private:
                _tolerant(partial(socket.check_private, frame))
            answer = _tolerant(partial(socket.answered, frame))
            begun = _tolerant(partial(client.subscribe, frame, private))
        except Refusal as refusal:
            self._note(str(refusal))
            answer = socket.denied(frame, refusal)
        if answer is not None:
            await client.send(answer)
        for topic in begun:
            if (snapshot := self.snapshot(topic)) is not None:
                await client.send(snapshot)

    async def _login(self, client: VenueClient, frame: Frame, *, refuse: bool) -> None:
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


def _new_keys(name: str, venue: Venue) -> tuple[dict[str, str], str]:
    try:
        return make_keys(venue.keys, venue.fields)
    except ImportError:
        pass  # raised below: the error says all that there is to know
    package, extra = ("eth-keys", "evm") if venue.keys == "wallet" else ("cryptography", "crypto")
    raise MissingExtraError(
        f'the keys of "{name}" are made by {package}, which is not installed; '
        f'run: pip install "networkpype[{extra}]"'
    )


def _response(answer: Answer) -> web.Response:
    body = None if answer.data is None else json.dumps(answer.data).encode()
    kind = {"Content-Type": "application/json"} | dict(answer.headers)
    return web.Response(body=body, status=answer.status, headers=kind)


def _reads_topics(venue: Venue) -> bool:
    return venue.socket is not None and venue.socket.topics is not Socket.topics


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
