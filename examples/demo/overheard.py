"""Listen to every log line, and count those that hold a secret."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

__all__ = ["Overheard"]


class Overheard(logging.Handler):
    """A handler on the root logger at DEBUG while the ``with`` block runs; it prints nothing."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._secrets = secrets
        self._level_before = logging.WARNING
        self.lines = 0
        self.leaks = 0
        self.setFormatter(logging.Formatter())  # renders tracebacks too

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        self.lines += 1
        text = self.format(record)
        self.leaks += any(secret in text for secret in self._secrets)

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level_before = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level_before)
