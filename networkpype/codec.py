"""JSON in and out: strict defaults, and the hook for a faster or a decimal one.

A `loads` takes text or UTF-8 bytes and raises ValueError on bad input, so ``orjson.loads`` and
``msgspec.json.decode`` fit as they are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from networkpype.errors import ConfigurationError

__all__ = ["JSONLoads", "decimal_loads", "dumps", "dumps_utf8", "loads"]

JSONLoads: TypeAlias = Callable[[str | bytes], Any]
"""What reads JSON: `decimal_loads`, ``orjson.loads``, or any like them."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Built once: json.loads() with any hook builds a decoder a call.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_decode_decimal = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=Decimal).decode
_SAMPLE: dict[str, Any] = {"é": [1.5, None, True, "\n"], "b": {}}

# Up to CPython 3.11 only the recursion limit keeps the C code within its stack, and some libraries
# raise it to 100,000 (py_ecc, so eth-account and web3): then a body of brackets ends the process.
_DEPTH_IS_SAFE = sys.version_info >= (3, 12)
_MOST_DEEP = 10_000
_bracket_or_string = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]|\\.)*"').finditer


def _writer(*, ensure_ascii: bool) -> Callable[[Any], str]:
    # Where the depth is safe, what holds itself ends in a RecursionError by itself.
    encoder = json.JSONEncoder(
        separators=(",", ":"),
        allow_nan=False,
        check_circular=not _DEPTH_IS_SAFE,
        ensure_ascii=ensure_ascii,
    )
    escape = (
        json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    )
    # JSONEncoder.encode() builds one of these a call, which takes half of what an order takes. It
    # is CPython's own and undocumented, so it has to prove itself.
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    join = "".join
    options = (encoder.default, escape, None, ":", ",", False, False, False)
    try:
        parts = make(None, *options)
        if join(parts(_SAMPLE, 0)) != encoder.encode(_SAMPLE):
            return encoder.encode
    except TypeError:
        return encoder.encode
    if not _DEPTH_IS_SAFE:
        # A mapping of its own for each call, in which it keeps what it is within.
        return lambda value: join(make({}, *options)(value, 0))
    return lambda value: join(parts(value, 0))


_encode = _writer(ensure_ascii=True)
_encode_utf8 = _writer(ensure_ascii=False)


def loads(text: str | bytes) -> Any:
    """Parse JSON; NaN and Infinity, which RFC 8259 does not have, are refused."""
    if not isinstance(text, str):
        text = text.decode()
    if not _DEPTH_IS_SAFE:
        _check_depth(text)
    try:
        # decode() also looks for blanks around it, which takes a fifth of what a trade takes.
        value, end = _decoder.raw_decode(text)
        if end == len(text):
            return value
    except ValueError:
        pass  # there are blanks, or it is no JSON: decode() tells which
    return _decoder.decode(text)


def decimal_loads(text: str | bytes) -> Any:
    """Parse JSON with every fraction as a `Decimal`: prices keep the digits they came with."""
    if not isinstance(text, str):
        text = text.decode()
    if not _DEPTH_IS_SAFE:
        _check_depth(text)
    return _decode_decimal(text)


def _check_depth(text: str) -> None:
    """Refuse with a ValueError what is nested deeper than the C stack holds."""
    if sys.getrecursionlimit() <= _MOST_DEEP or text.count("[") + text.count("{") <= _MOST_DEEP:
        return  # Python looks after itself, or there is nothing to look for
    depth = 0
    for match in _bracket_or_string(text):
        if (mark := match[0]) in "[{":
            depth += 1
            if depth > _MOST_DEEP:
                raise ValueError(f"it is nested deeper than {_MOST_DEEP} levels")
        elif mark in "]}":
            depth -= 1


def dumps(value: Any) -> str:
    """Write compact JSON in ASCII; what JSON cannot hold is a ConfigurationError."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise _no_json(error) from None


def dumps_utf8(value: Any) -> str:
    """Write compact JSON that keeps letters beyond ASCII as they are, as exchanges sign it."""
    try:
        return _encode_utf8(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise _no_json(error) from None


def _no_json(error: Exception) -> ConfigurationError:
    why = "it is nested too deep, or holds itself" if isinstance(error, RecursionError) else error
    return ConfigurationError(
        f"the body cannot be JSON: {why}; send numbers such as Decimal as str, "
        "dates as the exchange's own text, and no NaN"
    )
