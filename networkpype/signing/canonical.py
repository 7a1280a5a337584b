"""A query as it is signed: ordered or sorted, percent-encoded or raw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from networkpype.errors import ConfigurationError
from networkpype.wire import encode_pairs, encode_value

__all__ = ["canonical_query"]


def canonical_query(
    params: Mapping[str, Any] | Sequence[tuple[str, Any]],
    *,
    sort: bool = False,
    raw: bool = False,
    separator: str = "&",
) -> str:
    """Return names and values as ``a=1&b=2``, in their order or sorted by name.

    Values are percent-encoded as they travel in a URL unless `raw`. Sorting is by code point, as
    by the bytes of UTF-8; equal names keep their order. A list of values repeats its name.
    """
    pairs = params.items() if isinstance(params, Mapping) else params
    if isinstance(pairs, Iterator):
        raise ConfigurationError(
            "params are an iterator, which can be read only once; pass list(params)"
        )
    if sort:
        pairs = sorted(pairs, key=_name)
    if not raw and separator == "&":
        return encode_pairs(list(pairs))
    write = _raw if raw else encode_pairs
    return separator.join([write([(name, value)]) for name, value in _single(pairs)])


def _name(pair: tuple[str, Any]) -> str:
    return pair[0]


def _single(pairs: Any) -> Iterator[tuple[str, Any]]:
    for name, value in pairs:
        if isinstance(value, (list, tuple)):
            for item in value:
                yield name, item
        else:
            yield name, value


def _raw(pairs: list[tuple[str, Any]]) -> str:
    return "".join([f"{encode_value(name)}={encode_value(value)}" for name, value in pairs])
