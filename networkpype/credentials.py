"""Who am I? Keys and secrets, held so that nothing shows them by accident."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, core_schema

from networkpype.environment import field_called, is_quoted, read_environment, read_table
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.key_files import read_private, read_toml
from networkpype.opaque import hidden
from networkpype.origins import check_origin

__all__ = ["Credentials"]

_PEM = "-----BEGIN "


class Credentials(BaseModel):
    """One account's identity at one exchange.

    `memo` is what some call uid or account id. `private_key` is a PEM text or whatever else the
    exchange hands out (a PEM may stand in `secret` as well); `private_key_path` names a file with
    it, which is read when it is first needed and refused where other users may read it;
    `private_key_password` opens an encrypted one. `wallet` is an address, which is public.

    `origins`, such as ``https://api.coinex.com``, are the only places that may see a request signed
    or a login made with these, WebSockets among them; empty leaves it to the exchange's own.
    ``http://`` is for this machine alone.

    No value shows in `repr`, `str`, `vars`, `model_dump` or an error: the fields are pydantic's
    `SecretStr`, whose ``get_secret_value()`` gives the text. A pickle is refused. Broken JSON is
    hidden by `model_validate_json`; a model around this one that parses it, or a TypeAdapter, tells
    it whole in ``errors()``, as pydantic does.

    Raises ConfigurationError for a field that is unknown, is no text, is blank, or has blanks at
    its ends, and for an origin that is none or would show the signature to the network.
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
    # Where they were read from, for what says that one is lacking: a prefix, or a table.
    _prefix: str = PrivateAttr("")
    _table: str = PrivateAttr("")

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            key: str | SecretStr | None = None,
            secret: str | SecretStr | None = None,
            passphrase: str | SecretStr | None = None,
            memo: str | SecretStr | None = None,
            private_key: str | SecretStr | None = None,
            private_key_path: str | Path | None = None,
            private_key_password: str | SecretStr | None = None,
            wallet: str | None = None,
            origins: Collection[str] = (),
        ) -> None: ...

    else:

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
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Parse and check JSON; pydantic's ValidationError does not hold it where it is broken."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            told = error.errors(include_input=False)[0]
            if told["type"] != "json_invalid":
                raise
        json_data = ""  # a traceback that prints local variables would print it
        masked = InitErrorDetails(type="json_invalid", input="***", ctx=told["ctx"])
        raise ValidationError.from_exception_data(cls.__name__, [masked], "json", hide_input=True)

    @classmethod
    def from_env(cls, prefix: str, *, environ: Mapping[str, str] | None = None) -> Self:
        """Read ``COINEX_KEY``, ``COINEX_SECRET``, ... for the prefix ``COINEX``.

        Also known are ``_API_KEY``, ``_ACCESS_ID``, ``_API_SECRET``, ``_SECRET_KEY``,
        ``_API_PASSPHRASE`` and ``_UID``. A dash in the prefix counts as an underscore. Raises
        MissingCredentialsError where none is set, and ConfigurationError where two names of one
        field are, or where a value has quotes around it, which a shell would have taken off.
        """
        start = prefix.replace("-", "_").removesuffix("_").upper()
        if not start:
            raise ConfigurationError('the prefix is empty; pass one such as "COINEX"')
        found, clash = read_environment(start, os.environ if environ is None else environ)
        environ = None  # a traceback that prints local variables would print them
        if clash:
            found.clear()
            raise ConfigurationError(f"{' and '.join(clash)} are both set; keep one of them")
        quoted = [field for field in found if is_quoted(found[field])]
        if quoted:
            found.clear()
            raise ConfigurationError(
                f"environment ({start}_...): {' and '.join(quoted)}: begins and ends with a quote; "
                "leave the quotes out"
            )
        if not found:
            raise MissingCredentialsError(
                f"no credentials in the environment; set {start}_KEY and {start}_SECRET"
            )
        made = cls._from(f"environment ({start}_...)", found)
        made._prefix = f"{start}_"
        return made

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], table: str) -> Self:
        """Read the fields from a table of a TOML file that no other user may read.

        They may be called as in the environment, in lower case: ``api_key``, ``api_secret``, ...
        """
        content = read_toml(Path(path))
        known = ", ".join(f"[{name}]" for name, value in content.items() if isinstance(value, dict))
        found = content.pop(table, None)
        content.clear()  # a traceback that prints local variables would print it
        if isinstance(found, dict):
            return cls._from_table(f"{path} [{table}]", found)
        found = None
        raise MissingCredentialsError(f"{path} has no table [{table}]; it has: {known or 'none'}")

    @classmethod
    def _from_table(cls, place: str, table: dict[str, Any]) -> Self:
        """Build from a table of a TOML file; `table` is empty after a failure."""
        found, clash = read_table(table)
        table.clear()  # a traceback that prints local variables would print it
        if clash:
            raise ConfigurationError(
                f"{place}: {' and '.join(clash)} are both there; keep one of them"
            )
        made = cls._from(place, found)
        made._table = place
        return made

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
            first = [either.partition("|")[0] for either in lacking]
            fix = f"pass Credentials({', '.join(f'{field}=...' for field in first)})"
            if self._prefix:
                fix = f"set {' and '.join(self._prefix + field.upper() for field in first)}"
            elif self._table:
                fix = f"add {' and '.join(f'{field} = ...' for field in first)} to {self._table}"
            raise MissingCredentialsError(f"{by} needs {named}; {fix}")

    def has(self, field: str) -> bool:
        """Tell whether the field is set; a key file counts as a private key."""
        if field == "private_key" and self.private_key_path is not None:
            return True
        return getattr(self, field) is not None

    def reveal(self, field: str) -> str:
        """Return the text of a field, empty where it is not set; a key file is read here."""
        if field == "private_key" and self.private_key is None and self.private_key_path:
            text = read_private(self.private_key_path)
            if not text.strip():
                raise ConfigurationError(
                    f"{self.private_key_path} is blank; private_key_path names a file with the "
                    "private key in it"
                )
            return text
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
        return {name: hidden(name, value) for name, value in fields.items()}

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
        return tuple(map(check_origin, value))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Credentials do not pickle; build them where they are used")

    def __copy__(self) -> Self:
        return self  # frozen

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return credentials with some fields replaced, and checked like new ones."""
        if not update:
            return self
        made = type(self)(**{**vars(self), **update})
        made._prefix, made._table = self._prefix, self._table
        return made

    def __repr__(self) -> str:
        own = vars(self)  # a traceback may ask before there are any
        shown = [field for field in type(self).model_fields if own.get(field)]
        return f"Credentials({', '.join(f'{field}=***' for field in shown)})"

    __str__ = __repr__


def _told(place: tuple[str | int, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if message == "Extra inputs are not permitted":
        known = ", ".join(Credentials.model_fields)
        meant = field_called(str(place[-1])) if place else None
        hint = f'did you mean "{meant}"? ' if meant else ""
        message = f"is unknown; {hint}there are {known}"
    return f"{'.'.join(map(str, place))}: {message}" if place else message
