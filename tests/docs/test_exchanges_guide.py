"""The guide of exchanges says what they need and have, and what `networkpype sign` prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from networkpype.__main__ import main
from networkpype.exchanges import exchange, names

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "exchanges.md"


def rows() -> dict[str, tuple[str, str]]:
    """Return what the table says of each name: credentials and sandbox."""
    text = GUIDE.read_text(encoding="utf-8")
    table = text.partition("| name | credentials |")[2].partition("\n\n")[0]
    found: dict[str, tuple[str, str]] = {}
    for line in table.splitlines()[2:]:
        _, called, credentials, _, sandbox, _ = (cell.strip() for cell in line.split("|"))
        found |= dict.fromkeys(re.findall(r"`(.+?)`", called), (credentials, sandbox))
    return found


ROWS = rows()


def test_the_table_has_every_exchange_in_order() -> None:
    assert list(ROWS) == names()


@pytest.mark.parametrize("name", names())
def test_a_row_says_what_the_exchange_needs(name: str) -> None:
    told, found = ROWS[name][0], exchange(name)
    needed = {field for need in found.needs for field in need.split("|")}
    assert needed <= set(re.findall(r"`(.+?)`", told))
    assert bool(found.needs) or " or " in told


@pytest.mark.parametrize("name", names())
def test_a_row_says_whether_there_is_a_sandbox(name: str) -> None:
    sandbox = exchange(name).sandbox
    if sandbox is None:
        assert ROWS[name][1] == "no"
    else:
        assert ROWS[name][1] == ("yes" if sandbox.pattern is not None else "REST only")


def test_the_guide_shows_what_sign_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    [command] = re.findall(r"^networkpype (sign .+) --env OKX$", text, re.MULTILINE)
    shown = text.partition("```text\n")[2].partition("...\n```")[0]
    assert main([*command.split(), "--example", "--at", "1700000000"]) == 0
    assert shown
    assert capsys.readouterr().out.startswith(shown)


def test_the_readme_signs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^networkpype (sign .+)$", text, re.MULTILINE)
    assert main(command.split()) == 0
    assert "string to sign" in capsys.readouterr().out
