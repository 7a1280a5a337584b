"""Signatures with nonces that have to be awaited, and how nonces arrive in their order."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit, RESTMethod
from networkpype.auth import actions as do
from networkpype.auth.login import Login
from networkpype.auth.outcome import PreAuth
from networkpype.auth.patterns.base import RESTCaller, WebSocketAuthPattern
from networkpype.auth.patterns.inline import InlineToken
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.standing import LoginState
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, Outcome, SharedNonceError
from networkpype.exchanges import exchange, exchange_auth
from networkpype.exchanges.gemini import ORDER_EVENTS
from networkpype.rest.request import RESTRequest
from networkpype.shared.nonces import RedisNonces
from networkpype.signing.nonces import NoNonceReservedError
from networkpype.testing import MockVenue
from networkpype.websocket.request import WebSocketJSONRequest
from tests.shared.own_redis import OwnRedis, needs_redis

CALLS = 1000


class Source:
    """Gives numbers in the order in which they were asked for, each after a turn or two."""

    def __init__(self, first: int = 1) -> None:
        self.last = first - 1
        self.asked = 0

    async def reserve(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        self.last += 1
        number = self.last
        await asyncio.sleep(0)
        return number


class SlowVenue(MockVenue):
    """What is sent takes a time of its own to arrive."""

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(random.uniform(0, 0.004))
        return await super()._handle(request)

    @property
    def nonces(self) -> list[int]:
        return [int(parse_qs(each.body.decode())["nonce"][0]) for each in self.received]


def is_rising(nonces: list[int]) -> bool:
    return all(earlier < later for earlier, later in itertools.pairwise(nonces))


async def order(venue: MockVenue, nonce: Any, limits: list[RateLimit], calls: int) -> list[Any]:
    """Make so many signed calls at once; return what came of each."""
    target = exchange("kraken").at(venue.url, venue.ws_url)
    auth = exchange_auth(target, venue.credentials, nonce=nonce)
    async with ConnectionManagersFactory(AsyncThrottler(limits), auth) as factory:
        rest = await factory.get_rest_manager()
        return await asyncio.gather(
            *(
                rest.execute_request(
                    url=f"{venue.url}/0/private/AddOrder",
                    throttler_limit_id="key",
                    method=RESTMethod.POST,
                    data={"volume": number},
                    is_auth_required=True,
                )
                for number in range(calls)
            ),
            return_exceptions=True,
        )


async def test_a_thousand_calls_one_at_a_time_arrive_in_order() -> None:
    async with SlowVenue("kraken") as venue:
        await order(venue, None, [RateLimit.concurrent("key", 1)], CALLS)
        assert venue.refusals == []
        assert len(venue.nonces) == CALLS
        assert is_rising(venue.nonces)


@needs_redis
async def test_a_thousand_calls_with_nonces_of_redis(redis: OwnRedis) -> None:
    async with SlowVenue("kraken") as venue, RedisNonces(redis.url, name="k") as nonces:
        await order(venue, nonces, [RateLimit.concurrent("key", 1)], CALLS)
        assert venue.refusals == []
        assert len(venue.nonces) == CALLS
        assert is_rising(venue.nonces)


_WORKER = """
import asyncio, json, sys
from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit, RESTMethod
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange, exchange_auth
from networkpype.shared.limits import RedisLimitStore
from networkpype.shared.nonces import RedisNonces

async def main():
    url, ws_url, redis, key, secret = json.loads(sys.stdin.readline())
    nonces = RedisNonces(redis, name="k")
    store = RedisLimitStore(redis, name="k")
    target = exchange("kraken").at(url, ws_url)
    auth = exchange_auth(target, Credentials(key=key, secret=secret, origins=[url]), nonce=nonces)
    throttler = AsyncThrottler([RateLimit.concurrent("key", 1)], store=store)
    async with ConnectionManagersFactory(throttler, auth) as factory:
        rest = await factory.get_rest_manager()
        await asyncio.gather(*(
            rest.execute_request(
                url=f"{url}/0/private/AddOrder",
                throttler_limit_id="key",
                method=RESTMethod.POST,
                data={"volume": number},
                is_auth_required=True,
            )
            for number in range(100)
        ))
    await store.close()
    await nonces.close()

