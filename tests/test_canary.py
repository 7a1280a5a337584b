"""Fifty planted secrets, every exchange, and all that can go wrong: nothing shows one of them.

Signing, logins, refusals and errors are driven with logging and asyncio at their most talkative;
then everything that anybody could read afterwards is searched, down to the local variables that a
traceback may print. `tests/conftest.py` listens to the logs of the whole run besides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import networkpype
from networkpype import (
    NetworkpypeError,
    RESTMethod,
    RESTRequest,
    WebSocketJSONRequest,
    WebSocketResponse,
)
from networkpype.auth.outcome import AuthStatus
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange, exchange_auth, names
from tests.support.canary import PLANTED, Watch, credentials_for, found_in, token
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.signing import LIMIT_ID, rest_manager
from tests.support.vectors import load, time_provider

PACKAGE = str(Path(networkpype.__file__).parent)
MS = 1_700_000_000_123
NUMBERS = {name: number for number, name in enumerate(names())}


class Evidence:
    """Everything that anybody could read afterwards."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.seen: list[tuple[str, str]] = []
        self.signatures: set[str] = set()
        self._log = log

    def add(self, thing: object) -> None:
        name = type(thing).__name__
        self.seen += [(f"repr of {name}", repr(thing)), (f"str of {name}", f"{thing} {thing!s}")]
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with suppress(TypeError, AttributeError, pickle.PicklingError):
                self.seen.append(
                    (f"pickle of {name}", pickle.dumps(thing, protocol).decode("latin-1"))
                )

    def add_error(self, error: BaseException) -> None:
        chain: list[BaseException] = [error]
        for each in chain:  # grows while it is walked: suppressed contexts too
            chain += [e for e in (each.__cause__, each.__context__) if e and e not in chain]
            self.add(each)
            self.seen.append(("attributes", repr({**vars(each), "raw": None})))
            told = traceback.TracebackException.from_exception(each, capture_locals=True)
            for frame in told.stack:
                # A test's own local variables are the secrets themselves.
                if frame.filename.startswith(PACKAGE):
                    where = f"locals of {frame.name} ({Path(frame.filename).name}:{frame.lineno})"
                    self.seen.append((where, repr(frame.locals)))
        self.seen.append(("traceback", "".join(traceback.format_exception(error))))

    def check(self) -> None:
        self.seen.append(("log", self._log.text))
        self.seen += [("log arguments", repr(record.args)) for record in self._log.records]
        secrets = {*PLANTED.values(), *self.signatures}
        shown = {(where, found_in(text, secrets)) for where, text in self.seen}
        assert {(where, found) for where, found in shown if found} == set()


@pytest.fixture
def evidence(caplog: pytest.LogCaptureFixture) -> Iterator[Evidence]:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evidence = Evidence(caplog)
        yield evidence
    evidence.seen += [("warning", str(each.message)) for each in caught]
    evidence.check()


def auth_of(name: str, **more: Any) -> SchemeAuth:
    return exchange_auth(
        name,
        credentials_for(name, NUMBERS[name], **more),
        time_provider=time_provider(MS),
        nonce=lambda: MS,
        new_id=lambda: "1",
    )


def request_of(name: str, base: str) -> RESTRequest:
    path, data = PATHS.get(name, ("/api/v1/private/order", {"symbol": "BTCUSDT", "size": "1"}))
    return RESTRequest(RESTMethod.POST, base + path, data=data, is_auth_required=True)


PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "hyperliquid": ("/exchange", {"type": "cancel", "cancels": [{"a": 4, "o": 12345}]}),
    "cryptocom": ("/exchange/v1/private/cancel-order", {"order_id": "1"}),
    "backpack": ("/api/v1/order", {"symbol": "SOL_USDC", "orderId": "1"}),
}


def signed(auth: SchemeAuth, request: RESTRequest, evidence: Evidence) -> RESTRequest:
    """Sign step by step, looking at each draft; the signature is a secret from now on."""
    assert auth.scheme is not None
    for _, draft in auth.scheme.steps(request, auth.identity):
        evidence.add(draft)
    evidence.signatures.add(draft.signature)
    return request


