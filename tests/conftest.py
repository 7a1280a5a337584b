"""What holds for every test: nothing outlives it, and hypothesis repeats itself in CI."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from tests.support.canary import Watch

pytest_plugins = ["tests.support.example_host"]

# No deadline: a shared machine's hiccup is no bug. In CI a failure must be the change's own doing.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "ci-again",
    settings.get_profile("ci"),
    max_examples=settings.get_profile("ci").max_examples // 4,
)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_CYCLES = 5
"""Turns of the loop that a cancelled task or a closed transport gets to finish."""


_FREEZE_EVERY = 500
"""Tests between two freezes."""

_started = pytest.StashKey["itertools.count[int]"]()

_watch = Watch()
"""Hears every log record of the run, whatever test it comes from."""


def pytest_configure() -> None:
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    root.addHandler(_watch)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where a planted secret or one of the vectors' was logged."""
    logging.getLogger().removeHandler(_watch)
    if _watch.leaks and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _watch.leaks:
        terminalreporter.section("secrets in the log", red=True)
        for leak in _watch.leaks:
            terminalreporter.write_line(leak)


def pytest_collection_finish() -> None:
    """Undo what an oracle's import did (py_ecc): it raises the recursion limit to 100,000.

    That is more than the stack of CPython 3.11 bears.
    """
    sys.setrecursionlimit(1000)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Put what stays out of the collector's sight now and then: a collection takes 1 ms then.

    Imports, reports and caches only grow; a collection that walks them all takes 60 ms at the end.
    What a test makes itself is never frozen while it lives, and all is looked at again each time.
    """
    order = item.session.stash.setdefault(_started, itertools.count())
    if next(order) % _FREEZE_EVERY == 0:
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def pytest_unconfigure() -> None:
    """Let pytest's own last collection see everything."""
    gc.unfreeze()


@pytest.fixture
def _collect_after_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if _is_async(request.node):
        gc.collect()


@pytest.fixture(autouse=True)
def nothing_outlives_an_async_test(
    request: pytest.FixtureRequest, _collect_after_the_loop: None
) -> None:
    """Fail an async test that leaves a task, socket or session behind.

    A leaked socket warns when the collector finds it; collecting after the loop was closed makes
    the warning this test's error and not the next one's.
    """
    if _is_async(request.node):
        request.getfixturevalue("_no_task_outlives_the_test")


@pytest.fixture
async def _no_task_outlives_the_test() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(_CYCLES):
        leaked = {task for task in asyncio.all_tasks() - before if not task.done()}
        leaked.discard(asyncio.current_task())
        if not leaked:
            return
        await asyncio.sleep(0)
    lines = "\n".join(f"  {task!r}" for task in leaked)
    pytest.fail(f"{len(leaked)} task(s) still run after the test:\n{lines}", pytrace=False)


def _is_async(item: pytest.Item) -> bool:
    function = getattr(item, "function", None)
    # hypothesis wraps the coroutine function that it calls.
    function = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    return inspect.iscoroutinefunction(function)
