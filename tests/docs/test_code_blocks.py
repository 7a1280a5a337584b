"""Every Python block of the README and the documentation runs, and the harness that says so works.

What an author of a page has to know stands at the top of `tests/support/code_blocks.py`.
"""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support import code_blocks
from tests.support.code_blocks import PageError, blocks_of, run_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.usefixtures("example_host")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_every_block_of_the_page_runs_as_written(page: Path) -> None:
    try:
        # In a thread, for the page has its own loop while the mock exchange serves on this one.
        await asyncio.to_thread(run_page, page)
    except PageError as error:
        # pytest's own traceback would show the whole page, once for each frame.
        cause = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
        pytest.fail(f"{error}\n\n{cause}", pytrace=False)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_every_guide_shows_code_that_runs(guide: Path) -> None:
    assert blocks_of(guide)


def test_the_quickstart_has_at_most_ten_lines() -> None:
    quickstart = blocks_of(ROOT / "README.md")[0]
    lines = [line for line in quickstart.source.splitlines() if line.strip()]
    assert 0 < len(lines) <= 10


def page_of(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(dedent(text), encoding="utf-8")
    return page


def test_blocks_share_a_namespace_and_a_loop(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        """\
        ```python
        import asyncio

        loop = asyncio.get_running_loop
        first = [await asyncio.sleep(0, result=loop())]
        ```

        ```text
        this is no program
        ```

        ```python title="later"
        assert first == [await asyncio.sleep(0, result=loop())]
        ```
        """,
    )
    assert run_page(page) == 2


def test_a_block_without_await_may_run_a_loop_of_its_own(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        """\
        ```python
        import asyncio

        async def main() -> None:
            global done
            done = True

        asyncio.run(main())
        ```
        ```python
        assert await asyncio.sleep(0, result=done)
        ```
        """,
    )
    assert run_page(page) == 2


def test_a_dataclass_in_a_page_finds_its_module(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        """\
        ```python
        from __future__ import annotations
        from dataclasses import dataclass, fields
        from typing import ClassVar, get_type_hints

        @dataclass
        class Order:
            side: str
            known: ClassVar[int] = 1

        assert [field.name for field in fields(Order)] == ["side"]
        assert get_type_hints(Order)["side"] is str
        ```
        """,
    )
    assert run_page(page) == 1


@pytest.mark.parametrize(
    ("block", "line", "message"),
    [
        ("a = 1\nb = a / 0", 5, "ZeroDivisionError: division by zero"),
        ("import asyncio\nawait asyncio.sleep(0)\nassert 1 == 2", 6, "AssertionError"),
        ("a = 1\n\nb = = 2", 6, "SyntaxError"),
        ("def fail():\n    raise KeyError('x')\n\nfail()", 5, "KeyError: 'x'"),
    ],
    ids=["plain", "awaiting", "syntax", "in a function"],
)
def test_a_failure_is_reported_with_its_file_and_line(
    tmp_path: Path, block: str, line: int, message: str
) -> None:
    page = page_of(tmp_path, f"# A page\n\n```python\n{block}\n```\n")
    with pytest.raises(PageError) as caught:
        run_page(page)
    assert str(caught.value).startswith(f"{page}:{line}: {message}")


def test_a_block_that_never_ends_fails_at_the_line_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_blocks, "BLOCK_TIMEOUT_S", 0.0)
    page = page_of(tmp_path, "```python\nimport asyncio\nawait asyncio.Event().wait()\n```\n")
    with pytest.raises(PageError, match=r"page\.md:3: TimeoutError"):
        run_page(page)


def test_an_indented_block_is_run_without_its_indent(tmp_path: Path) -> None:
    page = page_of(tmp_path, "!!! note\n\n    ```python\n    if True:\n        1 / 0\n    ```\n")
    with pytest.raises(PageError, match=r"page\.md:5: ZeroDivisionError"):
        run_page(page)


def test_a_fence_within_a_longer_fence_is_text(tmp_path: Path) -> None:
    page = page_of(tmp_path, "````text\n```python\n1 / 0\n```\n````\n```python\na = 1\n```\n")
    assert [block.source for block in blocks_of(page)] == ["a = 1"]


def test_an_expected_error_is_required(tmp_path: Path) -> None:
    fails = "<!-- test: expect LookupError -->\n\n```python\n{}['x']\n```\n"
    assert run_page(page_of(tmp_path, fails)) == 1

    passes = fails.replace("{}['x']", "pass")
    with pytest.raises(PageError, match=r"page\.md:4: expected LookupError, nothing was raised"):
        run_page(page_of(tmp_path, passes))

    fails_otherwise = fails.replace("{}['x']", "1 / 0")
    with pytest.raises(PageError, match=r"page\.md:4: expected LookupError, got ZeroDivision"):
        run_page(page_of(tmp_path, fails_otherwise))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- test: skip it is slow -->\n```python\npass\n```\n", 'no directive "skip'),
        ("<!-- test: expect OSError -->\nSome words.\n", "stands right before a block"),
        ("<!-- test: expect OSError -->\n```text\nx\n```\n", "before a ```python block"),
        ("```pycon\n>>> 1\n1\n```\n", "fence it as ```python"),
    ],
    ids=["skip", "dangling", "before text", "another name of Python"],
)
def test_nothing_escapes_the_run(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PageError, match=message):
        blocks_of(page_of(tmp_path, text))