def test_there_are_fifty_and_no_two_are_alike() -> None:
    assert len(PLANTED) == len(set(PLANTED.values())) == 50
    assert all(found_in(f"...{secret}...") for secret in PLANTED.values())


# --- REST ----------------------------------------------------------------------------------------


def flat(echo: str) -> str:
    return echo.replace("\r", " ").replace("\n", " ")


ANSWERS: dict[str, Callable[[str], bytes]] = {
    "401 with all that was sent": lambda echo: answer(
        json.dumps({"code": "60009", "msg": echo}).encode(), "401 No", f"X-Echo: {flat(echo)}"
    ),
    "403 text": lambda echo: answer(echo.encode(), "403 No"),
    "200 broken": lambda echo: answer(json.dumps({"msg": echo}).encode()[:-1]),
    "no answer": lambda echo: b"",
}


@pytest.mark.parametrize("name", names())
async def test_a_signed_request_and_the_server_that_echoes_it(
    name: str, evidence: Evidence
) -> None:
    asyncio.get_running_loop().set_debug(True)
    for reply in ANSWERS.values():

        async def play(peer: Peer, reply: Callable[[str], bytes] = reply) -> None:
            await peer.send(reply((await peer.request()).decode("latin-1")))

        async with RawServer(play) as server:
            auth = auth_of(name, origins=server.url)
            evidence.add(signed(auth, request_of(name, server.url), evidence))
            async with rest_manager(auth) as manager:
                with pytest.raises(NetworkpypeError) as caught:
                    await call(manager, name, server.url)
                evidence.add_error(caught.value)
                for thing in (auth, auth.identity, auth.scheme, auth.ws_pattern, manager):
                    evidence.add(thing)
            assert len(server.requests) == 1
            if name not in NEW_EACH_TIME:
                sent = server.requests[0].decode("latin-1")
                assert found_in(sent, {*evidence.signatures, *PLANTED.values()})


# ECDSA has randomness of its own in it, or its parts are sent apart.
NEW_EACH_TIME = ("coinbase", "hyperliquid")


async def call(manager: Any, name: str, base: str, **more: Any) -> Any:
    request = request_of(name, base)
    return await manager.execute_request(
        request.url,
        LIMIT_ID,
        data=request.data,
        method=request.method,
        is_auth_required=True,
        **more,
    )


@pytest.mark.parametrize("name", names())
async def test_no_connection_no_answer_and_another_origin(
    name: str, evidence: Evidence, unused_tcp_port: int
) -> None:
    asyncio.get_running_loop().set_debug(True)

    async def say_nothing(peer: Peer) -> None:
        await peer.request()
        await peer.silence()

    down = f"http://127.0.0.1:{unused_tcp_port}"
    async with RawServer(say_nothing) as server:
        for base, timeout in ((server.url, 0.02), (down, 2)):
            auth = auth_of(name, origins=base)
            signed(auth, request_of(name, base), evidence)
            async with rest_manager(auth) as manager:
                with pytest.raises(NetworkpypeError) as caught:
                    await call(manager, name, base, timeout=timeout)
                evidence.add_error(caught.value)
                with pytest.raises(NetworkpypeError) as caught:
                    await call(manager, name, "https://127.evil.example")
                evidence.add_error(caught.value)


BAD_DATA: list[Any] = [
    {"x": object()},
    {"x": "\ud83d"},
    "\ud83d",
    {"x": float("nan")},
    [1, object()],
    5,
]


@pytest.mark.parametrize("name", names())
async def test_arguments_that_cannot_be_sent(name: str, evidence: Evidence) -> None:
    for data in BAD_DATA:
        auth = auth_of(name)
        request = request_of(name, exchange(name).rest_url)
        request.data = data
        try:
            evidence.add(await auth.rest_authenticate(request))
        except NetworkpypeError as error:
            evidence.add_error(error)
        # Another error is a defect of ours in itself, so it is not caught.
        except (TypeError, ValueError) as error:
            evidence.add_error(error)


