"""JSON in and out: strict defaults, and the hook for a faster or a decimal one.

A `loads` takes text or UTF-8 bytes and raises ValueError on bad input, so ``orjson.loads`` and
``msgspec.json.decode`` fit as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from networkpype.errors import ConfigurationError

__all__ = ["JSONLoads", "decimal_loads", "dumps", "dumps_utf8", "loads"]

JSONLoads: TypeAlias = Callable[[str | bytes], Any]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Built once: json.loads() with any hook builds a decoder a call.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_decode_decimal = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=Decimal).decode
# What holds itself ends in a RecursionError, so nothing has to be remembered on the way.
_form: dict[str, Any] = {"separators": (",", ":"), "allow_nan": False, "check_circular": False}
_encode = json.JSONEncoder(**_form).encode
_encode_utf8 = json.JSONEncoder(ensure_ascii=False, **_form).encode


def loads(text: str | bytes) -> Any:
    """Parse JSON; NaN and Infinity, which RFC 8259 does not have, are refused."""
    if not isinstance(text, str):
        text = text.decode()
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
    return _decode_decimal(text if isinstance(text, str) else text.decode())


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
