"""A number on disk that only rises, and that one owner at a time may raise."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from networkpype.errors import ConfigurationError

__all__ = ["HighWaterMark"]

_content = re.compile(rb"([a-z]{1,2}) ([0-9]{1,30})\n").fullmatch
_LARGEST = 64


class HighWaterMark:
    """The mark in `path`: `value`, and `raise_to` that puts it on disk before it returns.

    The file says its unit and the mark, as in ``ms 1700000000123``; a missing one counts as zero.
    While it is open, ``<path>.lock`` is locked; where the system has no flock (Windows) two
    processes must not share a file.
    """

    def __init__(self, path: Path, unit: str) -> None:
        self._path = path
        self._unit = unit
        self._lock_fd: int | None = self._locked()
        try:
            self.value = self._read()
            self.raise_to(self.value)  # now, rather than at the first order, tell that it cannot
        except BaseException:
            self.close()
            raise

    def raise_to(self, value: int) -> None:
        """Write the new mark whole or not at all, and wait until it is on disk."""
        if self._lock_fd is None:
            raise ConfigurationError(f"{self._path} was closed; open new Nonces with it")
        new = self._path.with_name(self._path.name + ".new")
        try:
            # What a crash may have left is ours: the lock says that nobody else writes it.
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(fd, "wb") as file:  # writes on where a full disk took a part only
                file.write(b"%s %d\n" % (self._unit.encode(), value))
                file.flush()
                os.fsync(fd)
            os.replace(new, self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            problem = error.strerror or type(error).__name__
        else:
            self.value = value
            return
        raise ConfigurationError(
            f"{self._path} cannot be written: {problem}; no nonce is given without it, so make "
            "room, or name a file in a directory that this user may write"
        )

    def close(self) -> None:
        """Unlock the file."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _read(self) -> int:
        try:
            with self._path.open("rb") as file:
                content = file.read(_LARGEST)
        except FileNotFoundError:
            return 0
        except OSError as error:
            problem = f"cannot be read: {error.strerror or type(error).__name__}"
        else:
            found = _content(content)
            if found is not None and found[1].decode() == self._unit:
                return int(found[2])
            if found is not None:
                problem = f"counts in {found[1].decode()}, and these nonces in {self._unit}"
            else:
                problem = "is damaged"
        raise ConfigurationError(
            f"the nonce file {self._path} {problem}; nonces below those that were used would be "
            f'refused, so write "{self._unit} N" and a line break into it, with N above the last '
            "nonce that the exchange saw, or delete it for a new key"
        )

    def _locked(self) -> int:
        try:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            problem = f"cannot be locked: {error.strerror or type(error).__name__}"
        else:
            try:
                import fcntl
            except ImportError:
                return lock
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                problem = "is in use by other Nonces; share those, or take another file and key"
            else:
                return lock
        raise ConfigurationError(f"the nonce file {self._path} {problem}")

    def __del__(self) -> None:
        if getattr(self, "_lock_fd", None) is not None:
            self.close()


def _sync_directory(path: Path) -> None:
    """Have the new name on disk too, where the system can sync a directory."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
