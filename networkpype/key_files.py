"""Read files that hold keys."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from networkpype.errors import ConfigurationError, MissingCredentialsError

__all__ = ["read_private", "read_toml"]

_LARGEST_FILE = 1 << 16
_KEY = "a private key"


def read_private(path: Path, wanted: str = _KEY) -> str:
    """Read a small text file that group and others may not touch; `wanted` says what it is."""
    return _decoded(path, _content(path, wanted), wanted)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file that group and others may not touch."""
    try:
        return tomllib.loads(read_private(path, "a TOML file with your keys"))
    # Besides its own, for a date or a nesting that cannot be.
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigurationError):
            raise
        # Its text names the line and never shows it.
        problem = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a bad value"
    raise ConfigurationError(f"{path} is no TOML: {problem}")


def _content(path: Path, wanted: str) -> bytes:
    """Read a file, at most one byte too many; its mode is asked of the open file, not by name."""
    try:
        with path.expanduser().open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(
                    f"{path} may be read by others (mode {stat.S_IMODE(mode):04o}); "
                    f"run: chmod 600 {path}"
                )
            return file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in it; no home for a ~
        if isinstance(error, ConfigurationError):
            raise
        problem = getattr(error, "strerror", None) or "the name is no path"
    raise MissingCredentialsError(f"{path} cannot be read: {problem}; pass the path of {wanted}")


def _decoded(path: Path, content: bytes, wanted: str) -> str:
    if len(content) > _LARGEST_FILE:
        content = b""
        raise ConfigurationError(
            f"{path} is larger than {_LARGEST_FILE} bytes; pass the path of {wanted}"
        )
    try:
        return content.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError:
        content = b""  # a traceback that prints local variables would print it
    fix = "convert the key to PEM" if wanted == _KEY else f"pass the path of {wanted}"
    raise ConfigurationError(f"{path} is no text; {fix}")
