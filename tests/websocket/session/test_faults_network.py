"""A link that goes down, for real: needs root and network namespaces (F27, F47)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from networkpype.retry import Backoff
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.events import Disconnected, Ready
from networkpype.websocket.session.redial import Reconnect
from tests.support.lag import LoopLag
from tests.support.stage import topics, watched

_SERVER = """
import asyncio, sys
from tests.support.stage import Stage

async def main():
    async with Stage(host=sys.argv[1]) as stage:
        print(stage.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def another_machine() -> Iterator[tuple[str, str, str]]:
    """Give namespace, link and address; skip where that is not allowed."""
    if sys.platform != "linux" or shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs Linux, root and iproute2, for a network namespace")
    space, link, net = f"np{os.getpid()}", f"npl{os.getpid()}", f"10.255.{os.getpid() % 256}"
    try:
        ip("netns", "add", space)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs a network namespace: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", link, "type", "veth", "peer", "name", "far", "netns", space)
        ip("address", "add", f"{net}.1/30", "dev", link)
        ip("link", "set", link, "up")
        ip("-n", space, "address", "add", f"{net}.2/30", "dev", "far")
        ip("-n", space, "link", "set", "far", "up")
        yield space, link, f"{net}.2"
    finally:
        with suppress(subprocess.CalledProcessError):
            ip("link", "delete", link)
        ip("netns", "delete", space)


@pytest.mark.parametrize("end", ["near", "far"], ids=["F27-our-link-down", "F27-their-link-down"])
async def test_a_link_that_is_down_is_found_in_time_and_comes_back(end: str) -> None:
    """F27: 0.6 s of silence at most, and 10 % of it; F47: ready again once it is up.

    Where our own end is down the kernel says so to new dials; where theirs is, nobody does.
    """
    with another_machine() as (space, link, host):
        which = [link] if end == "near" else ["-n", space, "far"]

        def turn(state: str) -> None:
            *there, name = which
            ip(*there, "link", "set", name, state)

        server = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", space, sys.executable, "-c", _SERVER, host),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        try:
            assert server.stdout is not None
            url = (await server.stdout.readline()).decode().strip()
            async with watched(
                url,
                subscriptions=topics("a"),
                heartbeat=Heartbeat(ping_s=0.4),
                reconnect=Reconnect(backoff=Backoff(0.1, 1.0, 0.1), most_dials=1000),
                dial_timeout_s=0.3,
            ) as seen:
                await seen.until(lambda: seen.of(Ready))
                now = asyncio.get_running_loop().time
                turn("down")
                began = now()
                with LoopLag() as lag:
                    await seen.until(lambda: seen.of(Disconnected))
                assert now() - began < 0.6 * 1.1 + 2 * lag.worst_s + 0.05
                assert seen.of(Disconnected)[0].code == 1006
                turn("up")
                await seen.until(lambda: len(seen.of(Ready)) == 2)
        finally:
            server.kill()
            await server.communicate()
