"""No key, signature, passphrase or token in any log, repr, error, traceback, warning or pickle.

Canaries are planted wherever a connector puts secrets. Then everything goes wrong that can, at
servers that echo all they receive, with logging and asyncio at their most talkative.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote

import pytest
from aiohttp.abc import AbstractResolver

from networkpype import (
    Auth,
    ConnectionManagersFactory,
    ConnectionsFactory,
    Event,
    NetworkpypeError,
    RESTManager,
    RESTMethod,
    RESTRequest,
    WebSocketRequest,
)
from tests.support.example_host import ExampleTLS
from tests.support.raw_server import Peer, RawServer, Script, answer
from tests.support.signing import LIMIT_ID, free_throttler, sign

KEY = "canary-key-4fd1a8b09c7e"
SECRET = "canary-secret-77aa01be55c3f2"
PASSPHRASE = "cnry-p4"  # as short as an exchange allows
BEARER = "canary/bearer+e30=.eyJ4IjoxfQ=="
LISTEN_KEY = "canary0listen0key0" * 4
IN_PARAM = "canary/param+9e1b=="
IN_BODY = "canary/body+0a77=="
PLANTED = [KEY, SECRET, PASSPHRASE, BEARER, LISTEN_KEY, IN_PARAM, IN_BODY]


class CanaryAuth(Auth):
    """Put a secret into every place that some exchange wants one in."""

    def __init__(self) -> None:
        super().__init__()
        self._key, self._secret = KEY, SECRET
        self.signatures: list[str] = []

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        request.params = {**dict(request.params or {}), "accessKey": IN_PARAM}  # type: ignore[arg-type]
        request.data = {**dict(request.data or {}), "login": {"passwd": [IN_BODY]}}
        signature = sign(self._secret, request.path_qs.encode() + request.body_bytes)
        self.signatures.append(signature)
        request.headers = {
            **(request.headers or {}),
            "X-KEY": self._key,
            "X-PASSPHRASE": PASSPHRASE,
            "Authorization": f"Bearer {BEARER}",
            "X-Signature": signature,
        }
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


class Evidence:
    """Everything that anybody could read afterwards."""

    def __init__(self, auth: CanaryAuth, log: pytest.LogCaptureFixture) -> None:
        self.auth = auth
        self.seen: dict[str, str] = {}
        self._log = log

    def add(self, name: str, thing: object) -> None:
        self.seen[f"repr of {name}"] = repr(thing)
        self.seen[f"text of {name}"] = str(thing)

    def add_error(self, error: BaseException) -> None:
        self.seen["traceback"] = "".join(traceback.format_exception(error))
        chain: list[BaseException] = [error]
        for each in chain:  # grows while it is walked: suppressed contexts too
            chain += [e for e in (each.__cause__, each.__context__) if e and e not in chain]
            self.add(f"error {len(self.seen)}", each)
            shown = {name: value for name, value in vars(each).items() if name != "raw"}
            self.add(f"attributes {len(self.seen)}", shown)
        self.seen["pickle"] = pickle.dumps(error).decode("latin-1")

    def check(self) -> None:
        self.seen["log"] = self._log.text
        secrets = PLANTED + self.auth.signatures
        for where, text in self.seen.items():
            for secret in secrets:
                for spelling in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
                    assert spelling not in text, (where, secret, text)


@pytest.fixture
def evidence(caplog: pytest.LogCaptureFixture) -> Iterator[Evidence]:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evidence = Evidence(CanaryAuth(), caplog)
        yield evidence
    evidence.add("warnings", [str(each.message) for each in caught])
    evidence.check()


@asynccontextmanager
async def talkative(evidence: Evidence, **options: Any) -> AsyncIterator[RESTManager]:
    asyncio.get_running_loop().set_debug(True)
    events: list[Event] = []
    connections = ConnectionsFactory(**options)
    factory = ConnectionManagersFactory(
        free_throttler(), evidence.auth, hook=events.append, connections_factory=connections
    )
    async with factory:
        manager = await factory.get_rest_manager()
        yield manager
        for thing in (factory, connections, manager, evidence.auth, factory.throttler, events):
            evidence.add(type(thing).__name__, thing)


async def login(manager: RESTManager, base: str, **call: Any) -> Any:
    values: dict[str, Any] = {
        "method": RESTMethod.POST,
        "params": {"passphrase": PASSPHRASE, "symbol": "BTC"},
        "data": {"password": IN_BODY},
        "headers": {"X-Own-Token": BEARER},
        "is_auth_required": True,
        "timeout": 2,
    }
    url = f"{base}/v1/{LISTEN_KEY}/login?apiKey={KEY}"
    return await manager.execute_request(url, LIMIT_ID, **values | call)


def echoing(reply: Callable[[str], bytes], times: int = 1) -> Script:
    async def play(peer: Peer) -> None:
        for _ in range(times):
            request = (await peer.request()).decode("latin-1")
            await peer.send(reply(f"{request}\n{unquote(request)}"))

    return play


def flat(echo: str) -> str:
    return echo.replace("\r", " ").replace("\n", " ")


ECHOES: dict[str, Callable[[str], bytes]] = {
    "400 JSON": lambda echo: answer(json.dumps({"msg": echo}).encode(), "400 No"),
    "400 PHP": lambda echo: answer(json.dumps(echo).replace("/", "\\/").encode(), "400 No"),
    "401 text": lambda echo: answer(echo.encode(), "401 No"),
    "429 and in a header": lambda echo: answer(
        echo.encode(), "429 No", f"X-Echo: {flat(echo)}", "Retry-After: 1"
    ),
    "500 HTML": lambda echo: answer(f"<html>{echo}".encode(), "500 No"),
    "500 in no charset": lambda echo: answer(
        echo.encode(), "500 No", "Content-Type: text/plain; charset=undefined"
    ),
    "200 HTML": lambda echo: answer(f"<{flat(echo)[150:]}".encode()),
    "200 broken JSON": lambda echo: answer(json.dumps({"msg": echo}).encode()[:-1]),
    "200 in no charset": lambda echo: answer(
        echo.encode(), "200 OK", "Content-Type: application/json; charset=undefined"
    ),
    "302": lambda echo: answer(b"", "302 Found", f"Location: /{flat(echo)}"),
    "truncated": lambda echo: answer(echo.encode(), "200 OK", "Content-Length: 99999"),
    "status line": lambda echo: f"HTTP/1.1 2O0 {flat(echo)}\r\n\r\n".encode(),
    "bad header": lambda echo: f"HTTP/1.1 200 OK\r\nX {flat(echo)}: 1\r\n\r\n".encode(),
    "bad chunk": lambda echo: answer(
        f"{flat(echo)}\r\n".encode(), "200 OK", "Transfer-Encoding: chunked"
    ),
    "bad gzip": lambda echo: answer(echo.encode(), "200 OK", "Content-Encoding: gzip"),
    "no answer": lambda echo: b"",
    "too large": lambda echo: answer(echo.encode() * 20),
}


@pytest.mark.parametrize("kind", ECHOES)
async def test_a_server_that_echoes_everything(evidence: Evidence, kind: str) -> None:
    async with (
        RawServer(echoing(ECHOES[kind])) as server,
        talkative(evidence, max_body_bytes=10_000) as manager,
    ):
        with pytest.raises(NetworkpypeError) as caught:
            await login(manager, server.url)
        assert all(each.encode() in server.requests[0] for each in (KEY, PASSPHRASE, LISTEN_KEY))
        evidence.add_error(caught.value)
    assert len(evidence.auth.signatures) == 1


async def test_a_success(evidence: Evidence) -> None:
    def everything(echo: str) -> bytes:
        return answer(json.dumps(echo).encode(), "200 OK", f"X-Echo: {flat(echo)}")

    async with RawServer(echoing(everything, times=2)) as server, talkative(evidence) as manager:
        assert KEY in await login(manager, server.url)
        request = RESTRequest(
            RESTMethod.POST,
            f"{server.url}/v1/{LISTEN_KEY}?apiKey={KEY}",
            params={"sign": IN_PARAM},
            data=f"password={IN_BODY}",
            headers={"X-Token": BEARER},
        )
        response = await manager.call(request)
        assert response.body is not None
        assert BEARER.encode() in response.body
        evidence.add("request", request)
        evidence.add("response", response)
        evidence.add("request by endpoint", RESTRequest("GET", None, f"/v1/{LISTEN_KEY}"))  # type: ignore[arg-type]
        encoded = RESTRequest(RESTMethod.GET, "https://h/", params=f"key={KEY}")
        evidence.add("request with encoded params", encoded)


class NoSuchName(AbstractResolver):
    async def resolve(self, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def close(self) -> None:
        """Hold nothing."""


async def test_no_connection(
    evidence: Evidence, example_tls: ExampleTLS, unused_tcp_port: int
) -> None:
    async with (
        RawServer(Peer.silence, example_tls.server) as server,
        talkative(evidence) as manager,
    ):
        for base in (server.url, f"http://127.0.0.1:{unused_tcp_port}"):
            with pytest.raises(NetworkpypeError) as caught:
                await login(manager, base)
            evidence.add_error(caught.value)
    async with talkative(evidence, resolver=NoSuchName()) as manager:
        with pytest.raises(NetworkpypeError) as caught:
            await login(manager, "https://exchange.invalid")
        evidence.add_error(caught.value)


async def test_a_timeout_and_a_cancelled_call(evidence: Evidence) -> None:
    async def never_answer(peer: Peer) -> None:
        await peer.request()
        await peer.silence()

    async with RawServer(never_answer) as server, talkative(evidence) as manager:
        with pytest.raises(TimeoutError) as caught:
            await login(manager, server.url, timeout=0.05)
        evidence.add_error(caught.value)
        call = asyncio.create_task(login(manager, server.url))
        await server.until(lambda: len(server.requests) == 2)
        evidence.add("task", call)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await call
        evidence.seen["cancelled"] = "".join(traceback.format_exception(cancelled.value))


BAD_CALLS: list[dict[str, Any]] = [
    {"throttler_limit_id": "nope"},
    {"headers": {"X-Token": f"{BEARER}\r\n"}},
    {"headers": {"X-Token": BEARER.encode()}},
    {"params": {"token": f"{KEY}\ud83d"}},
    {"params": f"token={KEY}\ud83d"},
    {"params": {"token": KEY.encode()}},
    {"params": [(KEY,)]},
    {"data": {"token": KEY, "x": object()}},
    {"data": f"{KEY}\ud83d"},
    {"data": {"token": KEY, "x": (each for each in "")}},
    {"timeout": -1},
    {"headers": {"Content-Length": "7", "X-Token": BEARER}},
    {"allow_redirects": True},
    {"url": f"http://{KEY}:{BEARER}@127.0.0.1/"},
    {"url": f"http://key:{KEY}/{BEARER}@127.0.0.1/"},
    {"url": f"127.0.0.1/?token={KEY}"},
    {"url": f"http://127.0.0.1:port/{LISTEN_KEY}?token={KEY}"},
    {"url": f"http://127.0.0.1/{LISTEN_KEY}\ud83d"},
    {"url": None, "endpoint_url": f"/{LISTEN_KEY}?token={KEY}"},
    {"url": None, "endpoint_url": f"//{KEY}:{BEARER}@h/{LISTEN_KEY}"},
]


@pytest.mark.parametrize("wrong", BAD_CALLS, ids=lambda wrong: "-".join(wrong))
async def test_a_wrong_argument(evidence: Evidence, wrong: dict[str, Any]) -> None:
    call = {"url": "http://127.0.0.1:9/", "throttler_limit_id": LIMIT_ID} | wrong
    is_private = not (set(wrong) & {"data", "params"})
    async with talkative(evidence) as manager:
        with pytest.raises(NetworkpypeError) as caught:
            await manager.execute_request(**call, is_auth_required=is_private)
        evidence.add_error(caught.value)


async def test_a_private_request_without_auth(evidence: Evidence) -> None:
    async with ConnectionManagersFactory(free_throttler()) as factory:
        manager = await factory.get_rest_manager()
        with pytest.raises(NetworkpypeError) as caught:
            await login(manager, "https://api.example.com")
    evidence.add_error(caught.value)


def test_the_search_itself_finds_what_is_planted(caplog: pytest.LogCaptureFixture) -> None:
    evidence = Evidence(CanaryAuth(), caplog)
    inner = ValueError(IN_BODY)
    outer = NetworkpypeError("clean")
    outer.__context__, outer.__suppress_context__ = inner, True
    evidence.add_error(outer)
    with pytest.raises(AssertionError, match="repr of error"):
        evidence.check()
