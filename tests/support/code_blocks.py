"""Run the Python of a Markdown page, top to bottom, as its reader would.

What an author of a page has to know:

- Every block fenced as ```` ```python ```` runs. What cannot run is fenced as ```` ```text ````.
- The blocks of a page share one namespace and one event loop. A block may `await` at top level;
  one that does not runs outside the loop, as a script does: `asyncio.run(main())` works as well.
- The address is `https://api.example.com` and `wss://api.example.com/ws`, the key `your-api-key`,
  the secret `your-api-secret`; a mock exchange answers (see `example_host.py`).
- A block that is meant to fail has `<!-- test: expect SomeError -->` on a line before its fence;
  `SomeError` is the error's class or one of its bases. There is no way to skip a block.
- What is opened must be closed, and a block has ten seconds.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

BLOCK_TIMEOUT_S = 10.0

_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
_DIRECTIVE = re.compile(r"^\s*<!--\s*test:\s*(?P<text>.*?)\s*-->\s*$")
_NOT_RUN = {"py", "python3", "pycon", "ipython", "py3"}


class PageError(AssertionError):
    """A page says what is not so; the message begins with `file:line`."""


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line of code, counted from 1."""

    page: Path
    line: int
    source: str
    expects: str | None = None


def blocks_of(page: Path) -> list[Block]:
    """Return the page's Python blocks; `PageError` for a fence or directive that would not run."""
    blocks: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    expects: str | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if directive := _DIRECTIVE.match(line):
            if expects is not None:
                raise PageError(f"{page}:{number}: a second directive before the block")
            expects = _expected(page, number, directive["text"])
            continue
        fence = _FENCE.match(line)
        if fence is None:
            if line.strip() and expects is not None:
                raise PageError(f"{page}:{number}: a test directive stands right before a block")
            continue
        end = _end_of(fence, lines, number)
        if fence["language"] in _NOT_RUN:
            raise PageError(f"{page}:{number}: fence it as ```python, so that it is run")
        if fence["language"] == "python":
            indent = len(fence["indent"])
            source = "\n".join(
                text[indent:] if text[:indent].isspace() else text for text in lines[number:end]
            )
            blocks.append(Block(page, number + 1, source, expects))
        elif expects is not None:
            raise PageError(f"{page}:{number}: a test directive stands before a ```python block")
        expects = None
        number = end + 1
    return blocks


def run_page(page: Path) -> int:
    """Run the page's blocks in order and return how many there were; `PageError` at the first lie.

    Call it from a thread that runs no event loop.
    """
    blocks = blocks_of(page)
    module = ModuleType(f"page_{page.stem}")
    # Dataclasses and pydantic look the names in their annotations up in the class's module.
    sys.modules[module.__name__] = module
    try:
        with asyncio.Runner() as runner:
            for block in blocks:
                _run_block(block, module.__dict__, runner)
    finally:
        del sys.modules[module.__name__]
    return len(blocks)


def _expected(page: Path, number: int, text: str) -> str:
    match text.split():
        case ["expect", name]:
            return name
    raise PageError(f'{page}:{number}: no directive "{text}"; there is only "expect SomeError"')


def _end_of(fence: re.Match[str], lines: list[str], start: int) -> int:
    closing = re.compile(rf"^ *{re.escape(fence['marks'][0])}{{{len(fence['marks'])},}}\s*$")
    for index in range(start, len(lines)):
        if closing.match(lines[index]):
            return index
    return len(lines)


def _run_block(block: Block, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    error: Exception | None = None
    try:
        code = _compile(block)
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(_within_time(eval(code, namespace)))
        else:
            exec(code, namespace)
    except Exception as raised:
        error = raised
    if block.expects is None:
        if error is not None:
            raise PageError(f"{_where(block, error)}: {_describe(error)}") from error
        return
    if error is None:
        raise PageError(f"{block.page}:{block.line}: expected {block.expects}, nothing was raised")
    if block.expects not in {base.__name__ for base in type(error).__mro__}:
        raise PageError(
            f"{_where(block, error)}: expected {block.expects}, got {_describe(error)}"
        ) from error


def _compile(block: Block) -> CodeType:
    # Leading newlines give every traceback the page's own line numbers.
    source = "\n" * (block.line - 1) + block.source
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(source, str(block.page), "exec", flags=flags, dont_inherit=True)
    return code


async def _within_time(block: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(BLOCK_TIMEOUT_S):
        await block


def _where(block: Block, error: BaseException | None) -> str:
    line = block.line
    if isinstance(error, SyntaxError) and error.filename == str(block.page):
        return f"{block.page}:{error.lineno or line}"
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(block.page)]
        if lines:
            return f"{block.page}:{lines[-1]}"
        # The deadline's TimeoutError never passed the page; the cancellation behind it did.
        error = error.__cause__
    return f"{block.page}:{line}"


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
