"""One process refreshes an access token and all use it, whatever happens to any of them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import re
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit
from networkpype.auth.access_tokens import AccessTokens, HeldTokens
from networkpype.auth.patterns.access_token import AccessTokenLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import (
    AuthenticationError,
    AuthenticationFailure,
    ConfigurationError,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RequestTimeoutError,
    SharedTokenError,
)
from networkpype.exchanges import exchange, exchange_auth
from networkpype.shared.tokens import RedisTokens
from networkpype.testing import Answer, MockETHGas, ReceivedRequest
from tests.shared.own_cluster import until
from tests.shared.own_redis import OwnRedis, needs_redis

pytestmark = needs_redis

REFRESH = "/api/v1/user/login/refresh"

_WORKER = """
import asyncio, json, sys
from networkpype import AsyncThrottler, ConnectionManagersFactory, RateLimit
from networkpype.credentials import Credentials
from networkpype.exchanges import exchange, exchange_auth
from networkpype.shared.tokens import RedisTokens

async def main():
    told = json.loads(sys.stdin.readline())
    target = exchange("ethgas").at(told["url"], told["ws_url"])
    credentials = Credentials(**told["credentials"], origins=[told["url"]])
    store = RedisTokens(told["redis"], name="e", **told["options"])
    auth = exchange_auth(target, credentials, token_store=store, throttler_limit_id="all")
    throttler = AsyncThrottler([RateLimit("all", 1000, 1)])
    async with ConnectionManagersFactory(throttler, auth) as factory:
        rest = await factory.get_rest_manager()
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            dialed = await auth.ws_pattern.pre_auth(rest)
            said = dialed.headers["Authorization"]
        except Exception as error:
            said = type(error).__name__
        print(said, flush=True)
    await store.close()

asyncio.run(main())
"""


class Worker:
    """A process that takes an access token when it is told to."""

    def __init__(self, run: asyncio.subprocess.Process) -> None:
        self.run = run

    @classmethod
    async def of(cls, venue: MockETHGas, redis: OwnRedis, **options: Any) -> Worker:
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = cls(run)
        given = {"secret": venue.credentials.reveal("secret")}
        told = {"url": venue.url, "ws_url": venue.ws_url, "redis": redis.url}
        worker.say(json.dumps({**told, "credentials": given, "options": options}))
        assert await worker.hear() == "ready"
        return worker

    def say(self, text: str = "go") -> None:
        assert self.run.stdin is not None
        self.run.stdin.write(f"{text}\n".encode())

    async def hear(self) -> str:
        assert self.run.stdout is not None
        return (await self.run.stdout.readline()).decode().strip()


class Account:
    """One process' auth, with a store and a REST manager of its own."""

    def __init__(
        self,
        venue: MockETHGas,
        redis: OwnRedis,
        credentials: Credentials | None = None,
        **options: Any,
    ) -> None:
        self.store = RedisTokens(redis.url, name="e", **options)
        target = exchange("ethgas").at(venue.url, venue.ws_url)
        self.auth: SchemeAuth = exchange_auth(
            target,
            credentials or venue.credentials,
            token_store=self.store,
            throttler_limit_id="all",
        )
        throttler = AsyncThrottler([RateLimit("all", 1000, 1)])
        self._factory = ConnectionManagersFactory(throttler, self.auth)

    async def __aenter__(self) -> Account:
        self.rest = await (await self._factory.__aenter__()).get_rest_manager()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._factory.__aexit__(None, None, None)
        await self.store.close()

    @property
    def pattern(self) -> AccessTokenLogin:
        assert isinstance(self.auth.ws_pattern, AccessTokenLogin)
        return self.auth.ws_pattern

    @property
    def tokens(self) -> AccessTokens:
        return self.pattern.tokens

    async def dial(self) -> str:
        return (await self.pattern.pre_auth(self.rest)).headers["Authorization"]

    async def renew(self) -> str:
        return (await self.pattern.renew(self.rest)).headers["Authorization"]


@pytest.fixture
async def venue() -> AsyncIterator[MockETHGas]:
    async with MockETHGas() as each:
        yield each