asyncio.run(main())
"""


@needs_redis
async def test_four_processes_one_call_at_a_time(redis: OwnRedis) -> None:
    async with SlowVenue("kraken") as venue:
        told = [venue.url, venue.ws_url, redis.url]
        told += [venue.credentials.reveal(each) for each in ("key", "secret")]
        runs = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", _WORKER, stdin=asyncio.subprocess.PIPE
            )
            for _ in range(4)
        ]
        await asyncio.gather(*(run.communicate(json.dumps(told).encode()) for run in runs))
        assert [run.returncode for run in runs] == [0] * 4
        assert venue.refusals == []
        assert len(venue.nonces) == 400
        assert is_rising(venue.nonces)


async def test_calls_that_are_not_held_overtake_each_other() -> None:
    """The venue would tell, were the others not one at a time."""
    async with SlowVenue("kraken") as venue:
        await order(venue, None, [RateLimit("key", CALLS, 60.0)], 200)
        assert len(venue.refusals) > 0
        assert not is_rising(venue.nonces)


@needs_redis
async def test_without_redis_nothing_is_sent(redis: OwnRedis) -> None:
    async with SlowVenue("kraken") as venue:
        nonces = RedisNonces(redis.url, name="k", timeout_s=0.2)
        redis.kill()
        told = await order(venue, nonces, [RateLimit("key", CALLS, 60.0)], 20)
        await nonces.close()
        assert venue.received == []
    assert {type(each) for each in told} == {SharedNonceError}
    assert {each.outcome for each in told} == {Outcome.NOT_SENT}


def private() -> RESTRequest:
    url = "https://api.kraken.com/0/private/Balance"
    return RESTRequest(RESTMethod.POST, url, data={}, is_auth_required=True)


def auth_of(name: str, source: Any, **fields: str) -> SchemeAuth:
    own = {"key": "k", "secret": "c2VjcmV0", **fields}
    return exchange_auth(name, Credentials(**own), nonce=source)


async def test_each_signature_has_the_nonce_that_it_awaited() -> None:
    source = Source()
    auth = auth_of("kraken", source)
    tasks = [asyncio.create_task(auth.rest_authenticate(private())) for _ in range(100)]
    for number, task in enumerate(tasks):
        if number % 4 == 0:
            task.cancel()
    await asyncio.sleep(0)
    tasks[1].cancel()  # while it awaits
    done = await asyncio.gather(*tasks, return_exceptions=True)
    signed = [str(each.data) for each in done if isinstance(each, RESTRequest)]
    used = [int(text.partition("=")[2]) for text in signed]
    assert len(used) == 74
    assert len(set(used)) == 74
    # The number of one that was cancelled is nobody's.
    assert source.last >= len(used)
    with pytest.raises(NoNonceReservedError):
        auth.identity.nonce()


async def test_a_signature_that_fails_leaves_its_nonce_to_nobody() -> None:
    auth = auth_of("kraken", Source())
    broken = private()
    broken.data = ["no mapping"]
    with pytest.raises(ConfigurationError, match="pass a mapping"):
        await auth.rest_authenticate(broken)
    with pytest.raises(NoNonceReservedError):
        auth.identity.nonce()
    assert "nonce=2" in str((await auth.rest_authenticate(private())).data)


async def test_a_second_nonce_in_one_signature_is_refused() -> None:
    identity = auth_of("kraken", Source()).identity
    with pytest.raises(NoNonceReservedError, match="or a second one"):
        await identity.signed(lambda: (identity.nonce(), identity.nonce()))
    assert await identity.signed(identity.nonce) == 2


async def test_a_login_frame_that_takes_a_nonce_at_once_is_refused() -> None:
    auth = auth_of("bitfinex", Source())
    assert auth.ws_pattern is not None
    with pytest.raises(NoNonceReservedError, match="API key of its own and without nonce="):
        auth.ws_pattern.build_auth_message(1_700_000_000.0)


async def test_a_session_is_told_so_and_does_not_try_again() -> None:
    pattern = auth_of("bitfinex", Source()).ws_pattern
    assert pattern is not None
    login = Login(pattern)
    login.dial(0.0)
    dial = login.prepared(await pattern.pre_auth(None), 0.0, 1_700_000_000.0, 1)
    assert [type(each) for each in dial] == [do.Dial]
    login.connected(0.0, 1_700_000_000.0, 1)
    assert login.state is LoginState.FAILED
    assert isinstance(login.error, NoNonceReservedError)


async def test_a_handshake_awaits_its_nonce() -> None:
    source = Source(first=77)
    credentials = Credentials(key="k", secret="c2VjcmV0")
    auth = SchemeAuth(credentials, pattern=ORDER_EVENTS, nonce=source)
    assert auth.ws_pattern is not None
    dialed = [await auth.ws_pattern.pre_auth(None) for _ in range(2)]
    payloads = [b64decode(each.headers["X-GEMINI-PAYLOAD"]) for each in dialed]
    assert [
        b'"nonce":%d}' % number in text for number, text in zip((77, 78), payloads, strict=True)
    ] == [
        True,
        True,
    ]
    # One whose nonce is the time awaits none.
    plain = auth_of("gemini", source).ws_pattern
    assert plain is not None
    await plain.pre_auth(None)
    assert source.asked == 2


class Counting(WebSocketAuthPattern):
    """Numbers its private messages with nonces, and writes into what it is given."""

    def sign_message(self, payload: Any) -> Any:
        payload["times"] = payload.get("times", 0) + 1
        payload["nonce"] = self.identity.nonce()
        return payload

    async def pre_auth(self, rest: RESTCaller | None) -> PreAuth:
        return PreAuth(self.url)


async def test_a_private_message_awaits_a_nonce_where_it_takes_one() -> None:
    source = Source()
    credentials = Credentials(key="k")
    takes = SchemeAuth(credentials, pattern=Counting(), nonce=source)
    for number in (1, 2):
        request = WebSocketJSONRequest({"op": "order"})
        signed = await takes.ws_authenticate(request)
        assert signed.payload == {"op": "order", "times": 1, "nonce": number}
    plain = InlineToken(token=lambda identity: identity.random_text(), field_name="token")
    without = SchemeAuth(credentials, pattern=plain, nonce=source)
    signed = await without.ws_authenticate(WebSocketJSONRequest({"op": "order"}))
    assert len(signed.payload["token"]) == 32
    assert source.asked == 2


async def test_nonces_that_are_given_at_once_are_asked_as_ever() -> None:
    numbers = itertools.count(5)
    auth = auth_of("kraken", lambda: next(numbers))
    assert auth.identity.awaited_nonces is None
    assert "nonce=5" in str((await auth.rest_authenticate(private())).data)


def test_what_is_no_source_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nonce is a str; pass a callable"):
        auth_of("kraken", "text")
    with pytest.raises(ConfigurationError, match="token_store is a str"):
        exchange_auth("ethgas", Credentials(key="k"), token_store="redis://")  # type: ignore[arg-type]
