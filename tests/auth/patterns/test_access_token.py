"""The login with a token that is refreshed; ETHGas's frames are in its own test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype.auth.access_tokens import AccessTokens
from networkpype.auth.patterns.access_token import AccessTokenLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import AuthenticationError, ConfigurationError, RequestTimeoutError
from tests.support.by_hand import Answers
from tests.support.logins import frame_of, pattern_of
from tests.support.vectors import Clock

LOGIN = AccessTokenLogin(
    url="wss://h.example/", refresh_url="https://h.example/refresh", lifetime_s=1000
)


def login(clock: Clock, **fields: str) -> AccessTokenLogin:
    auth = SchemeAuth(
        Credentials(**fields),
        pattern=LOGIN,
        time_provider=clock,  # type: ignore[arg-type]
    )
    pattern = pattern_of(auth)
    assert isinstance(pattern, AccessTokenLogin)
    return pattern


async def test_a_token_is_dialed_with_until_a_fifth_of_its_life_is_left() -> None:
    clock = Clock(1700000000000)
    pattern = login(clock, secret="refresh")
    rest = Answers(*({"data": {"accessToken": f"t{n}"}} for n in range(3)))
    for later_s, token in ((0, "t0"), (799, "t0"), (2, "t1"), (1001, "t2")):
        clock.ms += later_s * 1000
        dialed = await pattern.pre_auth(rest)
        assert dialed.headers["Authorization"] == f"Bearer {token}"
    assert len(rest.calls) == 3


async def test_a_refresh_that_fails_keeps_the_old_token() -> None:
    clock = Clock(1700000000000)
    pattern = login(clock, key="old", secret="refresh")
    await pattern.pre_auth(None)
    frame_of(pattern)
    assert "old" not in str(vars(pattern))
    rest = Answers(RequestTimeoutError("late"), {"data": {"accessToken": "new"}})
    with pytest.raises(RequestTimeoutError):
        await pattern.renew(rest)
    assert pattern.tokens.access == "old"
    assert (await pattern.renew(rest)).headers == {"Authorization": "Bearer new"}


async def test_a_wallet_alone_needs_a_login_of_wallets() -> None:
    pattern = login(Clock(0), wallet="0x" + "1" * 40, private_key="0x" + "1" * 64)
    with pytest.raises(ConfigurationError, match="refresh"):
        await pattern.pre_auth(Answers())


def test_each_account_has_tokens_of_its_own() -> None:
    one, two = (login(Clock(0), key=key) for key in ("one", "two"))
    assert AccessTokens.of(one.identity) is AccessTokens.of(one.identity)
    assert (one.tokens.access, two.tokens.access) == ("one", "two")


class Rotating:
    """Gives a new refresh token with each access token, refuses the old, and waits to be let."""

    def __init__(self) -> None:
        self.good = "refresh0"
        self.calls: list[str] = []
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def execute_request(self, *args: Any, **kwargs: Any) -> Any:
        used = kwargs["data"]["refreshToken"]
        self.calls.append(used)
        self.asked.set()
        is_good, self.good = used == self.good, f"refresh{len(self.calls)}"
        await self.may_answer.wait()
        if not is_good:
            return {"data": {"errorMsg": "used before"}}
        return {"data": {"accessToken": f"access{len(self.calls)}", "refreshToken": self.good}}


async def test_connections_of_one_account_share_a_refresh() -> None:
    one = login(Clock(1700000000000), secret="refresh0")
    two, rest = one.fresh(), Rotating()
    both = asyncio.gather(one.pre_auth(rest), two.pre_auth(rest))
    await rest.asked.wait()
    rest.may_answer.set()
    assert {dialed.headers["Authorization"] for dialed in await both} == {"Bearer access1"}
    assert rest.calls == ["refresh0"]
    # The next is made anew, by the token that came with the last.
    await two.renew(rest)
    assert rest.calls == ["refresh0", "refresh1"]


@pytest.mark.parametrize("others", [0, 1])
async def test_who_is_cancelled_leaves_the_refresh_to_go_on(others: int) -> None:
    one = login(Clock(1700000000000), secret="refresh0")
    rest = Rotating()
    leaves = asyncio.create_task(one.pre_auth(rest))
    stays = [asyncio.create_task(one.fresh().pre_auth(rest)) for _ in range(others)]
    await rest.asked.wait()
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    rest.may_answer.set()
    for each in (*(await asyncio.gather(*stays)), await one.fresh().pre_auth(rest)):
        assert each.headers["Authorization"] == "Bearer access1"
    assert rest.calls == ["refresh0"]


async def test_a_refresh_that_failed_is_told_to_all_and_not_kept() -> None:
    one = login(Clock(1700000000000), secret="stale")
    two, rest = one.fresh(), Rotating()
    rest.may_answer.set()
    results = await asyncio.gather(one.pre_auth(rest), two.pre_auth(rest), return_exceptions=True)
    assert [type(each) for each in results] == [AuthenticationError, AuthenticationError]
    assert rest.calls == ["stale"]
    rest.good = "stale"
    assert (await two.pre_auth(rest)).headers["Authorization"] == "Bearer access2"


@pytest.mark.parametrize("told", [-5, 0, float("nan"), "3600", None])
async def test_a_lifetime_that_makes_no_sense_counts_as_not_told(told: Any) -> None:
    pattern = login(Clock(1700000000000), secret="refresh0")
    rest = Answers({"data": {"accessToken": "access1", "expiresIn": told}})
    dialed = await pattern.pre_auth(rest)
    assert dialed.lifetime_s == LOGIN.lifetime_s


async def test_a_lifetime_beyond_all_measure_ends_nothing() -> None:
    pattern = login(Clock(1700000000000), secret="refresh0")
    rest = Answers({"data": {"accessToken": "access1", "expiresIn": 10**400}})
    lifetime_s = (await pattern.pre_auth(rest)).lifetime_s
    assert lifetime_s is not None
    assert lifetime_s > 1e9


async def test_a_refusal_shows_no_token_that_came_with_an_earlier_refresh() -> None:
    pattern = login(Clock(1700000000000), secret="refresh0")
    came = {"accessToken": "access-token-1", "refreshToken": "refresh-token-1"}
    refused = {"errorMsg": "refresh-token-1 of access-token-1 is used"}
    rest = Answers({"data": came}, {"data": refused})
    await pattern.pre_auth(rest)
    with pytest.raises(AuthenticationError, match=r": \*\*\* of \*\*\* is used$"):
        await pattern.renew(rest)