def refreshes(venue: MockETHGas) -> int:
    return sum(each.path == REFRESH for each in venue.received)


def fresh_only(venue: MockETHGas) -> Credentials:
    """Return credentials with which each process has to get its first access token."""
    return Credentials(secret=venue.credentials.reveal("secret"), origins=[venue.url])


async def told(redis: OwnRedis) -> dict[str, Any]:
    """Return all keys with what they hold and how many ms they live."""
    found = {}
    for key in await redis.say("KEYS", "*"):
        kind = key.rpartition(":")[2]
        is_text = kind in ("refresher", "refused")
        value = await redis.say("GET" if is_text else "HGETALL", key)
        found[kind] = (value, int(await redis.say("PTTL", key)))
    return found


async def test_eight_processes_refresh_once(venue: MockETHGas, redis: OwnRedis) -> None:
    workers = await asyncio.gather(*(Worker.of(venue, redis) for _ in range(8)))
    for worker in workers:
        worker.say()
    said = await asyncio.gather(*(worker.hear() for worker in workers))
    await asyncio.gather(*(worker.run.wait() for worker in workers))
    assert len(set(said)) == 1
    assert said[0].startswith("Bearer ")
    assert refreshes(venue) == 1
    # One that comes later has it from Redis.
    late = await Worker.of(venue, redis)
    late.say()
    assert await late.hear() == said[0]
    assert await late.run.wait() == 0
    assert refreshes(venue) == 1


