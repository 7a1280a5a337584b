"""Who am I? Keys and secrets, held so that nothing shows them by accident."""

from __future__ import annotations

import ipaddress
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.wire import WireURL, split_url

__all__ = ["Credentials", "is_loopback", "origin_of"]

# What each field may be called in the environment, behind the prefix.
_VARIABLES = {
    "key": ("KEY", "API_KEY", "ACCESS_ID"),
    "secret": ("SECRET", "API_SECRET", "SECRET_KEY"),
    "passphrase": ("PASSPHRASE", "API_PASSPHRASE"),
    "memo": ("MEMO", "UID"),
    "private_key": ("PRIVATE_KEY",),
    "private_key_path": ("PRIVATE_KEY_PATH",),
    "private_key_password": ("PRIVATE_KEY_PASSWORD",),
    "wallet": ("WALLET",),
}
_LARGEST_FILE = 1 << 16
_PUBLIC = ("private_key_path", "wallet", "origins")
_PEM = "-----BEGIN "


class _Opaque(SecretStr):
    """A secret that does not pickle either, not even out of a `model_dump`."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret does not pickle; build Credentials where they are used")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self


class Credentials(BaseModel):
    """One account's identity at one exchange.

    `memo` is what some call uid or account id. `private_key` is a PEM text or whatever else the
    exchange hands out (a PEM may stand in `secret` as well); `private_key_path` names a file with
    it, which is read when it is first needed and refused where other users may read it;
    `private_key_password` opens an encrypted one. `wallet` is an address, which is public.

    `origins`, such as ``https://api.coinex.com``, are the only places that may see a request signed
    with these; empty leaves it to the exchange's own. ``http://`` is for this machine alone.

    No value shows in `repr`, `str`, `vars`, `model_dump` or an error: the fields are pydantic's
    `SecretStr`, whose ``get_secret_value()`` gives the text. A pickle is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: SecretStr | None = None
    secret: SecretStr | None = None
    passphrase: SecretStr | None = None
    memo: SecretStr | None = None
    private_key: SecretStr | None = None
    private_key_path: Path | None = None
    private_key_password: SecretStr | None = None
    wallet: str | None = None
    origins: tuple[str, ...] = ()

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            problem = "; ".join(_told(each["loc"], each["msg"]) for each in error.errors())
            fields.clear()  # a traceback that prints local variables would print them
        else:
            return
        # Out here, so that no context keeps pydantic's error.
        raise ConfigurationError(problem)

    @classmethod
    def from_env(cls, prefix: str, *, environ: Mapping[str, str] | None = None) -> Self:
        """Read ``COINEX_KEY``, ``COINEX_SECRET``, ... for the prefix ``COINEX``.

        Also known are ``_API_KEY``, ``_ACCESS_ID``, ``_API_SECRET``, ``_SECRET_KEY``,
        ``_API_PASSPHRASE`` and ``_UID``. A dash in the prefix counts as an underscore. Raises
        MissingCredentialsError where none is set, and ConfigurationError where two names of one
        field are.
        """
        start = prefix.replace("-", "_").removesuffix("_").upper()
        if not start:
            raise ConfigurationError('the prefix is empty; pass one such as "COINEX"')
        found, clash = _in_environment(start, os.environ if environ is None else environ)
        environ = None  # a traceback that prints local variables would print them
        if clash:
            found.clear()
            raise ConfigurationError(f"{' and '.join(clash)} are both set; keep one of them")
        if not found:
            raise MissingCredentialsError(
                f"no credentials in the environment; set {start}_KEY and {start}_SECRET"
            )
        return cls._from(f"environment ({start}_...)", found)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], table: str) -> Self:
        """Read the fields from a table of a TOML file that no other user may read."""
        try:
            content = tomllib.loads(_read_private(Path(path)))
        # Besides its own, for a date or a nesting that cannot be.
        except (ValueError, RecursionError) as error:
            if isinstance(error, ConfigurationError):
                raise
            # Its text names the line and never shows it.
            problem = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a bad value"
        else:
            known = ", ".join(f"[{name}]" for name, value in content.items() if _is_table(value))
            found = content.pop(table, None)
            content.clear()
            if _is_table(found):
                return cls._from(f"{path} [{table}]", found)
            found = None
            raise MissingCredentialsError(
                f"{path} has no table [{table}]; it has: {known or 'none'}"
            )
        raise ConfigurationError(f"{path} is no TOML: {problem}")

    @classmethod
    def _from(cls, place: str, fields: dict[str, Any]) -> Self:
        """Build from the fields, telling where they stood; `fields` is empty after a failure."""
        try:
            return cls(**fields)
        except ConfigurationError as error:
            problem = str(error)
        fields.clear()
        raise ConfigurationError(f"{place}: {problem}")

    def require(self, *fields: str, by: str = "this exchange") -> None:
        """Raise MissingCredentialsError unless each field is there; a key file is a private key.

        Of ``"secret|private_key"`` one is enough.
        """
        lacking = [either for either in fields if not any(map(self.has, either.split("|")))]
        if lacking:
            named = " and ".join(either.replace("|", " or ") for either in lacking)
            raise MissingCredentialsError(
                f"{by} needs {named}; pass Credentials({lacking[0].partition('|')[0]}=...)"
            )

    def has(self, field: str) -> bool:
        """Tell whether the field is set; a key file counts as a private key."""
        if field == "private_key" and self.private_key_path is not None:
            return True
        return getattr(self, field) is not None

    def reveal(self, field: str) -> str:
        """Return the text of a field, empty where it is not set; a key file is read here."""
        if field == "private_key" and self.private_key is None and self.private_key_path:
            return _read_private(self.private_key_path)
        value = getattr(self, field)
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # Around all else, for the error of a model that holds this one shows what it was given.
        return core_schema.no_info_before_validator_function(cls._hide, handler(source))

    @classmethod
    def _hide(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields if isinstance(fields, cls) else "***"
        return {name: _hidden(name, value) for name, value in fields.items()}

    @field_validator(
        "key", "secret", "passphrase", "memo", "private_key", "private_key_password", "wallet"
    )
    @classmethod
    def _no_blanks(cls, value: SecretStr | str | None, info: Any) -> SecretStr | str | None:
        if value is None:
            return value
        text: object = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            raise ValueError("is no text; write it in quotes")
        if not text.strip():
            raise ValueError("is blank; leave it out, or set it")
        # A PEM file ends with a line break; in anything else it is a slip of copy and paste.
        is_pem = info.field_name == "private_key" or text.lstrip().startswith(_PEM)
        if not is_pem and (text != text.strip() or not text.isprintable()):
            raise ValueError("has blanks at its ends or control characters in it; strip it")
        return value

    @field_validator("private_key_path", mode="before")
    @classmethod
    def _no_blank_path(cls, value: object) -> object:
        if isinstance(value, str) and (not value.strip() or not value.isprintable()):
            raise ValueError("is blank or has control characters in it; leave it out, or set it")
        return value

    @model_validator(mode="after")
    def _one_private_key(self) -> Self:
        if self.private_key is not None and self.private_key_path is not None:
            raise ValueError("private_key and private_key_path are both set; keep one of them")
        return self

    @field_validator("origins", mode="before")
    @classmethod
    def _sequence(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_check_origin, value))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Credentials do not pickle; build them where they are used")

    def __copy__(self) -> Self:
        return self  # frozen

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return credentials with some fields replaced, and checked like new ones."""
        return type(self)(**{**vars(self), **update}) if update else self

    def __repr__(self) -> str:
        own = vars(self)  # a traceback may ask before there are any
        shown = [field for field in type(self).model_fields if own.get(field)]
        return f"Credentials({', '.join(f'{field}=***' for field in shown)})"

    __str__ = __repr__


def origin_of(url: WireURL) -> str:
    """Return scheme and host; a WebSocket's counts as that of its HTTP upgrade."""
    scheme = {"wss": "https", "ws": "http"}.get(url.scheme, url.scheme)
    return f"{scheme}://{url.host}"


