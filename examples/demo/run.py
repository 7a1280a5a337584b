"""Run the demo to its end and judge it."""

from __future__ import annotations

import asyncio
import sys
import time

from examples.demo.screen import PlainScreen, Screen
from examples.demo.story import Story
from examples.demo.tally import Promise

__all__ = ["main", "play"]

DEADLINE_S = 29.0


def main(*, plain: bool = False) -> int:
    """Play the demo; return 0 if every promise was kept, 1 if one broke."""
    screen = choose_screen(plain=plain)
    started = time.monotonic()
    promises = asyncio.run(play(screen))
    screen.verdict(promises, time.monotonic() - started)
    return 0 if all(promise.kept for promise in promises) else 1


def choose_screen(*, plain: bool) -> Screen:
    """Return the live screen where rich is installed and this is a terminal, else plain lines."""
    if plain or not sys.stdout.isatty():
        return PlainScreen()
    try:
        from examples.demo.live import LiveScreen
    except ImportError:
        print("(pip install 'networkpype[rich]' shows this live)")
        return PlainScreen()
    return LiveScreen()


async def play(screen: Screen) -> list[Promise]:
    """Show the story on the screen while it runs, at most 29 s; an error is a broken promise."""
    story = Story()
    following = asyncio.create_task(screen.follow(story))
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await story.run()
    except Exception as error:
        cause = first_cause(error)
        shown = f"{type(cause).__name__}: {cause}"
        return [Promise(f"the demo runs to its end ({story.step})", False, shown)]
    finally:
        following.cancel()
        await asyncio.wait([following])


def first_cause(error: Exception) -> Exception:
    """Look into groups of errors, which name nothing themselves."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