async def test_one_that_is_killed_holds_the_others_up_for_its_lease(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    """It dies before the exchange took the refresh token."""
    asked, lost = asyncio.Event(), asyncio.Event()
    good = venue._routes.find("POST", REFRESH).handler

    async def hang(request: ReceivedRequest) -> Answer:
        asked.set()
        await lost.wait()
        return Answer({})

    venue.add_endpoint("POST", REFRESH, hang, venue._routes.find("POST", REFRESH).access)
    dying = await Worker.of(venue, redis, lease_s=2.0)
    dying.say()
    await asyncio.wait_for(asked.wait(), 10)
    venue.add_endpoint("POST", REFRESH, good, venue._routes.find("POST", REFRESH).access)
    dying.run.send_signal(signal.SIGKILL)
    await dying.run.wait()
    lost.set()
    began = time.monotonic()
    async with Account(venue, redis, fresh_only(venue), lease_s=2.0) as account:
        assert (await account.dial()).startswith("Bearer ")
    assert time.monotonic() - began < 3.0
    assert refreshes(venue) == 2


async def test_the_refresh_token_goes_from_one_process_to_the_next(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    """It is good for one use, and each process begins with the one in its credentials."""
    async with Account(venue, redis) as one, Account(venue, redis) as two:
        seen = [await one.dial(), await two.dial()]
        for account in (one, two, two, one, one, two):
            seen.append(await account.renew())
    assert refreshes(venue) == 3  # every other renewal found that of the other process
    assert seen[::2] == seen[1::2]
    assert len(set(seen)) == 4


async def test_a_token_that_was_refused_is_nobodys(venue: MockETHGas, redis: OwnRedis) -> None:
    async with (
        Account(venue, redis, fresh_only(venue)) as one,
        Account(venue, redis, fresh_only(venue)) as two,
        Account(venue, redis, fresh_only(venue)) as three,
    ):
        first = await one.dial()
        assert await two.dial() == first
        assert refreshes(venue) == 1
        for account in (one, two):
            account.tokens.spend(account.tokens.access)
        second = await one.dial()
        assert second != first
        # The others find the new one, be it because theirs was refused or as they come.
        assert await two.dial() == second
        assert await three.dial() == second
        assert refreshes(venue) == 2
        # A late word against the old one changes nothing.
        two.tokens.spend(first.removeprefix("Bearer "))
        assert await two.dial() == second
    assert refreshes(venue) == 2


async def test_what_is_refused_is_deleted_before_the_new_one_comes(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    async with Account(venue, redis, fresh_only(venue)) as one:
        await one.dial()
        assert "access" in await told(redis)
        one.tokens.spend(one.tokens.access)
        venue.answer_all = Answer({}, 503)
        with pytest.raises(OSError):
            await one.dial()
        assert set(await told(redis)) == {"refresh"}  # nor has anybody the seat


async def test_redis_keeps_a_token_as_long_as_it_is_good(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    async with Account(venue, redis, fresh_only(venue)) as one:
        await one.dial()
        found = await told(redis)
    (access, left_ms), (refresh, lasts_ms) = found["access"], found["refresh"]
    assert f"Bearer {access['access']}" == f"Bearer {one.tokens.access}"
    assert refresh["refresh"] == one.tokens.refresh
    assert 3_590_000 < left_ms <= 3_600_000
    assert 6.9 * 86_400_000 < lasts_ms <= 7 * 86_400_000


@pytest.mark.parametrize("decodes", [False, True])
async def test_a_client_of_the_users_own(decodes: bool, redis: OwnRedis) -> None:
    from redis.asyncio import Redis

    client = Redis(port=redis.port, decode_responses=decodes)
    taken = []
    for _ in range(2):
        async with RedisTokens(client, name="e") as store:

            async def refresh(latest: HeldTokens) -> HeldTokens:
                return HeldTokens(*_texts("naïve", latest.refresh.get_secret_value() + "1"))

            held = HeldTokens(*_texts("", "r"))
            taken.append(await store.renewed("a", held, refresh, now=time.time))
    assert [each.access.get_secret_value() for each in taken] == ["naïve"] * 2
    assert [each.refresh.get_secret_value() for each in taken] == ["r1"] * 2
    assert [each.generation for each in taken] == [1, 1]
    await client.aclose()


async def test_two_accounts_in_one_redis(redis: OwnRedis) -> None:
    async with MockETHGas() as first, MockETHGas() as second:
        async with (
            Account(first, redis, fresh_only(first)) as one,
            Account(second, redis, fresh_only(second)) as two,
        ):
            assert await one.dial() != await two.dial()
        assert [refreshes(first), refreshes(second)] == [1, 1]


async def test_redis_away_before_the_refresh_asks_nobody(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    async with Account(venue, redis, fresh_only(venue), timeout_s=0.3) as one:
        redis.kill()
        with pytest.raises(SharedTokenError) as caught:
            await one.dial()
        assert caught.value.outcome is Outcome.NOT_SENT
        assert refreshes(venue) == 0
        again = pickle.loads(pickle.dumps(caught.value))
        assert str(again) == str(caught.value)
        await redis.start()
        assert (await one.dial()).startswith("Bearer ")
        assert refreshes(venue) == 1


def breaking(venue: MockETHGas, redis: OwnRedis) -> None:
    """Have Redis die while the exchange is making the new token."""
    found = venue._routes.find("POST", REFRESH)

    def die(request: ReceivedRequest) -> Any:
        redis.kill()
        return found.handler(request)

    venue.add_endpoint("POST", REFRESH, die, found.access)


async def test_redis_comes_back_before_the_new_token_is_lost(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    breaking(venue, redis)
    async with (
        Account(venue, redis, fresh_only(venue)) as one,
        Account(venue, redis, fresh_only(venue)) as two,
    ):
        dialing = asyncio.create_task(one.dial())
        await venue.until(lambda: refreshes(venue) == 1, 10)
        await asyncio.sleep(0.3)
        await redis.start()
        assert await dialing == await two.dial()
    assert refreshes(venue) == 1


async def test_redis_that_stays_away_is_told_and_made_up_for(
    venue: MockETHGas, tmp_path: Path
) -> None:
    """It comes back with a refresh token that is spent."""
    redis = OwnRedis(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    await redis.start()
    options = {"lease_s": 0.5, "timeout_s": 0.4}
    async with (
        Account(venue, redis, fresh_only(venue), **options) as one,
        Account(venue, redis, fresh_only(venue), **options) as two,
    ):
        await one.dial()
        breaking(venue, redis)
        with pytest.raises(SharedTokenError, match="could not be kept") as caught:
            await one.renew()
        assert caught.value.outcome is Outcome.UNKNOWN
        second = await one.dial()  # goes on with it
        await redis.start()
        access = venue._routes.find("POST", REFRESH).access
        venue.add_endpoint("POST", REFRESH, exchange_refresh(venue), access)
        third = await one.renew()
        assert third != second
        assert await two.dial() == third
    redis.kill()
    assert refreshes(venue) == 3


def exchange_refresh(venue: MockETHGas) -> Any:
    from networkpype.testing.venues.ethgas import ENDPOINTS

    return lambda request: ENDPOINTS[f"POST {REFRESH}"](request, venue.account)


async def test_redis_without_its_data_and_who_knows_the_refresh_token(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    async with Account(venue, redis, fresh_only(venue)) as one:
        first = await one.dial()
        await redis.say("FLUSHALL")
        assert await one.renew() != first
        async with Account(venue, redis, fresh_only(venue)) as two:
            assert await two.dial() == f"Bearer {one.tokens.access}"
            await redis.say("FLUSHALL")
            assert await two.renew() != f"Bearer {one.tokens.access}"
    assert refreshes(venue) == 3


async def test_the_refresh_token_outlives_the_access_token_in_redis(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    async with Account(venue, redis, fresh_only(venue)) as one:
        first = await one.dial()
        await redis.say("DEL", f"{{networkpype:e:{one.tokens._account}}}:access")
    async with Account(venue, redis, fresh_only(venue)) as two:
        assert await two.dial() != first
    assert refreshes(venue) == 2


async def test_a_store_that_was_set_back_gives_no_older_token(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    async with Account(venue, redis, fresh_only(venue)) as one:
        await one.dial()
        keys = await redis.say("KEYS", "*")
        old = {key: await redis.say("HGETALL", key) for key in keys}
        second = await one.renew()
        await redis.say("FLUSHALL")
        for key, fields in old.items():
            await redis.say("HSET", key, *(each for pair in fields.items() for each in pair))
            await redis.say("PEXPIRE", key, 3_000_000)
        third = await one.renew()  # by the refresh token that it has itself
    assert third not in (second, f"Bearer {old}")
    assert refreshes(venue) == 3


async def test_a_refusal_is_told_to_all_and_tried_once(venue: MockETHGas, redis: OwnRedis) -> None:
    credentials = fresh_only(venue)
    venue.account.revoke(venue.credentials.reveal("secret"))
    errors: list[HTTPStatusError] = []
    async with (
        Account(venue, redis, credentials) as one,
        Account(venue, redis, credentials) as other,
    ):
        for account in (one, other, one, other):
            with pytest.raises(HTTPStatusError) as raised:
                await account.dial()
            errors.append(raised.value)
        assert "refresher" not in await told(redis)
        assert refreshes(venue) == 1
        assert [each.status for each in errors] == [401] * 4
        rejected, not_sent = Outcome.REJECTED, Outcome.NOT_SENT
        assert [each.outcome for each in errors] == [rejected, not_sent, not_sent, not_sent]
        said = re.search(r"not be for ([0-9.]+) s; .*pass Credentials\(secret=", str(errors[1]))
        assert said is not None
        assert 0 < float(said[1]) <= 10
        # It is tried after a while: that exchange may be well again.
        kept = await told(redis)
        refused, left_ms = kept["refused"]
        assert venue.credentials.reveal("secret") not in f"{refused} {kept['refusals']}"
        assert left_ms <= 10_000
        for key in await redis.say("KEYS", "*:refused"):
            await redis.say("DEL", key)
        with pytest.raises(HTTPStatusError):
            await other.dial()
        assert refreshes(venue) == 2


@pytest.mark.parametrize(
    ("error", "is_shared"),
    [
        (AuthenticationError("no", reason=AuthenticationFailure.EXPIRED), True),
        (AuthenticationError("no"), True),
        (AuthenticationError("no", reason=AuthenticationFailure.TIMESTAMP), False),
        (AuthenticationError("no", outcome=Outcome.NOT_SENT), False),
        (HTTPStatusError("no", status=403), False),
        (HTTPStatusError("no", status=503, outcome=Outcome.UNKNOWN), False),
        (RequestTimeoutError("no"), False),
    ],
)
async def test_only_what_the_exchange_says_of_the_token_is_told_to_others(
    error: NetworkpypeError, is_shared: bool, redis: OwnRedis
) -> None:
    asked: list[str] = []

    async def refresh(latest: HeldTokens) -> HeldTokens:
        asked.append(latest.refresh.get_secret_value())
        raise error

    async def renew(store: RedisTokens, secret: str) -> NetworkpypeError:
        held = HeldTokens(SecretStr(""), None, SecretStr(secret))
        with pytest.raises(NetworkpypeError) as raised:
            await store.renewed("account", held, refresh, now=time.time)
        return raised.value

    async with RedisTokens(redis.url, name="e") as one, RedisTokens(redis.url, name="e") as other:
        assert await renew(one, "first") is error
        again = await renew(other, "first")
        assert asked == ["first"] * (1 if is_shared else 2)
        if is_shared:
            assert isinstance(again, AuthenticationError)
            assert isinstance(error, AuthenticationError)
            assert (again.reason, again.outcome) == (error.reason, Outcome.NOT_SENT)
        # Another refresh token of the account has not been refused.
        assert await renew(other, "second") is error
        assert asked[-1] == "second"


async def test_those_that_wait_hear_of_the_refusal(redis: OwnRedis) -> None:
    asked = 0

    async def refresh(latest: HeldTokens) -> HeldTokens:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.1)
        raise AuthenticationError("no")

    held = HeldTokens(SecretStr(""), None, SecretStr("first"))
    async with RedisTokens(redis.url, name="e") as one, RedisTokens(redis.url, name="e") as other:
        errors = await asyncio.gather(
            *(each.renewed("a", held, refresh, now=time.time) for each in (one, other, one)),
            return_exceptions=True,
        )
    assert [type(each) for each in errors] == [AuthenticationError] * 3
    assert asked == 1


async def test_a_token_that_works_after_all_ends_the_refusal(redis: OwnRedis) -> None:
    works = False

    async def refresh(latest: HeldTokens) -> HeldTokens:
        if not works:
            raise AuthenticationError("no")
        return HeldTokens(SecretStr("access"), None, SecretStr(""), latest.generation)

    def held(secret: str) -> HeldTokens:
        return HeldTokens(SecretStr(""), None, SecretStr(secret))

    async with RedisTokens(redis.url, name="e") as store:
        with pytest.raises(AuthenticationError):
            await store.renewed("a", held("first"), refresh, now=time.time)
        works = True
        await store.renewed("a", held("second"), refresh, now=time.time)
    assert await redis.say("KEYS", "*:refus*") == []


async def test_what_is_refused_again_rests_for_longer(redis: OwnRedis) -> None:
    """A hiccup costs seconds, and what is really refused is asked a few times an hour."""
    asked: list[str] = []

    async def refresh(latest: HeldTokens) -> HeldTokens:
        asked.append(latest.refresh.get_secret_value())
        raise AuthenticationError("maintenance", reason=AuthenticationFailure.EXPIRED)

    async def rests_s(store: RedisTokens, secret: str) -> int:
        """Return for how long a process that came later is told that nobody tries."""
        held = HeldTokens(SecretStr(""), None, SecretStr(secret))
        for _ in range(2):
            with pytest.raises(AuthenticationError) as raised:
                await store.renewed("a", held, refresh, now=time.time)
        assert raised.value.outcome is Outcome.NOT_SENT
        said = re.search(r"not be for ([0-9.]+) s;", str(raised.value))
        assert said is not None
        left_ms: int = (await told(redis))["refused"][1]
        assert left_ms / 1000 <= float(said[1]) + 0.1
        return -(-left_ms // 10_000) * 10

    async with RedisTokens(redis.url, name="e") as one, RedisTokens(redis.url, name="e") as other:
        seen = []
        for store in (one, other, one, other):
            seen.append(await rests_s(store, "first"))
            await redis.say("DEL", "{networkpype:e:a}:refused")  # as its end does
        assert seen == [10, 60, 600, 600]
        assert asked == ["first"] * 4
        # Each refresh token has a count of its own, and the counts end by themselves too.
        assert await rests_s(one, "second") == 10
        counted, left_ms = (await told(redis))["refusals"]
        assert sorted(counted.values()) == ["1", "4"]
        assert "first" not in str(counted)
        assert 86_000_000 < left_ms <= 86_400_000


async def test_a_hiccup_of_the_exchange_ends_with_its_rest(redis: OwnRedis) -> None:
    is_down, asked = True, 0

    async def refresh(latest: HeldTokens) -> HeldTokens:
        nonlocal asked
        asked += 1
        if is_down:
            raise HTTPStatusError("a gateway's", status=401)
        return HeldTokens(SecretStr("access"), None, SecretStr("next"))

    async def is_over() -> bool:
        return "refused" not in await told(redis)

    held = HeldTokens(SecretStr(""), None, SecretStr("first"))
    async with RedisTokens(redis.url, name="e") as one, RedisTokens(redis.url, name="e") as other:
        with pytest.raises(HTTPStatusError):
            await one.renewed("a", held, refresh, now=time.time)
        is_down = False
        with pytest.raises(HTTPStatusError, match="was not tried again"):
            await other.renewed("a", held, refresh, now=time.time)
        assert asked == 1
        # All but 50 ms of its rest pass.
        await redis.say("PEXPIRE", "{networkpype:e:a}:refused", 50)
        await until(is_over)
        got = await other.renewed("a", held, refresh, now=time.time)
    assert got.access.get_secret_value() == "access"
    assert asked == 2
    assert await redis.say("KEYS", "*:refus*") == []


class Held:
    """Has the exchange wait before it refreshes."""

    def __init__(self, venue: MockETHGas) -> None:
        self.asked, self.may = asyncio.Event(), asyncio.Event()
        self._found = venue._routes.find("POST", REFRESH)
        venue.add_endpoint("POST", REFRESH, self._wait, self._found.access)

    async def _wait(self, request: ReceivedRequest) -> Any:
        self.asked.set()
        await self.may.wait()
        return self._found.handler(request)


async def test_a_refresh_that_outlives_its_lease_is_given_up(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    held, began = Held(venue), time.monotonic()
    async with Account(venue, redis, fresh_only(venue), lease_s=0.5) as one:
        with pytest.raises(RequestTimeoutError, match=r"within its lease, 0\.5 s") as caught:
            await one.dial()
        assert caught.value.outcome is Outcome.UNKNOWN
        assert time.monotonic() - began < 3
    held.may.set()


async def test_who_waits_too_long_is_told(venue: MockETHGas, redis: OwnRedis) -> None:
    held = Held(venue)
    async with (
        Account(venue, redis, fresh_only(venue)) as one,
        Account(venue, redis, fresh_only(venue), wait_s=0.3) as two,
    ):
        dialing = asyncio.create_task(one.dial())
        await held.asked.wait()
        with pytest.raises(SharedTokenError, match=r"at it for 0\.3 s"):
            await two.dial()
        held.may.set()
        assert await dialing == await two.dial()
    assert refreshes(venue) == 1


async def test_who_is_cancelled_leaves_the_refresh_to_go_on(
    venue: MockETHGas, redis: OwnRedis
) -> None:
    held = Held(venue)
    async with (
        Account(venue, redis, fresh_only(venue)) as one,
        Account(venue, redis, fresh_only(venue)) as two,
    ):
        dialing = asyncio.create_task(one.dial())
        await held.asked.wait()
        dialing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialing
        held.may.set()
        assert await two.dial() == await one.dial()
    assert refreshes(venue) == 1


async def test_the_store_itself_cancelled_gives_up_its_seat(redis: OwnRedis) -> None:
    store = RedisTokens(redis.url, name="e")
    held = HeldTokens(*_texts("", "r0"))
    begun = asyncio.Event()

    async def forever(latest: HeldTokens) -> HeldTokens:
        begun.set()
        await asyncio.Event().wait()
        return latest

    task = asyncio.create_task(store.renewed("a", held, forever, now=time.time))
    await begun.wait()
    assert "refresher" in await told(redis)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await told(redis) == {}
    await store.close()


async def test_who_lost_its_seat_keeps_nothing_over_what_came_after(redis: OwnRedis) -> None:
    one, two = RedisTokens(redis.url, name="e"), RedisTokens(redis.url, name="e")
    held = HeldTokens(*_texts("", "r0"))

    async def prompt(latest: HeldTokens) -> HeldTokens:
        return HeldTokens(*_texts("a1", "r1"))

    async def overtaken(latest: HeldTokens) -> HeldTokens:
        await redis.say("DEL", "{networkpype:e:a}:refresher")  # as its end does
        await two.renewed("a", held, prompt, now=time.time)
        return HeldTokens(*_texts("late", "late"))

    taken = await one.renewed("a", held, overtaken, now=time.time)
    assert taken.access.get_secret_value() == "a1"
    assert taken.refresh.get_secret_value() == "r1"
    assert (await told(redis))["access"][0]["access"] == "a1"
    await one.close()
    await two.close()


async def test_no_token_is_shown(
    venue: MockETHGas, redis: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """In no repr, text, log, or local variable of a frame that an error came through."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    async with Account(venue, redis, fresh_only(venue), timeout_s=0.3, lease_s=0.5) as one:
        await one.dial()
        tokens = one.tokens
        secrets = {tokens.access, tokens.refresh, venue.credentials.reveal("secret")}
        secrets |= {venue.credentials.reveal("key")}
        shown += map(repr, (one.store, tokens, tokens._held(), one.auth, one.auth.identity))
        breaking(venue, redis)
        shown.append(await failing(one))
        tokens.spend(tokens.access)
        shown.append(await failing(one))
        secrets |= {tokens.access, tokens.refresh}
        await redis.start()
        key = next(iter(await redis.say("KEYS", "*")), None)
        assert key is None
        account = tokens._account
        broken = ["access", tokens.access + "2", "gen", "9", "life", "1", "expires", "none"]
        await redis.say("HSET", f"{{networkpype:e:{account}}}:access", *broken)
        await redis.say("PEXPIRE", f"{{networkpype:e:{account}}}:access", 100_000)
        shown.append(await failing(one))
    shown += [record.getMessage() for record in caplog.records]
    assert len(secrets) == 6
    assert [text.count("SharedTokenError") > 0 for text in shown[5:8]] == [True] * 3
    assert [text for text in shown for each in secrets if each in text] == []


async def failing(account: Account) -> str:
    """Renew in vain; no local variable here holds a token."""
    try:
        await account.renew()
    except SharedTokenError as error:
        return in_full(error)
    raise AssertionError("it did not fail")


def in_full(error: BaseException) -> str:
    """Return the error with its traceback and all local variables, that of its contexts too."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format())


def test_held_tokens_do_not_travel() -> None:
    held = HeldTokens(*_texts("planted-access", "planted-refresh"))
    assert "planted" not in repr(held)
    with pytest.raises(TypeError, match="do not pickle"):
        pickle.dumps(held)


def _texts(access: str, refresh: str) -> Sequence[Any]:
    from pydantic import SecretStr

    return SecretStr(access), None, SecretStr(refresh)


@pytest.mark.parametrize("options", [{"lease_s": 0}, {"wait_s": True}, {"refresh_lifetime_s": "1"}])
def test_a_span_that_is_none(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))} is seconds above 0"):
        RedisTokens("redis://127.0.0.1:1", name="e", **options)


def test_a_name_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="without braces"):
        RedisTokens("redis://127.0.0.1:1", name="{e}")


async def test_an_identity_without_a_store_asks_none() -> None:
    tokens = AccessTokens("a", "r")
    asked: list[int] = []

    async def renew() -> None:
        asked.append(os.getpid())
        tokens.take("b", expires_at=5.0)

    await tokens.renewed(renew)
    assert (tokens.access, tokens.expires_at, len(asked)) == ("b", 5.0, 1)
