"""Run the connector: ``python -m examples.coinex`` against a mock, ``--live`` against CoinEx."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

from examples.coinex.connector import CoinEx
from networkpype import Credentials, MissingCredentialsError, NetworkpypeError, Ready
from networkpype.exchanges import exchange
from networkpype.testing import MockCoinEx


async def show(connector: CoinEx, seconds: float, *, trade: bool) -> None:
    """Print what is heard for so long; on a mock, place and cancel an order as well."""
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline, contextlib.aclosing(connector.stream()) as stream:
            async for item in stream:
                print(item, flush=True)
                if trade and isinstance(item, Ready):
                    trade = False
                    order_id = await connector.rest.place("BTCUSDT", "buy", "25000.50", "0.01")
                    await connector.rest.cancel("BTCUSDT", order_id)
    except TimeoutError:
        if not deadline.expired():
            raise


async def run_on_mock(seconds: float) -> None:
    """Listen to an exchange on this machine, and trade there."""
    async with MockCoinEx() as venue:
        target = exchange("coinex").at(venue.url, venue.ws_url)
        async with CoinEx(venue.credentials, target=target) as connector:
            await show(connector, seconds, trade=True)


async def run_live(seconds: float, markets: list[str]) -> None:
    """Listen to CoinEx; with keys in the environment to the account as well. No order is placed."""
    try:
        credentials = Credentials.from_env("COINEX")
    except MissingCredentialsError as error:
        print(f"public data only: {error}")
        credentials = None
    async with CoinEx(credentials, markets) as connector:
        await show(connector, seconds, trade=False)


def main() -> int:
    """Read the arguments and run; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.coinex", description=__doc__)
    parser.add_argument(
        "--live",
        action="store_true",
        help="CoinEx itself, with COINEX_KEY and COINEX_SECRET of the environment",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (10)")
    parser.add_argument("markets", nargs="*", default=["BTCUSDT"], help="of --live (BTCUSDT)")
    options = parser.parse_args()
    run = (
        run_live(options.seconds, options.markets) if options.live else run_on_mock(options.seconds)
    )
    try:
        asyncio.run(run)
    except NetworkpypeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
