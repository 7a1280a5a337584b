"""Signals to the process in each state (F49)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from tests.support.stage import Guest, Script, Stage, serving

_PROGRAM = """
import asyncio, logging, signal, sys
logging.getLogger("networkpype").addHandler(logging.NullHandler())  # it warns of what is cut
from networkpype import AsyncThrottler, ConnectionManagersFactory
from networkpype.retry import Backoff
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.subscriptions import Subscription

async def main():
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 60  # a busy machine is nothing to complain of
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    factory = ConnectionManagersFactory(AsyncThrottler([]))
    waits = Reconnect(backoff=Backoff(100.0, 1.0, 100.0, jitter=lambda: 1.0))
    async with factory, factory.get_ws_session(
        sys.argv[1], subscriptions=[Subscription("a", MethodSubscribe())],
        reconnect=waits, close_timeout_s=0.3, dial_timeout_s=60,
    ) as session:
        async for item in session:
            print(type(item).__name__, flush=True)

try:
    asyncio.run(main())
except (KeyboardInterrupt, asyncio.CancelledError) as error:
    print("left by", type(error).__name__)
"""


async def deaf(guest: Guest) -> None:
    await guest.enter()
    guest.pause_reading()
    await asyncio.Event().wait()


async def stalled(guest: Guest) -> None:
    await guest.read_head()
    await guest.read_end()


async def not_answering(guest: Guest) -> None:
    await guest.upgrade()
    await guest.hear()
    await guest.read_end()


async def leaving(guest: Guest) -> None:
    await guest.upgrade()


STATES: dict[str, tuple[Script, str]] = {
    "dialing": (stalled, ""),
    "subscribing": (not_answering, "Connected"),
    "ready": (serving, "Ready"),
    "ready-deaf-peer": (deaf, "Ready"),
    "backing-off": (leaving, "Gap"),
}


async def signalled(state: str, number: signal.Signals) -> None:
    script, told = STATES[state]
    async with Stage(script) as stage:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-W", "error", "-c", _PROGRAM, stage.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                while told and (line := await process.stdout.readline()) != f"{told}\n".encode():
                    assert line, f"{state}: ended before"
                while not stage.connections:  # noqa: ASYNC110 - the other process opens it
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.05)
                began = time.monotonic()
                process.send_signal(number)
                out, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        by = "KeyboardInterrupt" if number is signal.SIGINT else "CancelledError"
        assert (process.returncode, complaints.decode()) == (0, ""), state
        assert out.decode().endswith(f"left by {by}\n"), state
        assert time.monotonic() - began < 0.3 + 3.0, state  # of which the interpreter's own end


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["F49-INT", "F49-TERM"])
async def test_a_signal_in_each_state_ends_the_process_cleanly(number: signal.Signals) -> None:
    """F49: nothing on stderr in development mode: no task, socket or session was left behind."""
    ends = (signalled(state, number) for state in STATES)
    for failure in await asyncio.gather(*ends, return_exceptions=True):
        if failure is not None:
            raise failure
