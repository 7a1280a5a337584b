"""The generated reference shows every public name."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

import networkpype
from networkpype.auth.patterns import frame, inline
from networkpype.auth.schemes import draft
from networkpype.testing import virtual_time

ROOT = Path(__file__).parents[2]
SHOWN = {
    module
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for module in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
}
ROOMS = ("auth", "exchanges", "signing")
# For networkpype itself.
INSIDE = {
    "networkpype.auth.expiry",
    "networkpype.auth.login_steps",
    "networkpype.auth.setbacks",
}


def home_of(name: str) -> str:
    """Return the module that defines the name; an alias has no `__module__`, its import tells."""
    front_door = ast.parse(Path(networkpype.__file__).read_text(encoding="utf-8"))
    imported_from = {
        alias.name: str(node.module)
        for node in front_door.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    home = str(getattr(getattr(networkpype, name), "__module__", ""))
    return home if home.startswith("networkpype.") else imported_from[name]


@pytest.mark.parametrize("name", sorted({*networkpype.__all__} - {"__version__"}))
def test_the_reference_shows(name: str) -> None:
    assert home_of(name) in SHOWN


def test_the_reference_shows_every_module_that_is_imported_by_its_own_path() -> None:
    package = Path(networkpype.__file__).parent
    modules = {
        ".".join(("networkpype", *path.relative_to(package).with_suffix("").parts))
        for room in ROOMS
        for path in (package / room).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert modules - SHOWN == INSIDE


def test_the_reference_shows_the_loop_in_virtual_time() -> None:
    assert "networkpype.testing.virtual_time" in SHOWN
    assert "run_in_virtual_time" in virtual_time.__all__


@pytest.mark.parametrize(
    ("module", "name"), [(draft, "FIELDS"), (frame, "LOGIN_FIELDS"), (inline, "MESSAGE_FIELDS")]
)
def test_the_guide_names_every_field_of_a_template(module: ModuleType, name: str) -> None:
    assert name in module.__all__
    assert module.__name__ in SHOWN
    guide = (ROOT / "docs" / "guides" / "auth.md").read_text(encoding="utf-8")
    table = guide.partition("## What a template may name")[2].partition("\n## ")[0]
    assert (
        f"`{name}` in\n`{module.__name__}`" in table or f"`{name}` in `{module.__name__}`" in table
    )
    assert set(getattr(module, name)) <= set(re.findall(r"`(\w+)`", table))


def test_every_reference_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if page not in navigation} == set()
