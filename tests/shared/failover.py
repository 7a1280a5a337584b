"""One play for every kind of failover: what was counted last is lost, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from networkpype.errors import AuthenticationError
from tests.shared.own_cluster import until
from tests.shared.traffic import UNITS, Counting, Renewing, Traffic

__all__ = ["INTERVAL_S", "play_failover"]

INTERVAL_S = 4.0  # longer than a failover takes, or what is lost would not count any more


async def play_failover(
    client: Callable[[], Any],
    name: str,
    account: str,
    cut_off: Callable[[], Awaitable[None]],
    kill: Callable[[], None],
) -> None:
    """Use limits, nonces and tokens through a failover, and look at what came of them.

    `cut_off` keeps the replica from what is written from then on, `kill` ends the server that all
    used.
    """
    nonces, tokens = Counting(client, name), Renewing(client, name, account)
    async with Traffic(client, name, INTERVAL_S) as traffic:
        given = await nonces.take(0, 2) + await nonces.take(1, 2)
        assert [await tokens.renew(0), await tokens.renew(1)] == ["access 1"] * 2
        traffic.allow(2, 0, 1, 2)
        await traffic.all_done()
        await cut_off()
        given += await nonces.take(0, 20)
        assert await tokens.renew(0) == "access 2"
        traffic.allow((UNITS - 6) // 2, 0, 1)  # none of which the replica knows
        await traffic.all_done()
        traffic.allow(UNITS, 2)  # nor does who asks first then
        kill()
        # Whoever comes first then knows of none that were given last.
        given += await nonces.take(2, 3) + await nonces.take(1, 3) + await nonces.take(0, 3)
        # The refresh token that was lost is known to one of the two alone.
        with pytest.raises(AuthenticationError):
            await tokens.renew(1)
        assert [await tokens.renew(0), await tokens.renew(1)] == ["access 3"] * 2
        assert tokens.tried == [f"refresh {n}" for n in (0, 1, 1, 2)]
        await until(lambda: traffic.is_back)
        await traffic.all_done()
        await traffic.finish()
    await nonces.close()
    await tokens.close()
    assert traffic.most_in_a_window <= UNITS
    assert traffic.begun == traffic.ended == len(traffic.arrived)
    assert traffic.changes == [["LimitStoreLost", "LimitStoreRestored"]] * 3
    assert traffic.forgot
    assert given == sorted(set(given))
