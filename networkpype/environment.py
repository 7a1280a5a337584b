"""What credentials are called in the environment, and in the tables of TOML files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["field_called", "is_quoted", "read_environment", "read_table"]

# What each field may be called in the environment, behind the prefix.
_VARIABLES = {
    "key": ("KEY", "API_KEY", "ACCESS_ID"),
    "secret": ("SECRET", "API_SECRET", "SECRET_KEY"),
    "passphrase": ("PASSPHRASE", "API_PASSPHRASE"),
    "memo": ("MEMO", "UID"),
    "private_key": ("PRIVATE_KEY",),
    "private_key_path": ("PRIVATE_KEY_PATH",),
    "private_key_password": ("PRIVATE_KEY_PASSWORD",),
    "wallet": ("WALLET",),
}
# What each of those is, in lower case, as a table has it.
_FIELDS = {name.lower(): field for field, names in _VARIABLES.items() for name in names}


def read_environment(start: str, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return what is set for each field, and the names of one field where two of them are set."""
    return _found(environ, lambda name: f"{start}_{name}")


def read_table(table: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the same for a table, whose names are in lower case, and what else stands in it."""
    found, clash = _found(table, str.lower)
    if clash:
        return found, clash
    return found | {name: table[name] for name in table if name not in _FIELDS}, []


def field_called(name: str) -> str | None:
    """Return the field that this is another name of, None where it is of none."""
    return _FIELDS.get(name.lower())


def is_quoted(value: str) -> bool:
    """Tell whether the value still has the quotes that a shell would have taken off."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def _found(
    given: Mapping[str, Any], called: Callable[[str], str]
) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    for field, names in _VARIABLES.items():
        there = [name for name in map(called, names) if name in given]
        if len(there) > 1:
            return {}, there
        if there:
            found[field] = given[there[0]]
    return found, []
