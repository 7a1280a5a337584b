"""The fields of credentials as pydantic may see them: it tells what it was given when it fails."""

from __future__ import annotations

from typing import Any, NoReturn, Self

from pydantic import SecretStr

from networkpype.redact import mask_url

__all__ = ["Opaque", "hidden"]

_PUBLIC = ("private_key_path", "wallet", "origins")


class Opaque(SecretStr):
    """A secret that does not pickle either, not even out of a `model_dump`."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret does not pickle; build Credentials where they are used")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self


def hidden(name: str, value: Any) -> Any:
    """Return the value of a field such that no error about it shows a secret."""
    if name == "origins":
        return _masked_origins(value)
    if name == "private_key_path" and isinstance(value, str) and not value.isprintable():
        return "\n"  # a PEM in its place, refused all the same
    if name in _PUBLIC or value is None or isinstance(value, Opaque):
        return value
    return Opaque(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _masked_origins(value: Any) -> Any:
    """Return the origins; what is refused anyway, such as user info, without what it tells."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked_origins(each) for each in value]
    if not isinstance(value, str):
        return value
    before, at, host = value.rpartition("@")
    if at:
        scheme = "http" if before.startswith("http:") else "https"
        return f"{scheme}://***@{mask_url(host)}"
    return mask_url(value)
