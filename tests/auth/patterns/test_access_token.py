"""The login with a token that is refreshed; ETHGas's frames are in its own test."""

from __future__ import annotations

import pytest

from networkpype.auth.access_tokens import AccessTokens
from networkpype.auth.patterns.access_token import AccessTokenLogin
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, RequestTimeoutError
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
