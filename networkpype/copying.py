"""Copy requests fast: plain containers by hand, everything else by `copy.deepcopy`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from networkpype.errors import ConfigurationError

__all__ = ["ATOMS", "copy_object", "copy_value", "shallow_copy"]

T = TypeVar("T")

ATOMS = frozenset({str, int, float, bool, bytes, type(None)})  # these very types, unchangeable


def copy_value(value: Any) -> Any:
    """Copy as deeply as `copy.deepcopy` does; what cannot change is shared.

    Raises ConfigurationError for what cannot be copied, such as a generator.
    """
    try:
        return _copy(value)
    except RecursionError:
        return copy.deepcopy(value)  # keeps a memo, so a value that holds itself ends


def _copy(value: Any) -> Any:
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is dict:
        twin = value.copy()
        for key, item in value.items():
            if type(item) not in ATOMS:
                twin[key] = _copy(item)
        return twin
    if kind is list:
        return [item if type(item) in ATOMS else _copy(item) for item in value]
    if kind is tuple:
        return tuple([item if type(item) in ATOMS else _copy(item) for item in value])
    if isinstance(value, Enum):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    try:
        return copy.deepcopy(value)
    except TypeError as error:
        reason = str(error)
    if isinstance(value, Mapping) and hasattr(value, "copy"):
        return _copy(value.copy())  # a read-only view: MappingProxyType, CIMultiDictProxy
    raise ConfigurationError(
        f"a {kind.__name__} cannot be part of a request, for requests are copied ({reason}); "
        "pass plain values: str, int, dict, list, bytes, ..."
    )


def copy_object(original: T) -> T:
    """Copy an object's attributes deeply into a new one of its class, without calling `__init__`.

    Subclasses, their slots, and attributes that were hung on from outside are kept.
    """
    kind = type(original)
    twin = kind.__new__(kind)
    state = twin.__dict__
    for name, value in original.__dict__.items():
        state[name] = value if type(value) in ATOMS else copy_value(value)
    for name in _slots_of(kind):  # type: ignore[arg-type]
        if hasattr(original, name):
            object.__setattr__(twin, name, copy_value(getattr(original, name)))
    return twin


def shallow_copy(original: T) -> T:
    """Copy an object into a new one of its class that shares its values, frozen or not."""
    kind = type(original)
    twin = kind.__new__(kind)
    if hasattr(original, "__dict__"):
        twin.__dict__.update(original.__dict__)
    for name in _slots_of(kind):  # type: ignore[arg-type]
        if hasattr(original, name):
            object.__setattr__(twin, name, getattr(original, name))
    return twin


@lru_cache(maxsize=256)
def _slots_of(kind: type) -> tuple[str, ...]:
    found: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            found.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))
