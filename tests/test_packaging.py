"""What a user installs, and what a fresh checkout needs."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import networkpype

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~\[;]", requirement)[0] for requirement in requirements}


def test_the_newest_version_of_the_changelog_is_the_package_s() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert versions[0] == networkpype.__version__


def test_the_version_is_written_in_one_place() -> None:
    assert PROJECT["dynamic"] == ["version"]
    source = ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{networkpype.__version__}"' in source.read_text(encoding="utf-8")


def test_the_only_run_time_dependencies_are_aiohttp_and_pydantic() -> None:
    assert PROJECT["dependencies"] == ["aiohttp>=3.14.3,<4", "pydantic>=2,<3"]


def test_every_extra_is_tested_in_the_dev_environment() -> None:
    extras = {name for extra in PROJECT["optional-dependencies"].values() for name in names(extra)}
    assert extras - names(PYPROJECT["dependency-groups"]["dev"]) == set()


def test_the_type_hints_are_shipped() -> None:
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["networkpype"]
    assert (ROOT / "networkpype" / "py.typed").is_file()


def test_the_command_exists() -> None:
    module, _, function = PROJECT["scripts"]["networkpype"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("target", ["demo", "test", "lint", "types", "docs", "bench", "help"])
def test_make_knows_the_target(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*## \w", makefile, re.MULTILINE)


def test_ci_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    steps = re.findall(r"^step (.+)$", text, re.MULTILINE)
    assert steps == ["make lint", "make types", "make docs"]
    # And all tests on the Python that a developer's environment has.
    assert '$apart make test "$@"' in text
    assert re.findall(r"^runs=(.+)$", text, re.MULTILINE) == [
        '("$default" VENV=.venv PYTHON= ARGS=)'
    ]


# Stand-ins that answer as an interpreter of that kind would.
WORKS = 'case "$*" in *version_info*) echo 3.12.1 ;; *"-m venv"*) mkdir -p "$4" ;; esac'
LACKS_VENV = 'case "$*" in *version_info*) echo 3.12.1 ;; *ensurepip*) exit 1 ;; esac'
TOO_OLD = 'case "$*" in *version_info*) echo 3.9.2; exit 1 ;; esac'
DEAD_SHIM = "exit 127"


def make_environment(
    folder: Path, pythons: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Let make create `venv` in the folder, where these are the only interpreters to be found."""
    for tool in ("cat", "mkdir"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    for name, script in pythons.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return subprocess.run(
        [str(shutil.which("make")), "-f", ROOT / "Makefile", "VENV=venv", "venv/.home", *arguments],
        cwd=folder,
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_takes_the_first_python_that_really_runs(tmp_path: Path) -> None:
    pythons = {"python3.13": DEAD_SHIM, "python3.12": TOO_OLD, "python3.11": LACKS_VENV}
    done = make_environment(tmp_path, {**pythons, "python3": WORKS, "python": WORKS})
    assert done.stdout == "creating venv with python3 (3.12.1)\n"
    assert done.returncode == 0


def test_make_takes_the_python_that_is_named(tmp_path: Path) -> None:
    pythons = {"python3.13": WORKS, "my python": WORKS}
    done = make_environment(tmp_path, pythons, "PYTHON=my python")
    assert done.stdout == "creating venv with my python (3.12.1)\n"


def test_make_says_how_to_get_the_missing_venv_module(tmp_path: Path) -> None:
    done = make_environment(tmp_path, {"python3": LACKS_VENV})
    assert "apt install python3.12-venv" in done.stderr
    assert done.returncode != 0


def test_make_says_which_pythons_it_looked_for(tmp_path: Path) -> None:
    done = make_environment(tmp_path, {"python3": TOO_OLD})
    assert "No Python 3.11 or newer runs here; tried: python3.13" in done.stderr
    assert done.returncode != 0
