"""Run the connector: ``python -m examples.ethgas`` against a mock, ``--live`` against ETHGas."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

from examples.ethgas.connector import ETHGas
from networkpype import Credentials, NetworkpypeError, Ready
from networkpype.exchanges import exchange
from networkpype.testing import MockETHGas


async def show(connector: ETHGas, seconds: float, *, trade: bool) -> None:
    """Print what is heard for so long; on a mock, place and cancel an order as well."""
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline, contextlib.aclosing(connector.stream()) as stream:
            async for item in stream:
                print(item, flush=True)
                if trade and isinstance(item, Ready):
                    trade = False
                    order_id = await connector.place(12_345_680, ["0x" + "0" * 64], 1_000_000_000)
                    await connector.cancel(order_id)
    except TimeoutError:
        if not deadline.expired():
            raise


async def run_on_mock(seconds: float) -> None:
    """Listen to an exchange on this machine, trade there, and see its token end half way."""
    async with MockETHGas() as venue:
        target = exchange("ethgas").at(venue.url, venue.ws_url)
        async with ETHGas(venue.credentials, target=target) as connector:
            expiring = asyncio.create_task(expire_after(venue, seconds / 2))
            try:
                await show(connector, seconds, trade=True)
            finally:
                expiring.cancel()


async def expire_after(venue: MockETHGas, seconds: float) -> None:
    """End the access token."""
    await asyncio.sleep(seconds)
    await venue.expire()


async def run_live(seconds: float, markets: list[str], *, sandbox: bool) -> None:
    """Listen to ETHGas, with the keys of the environment. No order is placed."""
    credentials = Credentials.from_env("ETHGAS")
    target = exchange("ethgas", sandbox=sandbox)
    async with ETHGas(credentials, markets, target=target) as connector:
        await show(connector, seconds, trade=False)


def main() -> int:
    """Read the arguments and run; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.ethgas", description=__doc__)
    parser.add_argument(
        "--live",
        action="store_true",
        help="ETHGas itself, with ETHGAS_KEY (access token) and ETHGAS_SECRET (refresh token), or "
        "ETHGAS_WALLET and ETHGAS_PRIVATE_KEY, of the environment",
    )
    parser.add_argument("--testnet", action="store_true", help="its test network instead")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (10)")
    parser.add_argument("markets", nargs="*", default=["ETH-USD"], help="of --live (ETH-USD)")
    options = parser.parse_args()
    if options.live or options.testnet:
        run = run_live(options.seconds, options.markets, sandbox=options.testnet)
    else:
        run = run_on_mock(options.seconds)
    try:
        asyncio.run(run)
    except NetworkpypeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