# Each is no secret of its kind, with planted text in it.
WRONG_SECRETS = {
    "base64": PLANTED["secret 0"] + "!",
    "text": PLANTED["passphrase 0"],
    "pem": "-----BEGIN PRIVATE KEY-----\n"
    + PLANTED["PEM Ed25519 0"].splitlines()[1][:-4]
    + "\n-----END PRIVATE KEY-----\n",
    "header": PLANTED["passphrase 1"] + "\N{EURO SIGN}",
}


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("kind", WRONG_SECRETS)
async def test_secrets_of_another_kind(name: str, kind: str, evidence: Evidence) -> None:
    wrong = WRONG_SECRETS[kind]
    fields: dict[str, Any] = {"secret": wrong}
    if name in ("hyperliquid", "coinbase"):
        fields = {"private_key": wrong}
    if kind == "header":  # a key or passphrase that no header can carry
        fields = {"key": wrong.replace(" ", ""), "passphrase": wrong}
    own = credentials_for(name, NUMBERS[name])
    request = request_of(name, exchange(name).rest_url)
    try:
        auth = exchange_auth(
            name, own.model_copy(update=fields), time_provider=time_provider(MS), nonce=lambda: MS
        )
    except NetworkpypeError as error:
        evidence.add_error(error)
        return
    try:
        evidence.add(await auth.rest_authenticate(request))
    except NetworkpypeError as error:
        evidence.add_error(error)
    async with rest_manager(auth) as manager:
        with pytest.raises(NetworkpypeError) as caught:
            # Refused by the signer, or nobody listens there.
            await call(manager, name, "https://127.0.0.1:1")
        evidence.add_error(caught.value)
    pattern = auth.ws_pattern
    try:
        if pattern is not None:
            evidence.add(await pattern.pre_auth(Answering()))
            evidence.add(pattern.build_auth_message(MS / 1000))
            await auth.ws_authenticate(WebSocketJSONRequest(SUBSCRIBE))
    except NetworkpypeError as error:
        evidence.add_error(error)


# --- WebSockets ----------------------------------------------------------------------------------

# What every exchange's endpoint of tokens and listen keys would answer, in one.
TOKENS: dict[str, Any] = {
    "code": "200000",
    "success": True,
    "error": [],
    "listenKey": token("listen key"),
    "token": token(),
    "websocket_token": token("token", 1),
    "user_id": 7,
    "valid_sec": 60,
    "expirationTime": MS + 86_400_000,
    "result": {"token": token(), "expires": 900},
    "data": {
        "token": token("token", 2),
        "accessToken": {"token": token("access token", 1)},
        "listenKey": token("listen key", 1),
        "instanceServers": [
            {"endpoint": "wss://ws-api-spot.kucoin.com/", "pingInterval": 18000, "pingTimeout": 1}
        ],
    },
}

SUBSCRIBE: dict[str, Any] = {
    "id": 1,
    "method": "subscribe",
    "event": "subscribe",
    "type": "subscribe",
    "channel": "user",
    "product_ids": ["BTC-USD"],
    "params": {"channel": "executions"},
    "subscription": {"type": "orderUpdates"},
    "payload": {},
}


class Answering:
    """Answers any REST call with tokens."""

    def __init__(self, reply: Any = None) -> None:
        self.reply = TOKENS if reply is None else reply

    async def execute_request(self, *_: Any, **__: Any) -> Any:
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


@pytest.mark.parametrize("name", names())
async def test_a_login_and_its_refusal(name: str, evidence: Evidence) -> None:
    auth = auth_of(name)
    pattern = auth.ws_pattern
    assert pattern is not None
    with suppress(NetworkpypeError):
        await auth.ws_authenticate(WebSocketJSONRequest(SUBSCRIBE))
    dial = await pattern.pre_auth(Answering())
    request = pattern.build_auth_message(MS / 1000)
    for thing in (auth, pattern, pattern.fresh(), dial, request):
        evidence.add(thing)
    try:
        evidence.add(await auth.ws_authenticate(WebSocketJSONRequest(SUBSCRIBE)))
    except NetworkpypeError as error:
        evidence.add_error(error)
    sent = request.payload if isinstance(request, WebSocketJSONRequest) else {}
    echo = json.dumps([sent, dial.url, dict(dial.headers), [*PLANTED.values()]])
    for frame in refusals(name, echo):
        outcome = pattern.handle_auth_response(WebSocketResponse(frame))
        evidence.add(outcome)


