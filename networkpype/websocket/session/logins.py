"""Which login a connection gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from networkpype.auth.login import Login

if TYPE_CHECKING:
    from networkpype.auth.base import Auth

__all__ = ["Credentials", "Logins"]

Credentials: TypeAlias = "tuple[Auth | None, Login | None]"


class Logins:
    """Keep the login that outlives connections; a second connection at a time has one of its own.

    `kept` is that of the current one: whoever takes its place, brings its own along.
    """

    def __init__(self, auth: Auth | None, *, logs_in: bool) -> None:
        self._auth = auth
        self._logs_in = logs_in
        self.kept: Credentials | None = None

    def give(self, *, is_second: bool) -> Credentials:
        """Return what the next connection signs and logs in with."""
        if not self._logs_in or self._auth is None:
            return self._auth, None
        if self.kept is not None and not is_second:
            return self.kept
        auth = self._auth.for_connection()
        made = auth, None if auth.ws_pattern is None else Login(auth.ws_pattern)
        if not is_second:
            self.kept = made
        return made