def _check_origin(text: str) -> str:
    try:
        url = split_url(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    if url.path != "/" or url.query:
        raise ValueError("an origin is scheme and host, without a path")
    if url.scheme in ("http", "ws") and not is_loopback(url.host):
        raise ValueError("http:// would show the signature to the network; use https://")
    return origin_of(url)


def is_loopback(host: str) -> bool:
    """Tell whether a host, with a port or without, is this machine: nobody listens in between."""
    name = host.partition("]")[0].removeprefix("[") if host[0] == "[" else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _in_environment(start: str, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return what is set for each field, and the names of one field where two of them are set."""
    found: dict[str, Any] = {}
    for field, names in _VARIABLES.items():
        there = [f"{start}_{name}" for name in names if f"{start}_{name}" in environ]
        if len(there) > 1:
            return {}, there
        if there:
            found[field] = environ[there[0]]
    return found, []


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _hidden(name: object, value: Any) -> Any:
    if name in _PUBLIC or value is None or isinstance(value, _Opaque):
        return value
    return _Opaque(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _told(place: tuple[str | int, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if message == "Extra inputs are not permitted":
        message = f"is unknown; there are {', '.join(Credentials.model_fields)}"
    return f"{'.'.join(map(str, place))}: {message}" if place else message


def _read_private(path: Path) -> str:
    """Read a small text file that group and others may not touch."""
    return _decoded(path, _content(path))


def _content(path: Path) -> bytes:
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
    raise MissingCredentialsError(f"{path} cannot be read: {problem}")


def _decoded(path: Path, content: bytes) -> str:
    if len(content) > _LARGEST_FILE:
        content = b""
        raise ConfigurationError(f"{path} is larger than {_LARGEST_FILE} bytes; it is no key file")
    try:
        return content.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError:
        content = b""  # a traceback that prints local variables would print it
    raise ConfigurationError(f"{path} is no text; convert the key to PEM")
