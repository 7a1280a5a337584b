"""What a factory is given is looked at before anything is made of it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from networkpype.errors import ConfigurationError

__all__ = ["expect", "expect_callable", "expect_each", "expect_if", "expect_kind", "expect_whole"]


def expect(name: str, value: object, method: str, what: str) -> None:
    """Refuse what has no such method, a class in place of its instance too; `what` is the fix."""
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        shown = value.__name__ if isinstance(value, type) else type(value).__name__
        raise ConfigurationError(f"{name} is {shown}, without {method}(); pass {what}")


def expect_if(name: str, value: object, method: str, what: str) -> None:
    """Do as `expect` does, but for None."""
    if value is not None:
        expect(name, value, method, what)


def expect_each(name: str, values: Sequence[object] | None, method: str) -> None:
    """Refuse what is no list, or holds something without the method; None is none."""
    if values is not None and not isinstance(values, Sequence):
        raise ConfigurationError(f"{name} is {type(values).__name__}; pass a list")
    for value in values or ():
        expect(f"an item of {name}", value, method, f"an object with {method}")


def expect_kind(kind: type, **values: object) -> None:
    """Refuse what is no instance of the class, the class itself too; None is left out."""
    for name, value in values.items():
        if value is not None and not isinstance(value, kind):
            if isinstance(value, type):
                raise ConfigurationError(
                    f"{name} is the class {value.__name__}; pass {kind.__name__}()"
                )
            raise ConfigurationError(
                f"{name} is a {type(value).__name__}; pass a {kind.__name__}(...)"
            )


def expect_callable(**values: object) -> None:
    """Refuse what cannot be called, or would have to be awaited; None is left out."""
    for name, value in values.items():
        if value is not None and not callable(value):
            raise ConfigurationError(f"{name} is {type(value).__name__}; pass a callable")
        if name == "hook" and isinstance(value, type):  # each event would make an object of it
            raise ConfigurationError(f"hook is the class {value.__name__}; pass one of its objects")
        if inspect.iscoroutinefunction(value):
            raise ConfigurationError(f"{name} is a coroutine function; it is called, not awaited")


def expect_whole(**numbers: object) -> None:
    """Refuse what is no whole number above zero."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ConfigurationError(f"{name} is {number!r}; pass a whole number above zero")
