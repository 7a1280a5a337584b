"""What an exchange does to its clients, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from networkpype.testing import Answer, MockCoinEx, MockETHGas

__all__ = ["FAULTS", "Fault"]

_BUSY_S = 1.0
_DOWN_S = 1.0


@dataclass(frozen=True)
class Fault:
    """One of them; `within_s` is how soon the connector has to be ready again."""

    name: str
    strike: Callable[[MockCoinEx, MockETHGas], Awaitable[None]]
    within_s: float
    hits_ethgas: bool = False


async def _cut(coinex: MockCoinEx, ethgas: MockETHGas) -> None:
    await coinex.drop_websockets(None)


async def _expire(coinex: MockCoinEx, ethgas: MockETHGas) -> None:
    await ethgas.expire()
    # CoinEx has a login and no token: it forgets who is there, and hangs up.
    await coinex.expire()
    await coinex.drop_websockets(4001, "the login has expired")


async def _mute(coinex: MockCoinEx, ethgas: MockETHGas) -> None:
    coinex.mute_websockets()


async def _be_busy(coinex: MockCoinEx, ethgas: MockETHGas) -> None:
    busy = {"code": 4213, "data": {}, "message": "rate limit triggered"}
    coinex.answer_all = Answer(busy, 429, {"Retry-After": "1"})
    await coinex.drop_websockets(None)
    await asyncio.sleep(_BUSY_S)
    coinex.answer_all = None


async def _restart(coinex: MockCoinEx, ethgas: MockETHGas) -> None:
    await coinex.drop_websockets(1012, "service restart")
    await coinex.close()
    await asyncio.sleep(_DOWN_S)
    await coinex.start()


# Each limit is the fault's own length, what heartbeat or Retry-After take, the longest back-off of
# the policy in `story`, and a second for login and subscriptions on a busy machine.
FAULTS = (
    Fault("cuts the line", _cut, within_s=1.5),
    Fault("expires the token", _expire, within_s=1.5, hits_ethgas=True),
    Fault("goes silent", _mute, within_s=3.0),
    Fault("answers 429", _be_busy, within_s=4.0),
    Fault("restarts", _restart, within_s=4.0),
)