def refusals(name: str, echo: str) -> Iterator[Any]:
    """Yield the frames that refuse a login here, in which the server says all that it was sent."""
    for vector in load("ws")["vectors"]:
        frame = vector.get("if_rejected", {}).get("frame")
        if frame is not None:
            yield frame
            yield said(frame, echo)
    for kind in ("error", "token_expired", "login", "listenKeyExpired"):
        yield {"event": kind, "e": kind, "cmd": kind, "status": "error", "msg": echo}
    yield echo
    yield [echo]


def said(frame: Any, echo: str) -> Any:
    """Put the echo where the exchange's own words stand."""
    if isinstance(frame, dict):
        return {
            name: echo if isinstance(value, str) and name in WORDS else said(value, echo)
            for name, value in frame.items()
        }
    return frame


WORDS = ("msg", "message", "ret_msg", "retMsg", "error", "reason", "data", "desc", "err-msg")


async def test_a_refusal_that_echoes_is_still_told(evidence: Evidence) -> None:
    """The echo is what is hidden, not the refusal."""
    auth = auth_of("okx")
    pattern = auth.ws_pattern
    assert pattern is not None
    pattern.build_auth_message(MS / 1000)
    frame = {"event": "error", "code": "60009", "msg": f"no key {auth.identity.key} here"}
    outcome = pattern.handle_auth_response(WebSocketResponse(frame))
    assert outcome.status is AuthStatus.REJECTED
    assert outcome.reason.startswith("no key")
    evidence.add(outcome)


@pytest.mark.parametrize("name", names())
async def test_endpoints_of_tokens_that_answer_something_else(
    name: str, evidence: Evidence
) -> None:
    identity = auth_of(name).identity
    echo = f"no key {identity.key} with {identity.passphrase} and {identity.memo}"
    answers: list[Any] = [
        {"code": "400100", "msg": echo, "error": [f"EAPI:Invalid {echo}"], "message": echo},
        {"listenKey": 5, "token": [echo], "result": echo, "data": {"errorMsg": echo}},
        [echo],
        echo,
        {},
    ]
    for reply in answers:
        pattern = auth_of(name).ws_pattern
        assert pattern is not None
        for act in (pattern.pre_auth, pattern.renew):
            try:
                evidence.add(await act(Answering(reply)))
            except NetworkpypeError as error:
                evidence.add_error(error)


# --- the watch -----------------------------------------------------------------------------------


def test_the_watch_hears_what_is_leaked() -> None:
    watch = Watch()
    logger = logging.Logger("leaky")
    logger.addHandler(watch)
    logger.debug("harmless")
    assert (watch.heard, watch.leaks) == (1, [])
    logger.debug("%s", credentials_for("okx"))
    assert watch.leaks == []
    leaks: tuple[Callable[[], None], ...] = (
        lambda: logger.debug("key %s", token()),
        lambda: logger.debug(token("secret").upper()),
        lambda: logger.info({"url": "wss://h/" + token("listen key")}),
        lambda: logger.warning("%(a)s", {"a": 1, "b": token("key")}),
        lambda: logger.error("x", exc_info=ValueError(token("secret"))),
        lambda: logger.debug(PLANTED["PEM EC 0"].encode()),
    )
    for leak in leaks:
        watch.leaks.clear()
        leak()
        assert len(watch.leaks) == 1, leak
        assert found_in(watch.leaks[0].partition(": logger")[0]) is None


def test_the_search_itself_finds_what_is_planted(caplog: pytest.LogCaptureFixture) -> None:
    evidence = Evidence(caplog)
    inner = ValueError(token())
    outer = NetworkpypeError("clean")
    outer.__context__, outer.__suppress_context__ = inner, True
    evidence.add_error(outer)
    with pytest.raises(AssertionError, match="repr of ValueError"):
        evidence.check()
    evidence = Evidence(caplog)
    evidence.add(Credentials(key="x"))
    evidence.check()
    evidence.add({"key": token("key")})
    with pytest.raises(AssertionError, match="pickle of dict"):
        evidence.check()
