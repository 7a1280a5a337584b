"""Credentials: where they come from, what they refuse, where they may go, and what nobody sees."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import os
import pickle
import pprint
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
import rich.console
import rich.pretty
import rich.traceback

from networkpype import ConfigurationError, MissingCredentialsError, RESTMethod, RESTRequest
from networkpype.auth.identity import Identity
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.credentials import Credentials
from networkpype.signing.methods import HMAC
from tests.support.raw_server import RawServer, answering
from tests.support.signing import LIMIT_ID, rest_manager

PEM = "-----BEGIN PRIVATE KEY-----\nc2hvd24tbm93aGVyZQ==\n-----END PRIVATE KEY-----\n"
SECRETS = {
    "key": "plain-key-5f1c9a",
    "secret": "plain-secret-77aa01be",
    "passphrase": "plain-pass-1d",
    "memo": "plain-memo-0042",
    "private_key": PEM,
    "private_key_password": "plain-password-9e",
}
SHOWN = [*SECRETS.values(), "c2hvd24tbm93aGVyZQ=="]
ORIGIN = "https://api.example.com"


def all_fields() -> Credentials:
    return Credentials(**SECRETS, wallet="0xabc", origins=[ORIGIN])


class FixedTime:
    def time(self) -> float:
        return 1_700_000_000.0


def without_secrets(text: str) -> str:
    for secret in SHOWN:
        for spelling in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
            assert spelling not in text, text
    return text


# --- what comes in -------------------------------------------------------------------------------


def test_every_field_is_held_and_given_back_on_request() -> None:
    credentials = all_fields()
    assert {field: credentials.reveal(field) for field in SECRETS} == SECRETS
    assert credentials.reveal("wallet") == "0xabc"
    assert credentials.origins == (ORIGIN,)
    assert Credentials().reveal("key") == ""


@pytest.mark.parametrize("field", [*SECRETS, "wallet", "private_key_path"])
@pytest.mark.parametrize("blank", ["", " ", "\t", "\n", "  \r\n"])
def test_a_blank_value_is_refused(field: str, blank: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{field}: is blank") as caught:
        Credentials(**{field: blank})
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("slip", [" abc", "abc ", "abc\n", "\tabc", "a\nbc", "a\x00bc", "a\x7fb"])
def test_a_slip_of_copy_and_paste_is_refused(slip: str) -> None:
    for field in ("key", "secret", "passphrase", "memo", "private_key_password", "wallet"):
        with pytest.raises(
            ConfigurationError, match=rf"^{field}: has blanks at its ends"
        ) as caught:
            Credentials(**{field: slip})
        assert "abc" not in str(caught.value)


def test_a_pem_may_stand_where_the_exchange_calls_it_a_secret() -> None:
    assert Credentials(secret=PEM).reveal("secret") == PEM
    assert Credentials(private_key=PEM).reveal("private_key") == PEM


@pytest.mark.parametrize("wrong", [5, 1.5, b"abc", ["abc"], {"a": 1}, True])
def test_what_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^key: is no text"):
        Credentials(key=wrong)  # type: ignore[arg-type]


def test_an_unknown_field_is_named_and_its_value_is_not() -> None:
    with pytest.raises(
        ConfigurationError, match="secert: is unknown; there are key, sec"
    ) as caught:
        Credentials(key=SECRETS["key"], secert=SECRETS["secret"])  # type: ignore[call-arg]
    without_secrets(str(caught.value) + repr(caught.value))


def test_a_key_and_a_file_with_a_key_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="private_key and private_key_path are both set"):
        Credentials(private_key=PEM, private_key_path=tmp_path / "key.pem")


def test_what_is_lacking_is_named_with_its_argument() -> None:
    credentials = Credentials(key="k", private_key_path="/nowhere.pem")
    credentials.require("key", "private_key", by="okx")
    with pytest.raises(
        MissingCredentialsError,
        match=re.escape(
            "okx needs secret and passphrase; pass Credentials(secret=..., passphrase=...)"
        ),
    ):
        credentials.require("key", "secret", "passphrase", by="okx")


def test_what_is_lacking_is_named_where_the_others_were_read(tmp_path: Path) -> None:
    environ = {"OKX_API_KEY": "k"}
    credentials = Credentials.from_env("okx", environ=environ)
    with pytest.raises(MissingCredentialsError) as caught:
        credentials.require("key", "secret", "passphrase", by="okx")
    told = "okx needs secret and passphrase; set OKX_SECRET and OKX_PASSPHRASE"
    assert str(caught.value) == told
    path = write(tmp_path / "keys.toml", '[okx]\nkey = "plain"\n')
    credentials = Credentials.from_toml(path, "okx").model_copy(update={"memo": "plain"})
    with pytest.raises(MissingCredentialsError) as caught:
        credentials.require("key", "secret|private_key", "passphrase", by="okx")
    assert str(caught.value) == (
        "okx needs secret or private_key and passphrase; "
        f"add secret = ... and passphrase = ... to {path} [okx]"
    )


def test_an_unknown_field_of_a_known_name_is_suggested() -> None:
    with pytest.raises(ConfigurationError, match='api_secret: is unknown; did you mean "secret"'):
        Credentials(key="k", api_secret="plain")  # type: ignore[call-arg]


def test_nothing_of_them_changes() -> None:
    credentials = all_fields()
    with pytest.raises(pydantic.ValidationError):
        credentials.key = pydantic.SecretStr("other")  # type: ignore[misc]
    copied = credentials.model_copy(update={"key": "other"})
    assert copied.reveal("key") == "other"
    assert credentials.reveal("key") == SECRETS["key"]
    assert copied.reveal("secret") == SECRETS["secret"]
    without_secrets(repr(vars(copied)))
    with pytest.raises(ConfigurationError, match="key: is blank"):
        credentials.model_copy(update={"key": ""})
    assert credentials.model_copy() is credentials


# --- the environment -----------------------------------------------------------------------------


def test_the_environment_is_read_behind_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINEX_KEY", "k")
    monkeypatch.setenv("COINEX_SECRET", "s")
    monkeypatch.setenv("OTHER_PASSPHRASE", "p")
    for prefix in ("COINEX", "coinex", "COINEX_"):
        credentials = Credentials.from_env(prefix)
        assert (credentials.reveal("key"), credentials.reveal("secret")) == ("k", "s")
        assert not credentials.has("passphrase")


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("KEY", "key"),
        ("API_KEY", "key"),
        ("ACCESS_ID", "key"),
        ("SECRET", "secret"),
        ("API_SECRET", "secret"),
        ("SECRET_KEY", "secret"),
        ("PASSPHRASE", "passphrase"),
        ("API_PASSPHRASE", "passphrase"),
        ("MEMO", "memo"),
        ("UID", "memo"),
        ("PRIVATE_KEY", "private_key"),
        ("PRIVATE_KEY_PASSWORD", "private_key_password"),
        ("WALLET", "wallet"),
    ],
)
def test_each_variable_is_known(variable: str, field: str) -> None:
    credentials = Credentials.from_env("x", environ={f"X_{variable}": "value"})
    assert credentials.reveal(field) == "value"


def test_a_prefix_may_be_the_name_of_an_exchange() -> None:
    environ = {"BINANCE_USDM_KEY": "k"}
    assert Credentials.from_env("binance-usdm", environ=environ).reveal("key") == "k"
    with pytest.raises(ConfigurationError, match="the prefix is empty"):
        Credentials.from_env("_", environ={"_KEY": "k"})


def test_an_empty_environment_says_what_to_set() -> None:
    with pytest.raises(MissingCredentialsError, match="set OKX_KEY and OKX_SECRET"):
        Credentials.from_env("okx", environ={"OKX_NOTE": "x"})


def test_two_names_of_one_field_are_one_too_many() -> None:
    environ = {"X_KEY": "plain-a", "X_API_KEY": "plain-b"}
    with pytest.raises(ConfigurationError, match="X_KEY and X_API_KEY are both set") as caught:
        Credentials.from_env("x", environ=environ)
    assert "plain" not in str(caught.value)


@pytest.mark.parametrize("value", ['"plain"', "'plain'", '""'])
def test_a_variable_in_quotes_is_refused_with_the_fix(value: str) -> None:
    with pytest.raises(
        ConfigurationError, match="key: begins and ends with a quote; leave"
    ) as told:
        Credentials.from_env("x", environ={"X_KEY": value, "X_SECRET": "plain"})
    assert "plain" not in str(told.value)


def test_a_blank_variable_is_refused_and_its_place_told() -> None:
    with pytest.raises(ConfigurationError, match=r"^environment \(X_\.\.\.\): secret: is blank"):
        Credentials.from_env("x", environ={"X_KEY": "k", "X_SECRET": " "})


# --- files ---------------------------------------------------------------------------------------


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def test_a_table_of_a_toml_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.toml", '[coinex]\nkey = "k"\nsecret = "s"\n[okx]\nkey = "o"\n')
    credentials = Credentials.from_toml(path, "coinex")
    assert (credentials.reveal("key"), credentials.reveal("secret")) == ("k", "s")
    assert Credentials.from_toml(str(path), "okx").reveal("key") == "o"


def test_a_table_may_use_the_names_of_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.toml", '[okx]\napi_key = "k"\napi_secret = "s"\nuid = "u"\n')
    credentials = Credentials.from_toml(path, "okx")
    assert [credentials.reveal(each) for each in ("key", "secret", "memo")] == ["k", "s", "u"]
    write(path, '[okx]\nkey = "plain"\napi_key = "plain"\norigins = ["https://a.example"]\n')
    with pytest.raises(ConfigurationError, match="key and api_key are both there") as caught:
        Credentials.from_toml(path, "okx")
    assert "plain" not in str(caught.value)


def test_a_file_that_is_no_toml_is_told_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(MissingCredentialsError, match=r"No such file .*; pass the path of a TOML"):
        Credentials.from_toml(tmp_path / "none.toml", "okx")
    path = write(tmp_path / "keys.toml", b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"is no text; pass the path of a TOML file"):
        Credentials.from_toml(path, "okx")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[okx]\nkey = "plain"', r"has no table \[coinex\]; it has: \[okx\]"),
        ('coinex = "plain"', r"has no table \[coinex\]; it has: none"),
        ("", "it has: none"),
        ("[coinex\nkey = plain", "is no TOML: .* line 1"),
        ("[coinex]\nkey = plain", "is no TOML: .* line 2"),
        ("x = " + "[" * 9_999 + "]" * 9_999, "is no TOML|has no table"),
        ('[coinex]\nkey = ""', r"keys.toml \[coinex\]: key: is blank"),
        ("[coinex]\nkey = 12345678", r"\[coinex\]: key: is no text; write it in quotes"),
        ('[coinex]\nsecert = "plain"', r"\[coinex\]: secert: is unknown"),
        (b"\xff\xfe", "is no text"),
        ("#" * 70_000, "is larger than 65536 bytes"),
    ],
)
def test_a_bad_toml_file_is_told_without_its_content(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    path = write(tmp_path / "keys.toml", content)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Credentials.from_toml(path, "coinex")
    assert "plain" not in str(caught.value)
    assert "12345678" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
class TestModes:
    @pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
    def test_the_owner_s_own_is_read(self, tmp_path: Path, mode: int) -> None:
        key = write(tmp_path / "key.pem", PEM, mode)
        assert Credentials(private_key_path=key).reveal("private_key") == PEM

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o610, 0o602, 0o777])
    def test_what_others_may_touch_is_refused(self, tmp_path: Path, mode: int) -> None:
        key = write(tmp_path / "key.pem", PEM, mode)
        fix = rf"may be read by others \(mode {mode:04o}\); run: chmod 600 {re.escape(str(key))}$"
        with pytest.raises(ConfigurationError, match=fix) as caught:
            Credentials(private_key_path=key).reveal("private_key")
        without_secrets(str(caught.value))
        with pytest.raises(ConfigurationError, match=fix):
            Credentials.from_toml(key, "coinex")

    def test_the_mode_is_that_of_the_file_behind_a_link(self, tmp_path: Path) -> None:
        key = write(tmp_path / "key.pem", PEM, 0o644)
        link = tmp_path / "link.pem"
        link.symlink_to(key)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            Credentials(private_key_path=link).reveal("private_key")


def test_the_mark_that_some_editors_put_before_a_text_is_no_part_of_it(tmp_path: Path) -> None:
    file = write(tmp_path / "keys.toml", b'\xef\xbb\xbf[okx]\r\nkey = "k"\r\nsecret = "s"\r\n')
    assert Credentials.from_toml(file, "okx").reveal("secret") == "s"
    pem = write(tmp_path / "key.pem", b"\xef\xbb\xbf-----BEGIN PRIVATE KEY-----\n")
    assert Credentials(private_key_path=pem).reveal("private_key").startswith("-----BEGIN ")


def test_a_key_file_is_read_when_it_is_needed_and_no_earlier(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    credentials = Credentials(private_key_path=path)
    assert credentials.has("private_key")
    with pytest.raises(MissingCredentialsError, match=r"key\.pem cannot be read: No such file"):
        credentials.reveal("private_key")
    write(path, PEM)
    assert credentials.reveal("private_key") == PEM


def test_a_path_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    for path in (tmp_path, "/x\0y", "~nobody-of-that-name/key.pem"):
        with pytest.raises(MissingCredentialsError, match="cannot be read"):
            Credentials(private_key_path=Path(path)).reveal("private_key")


# --- origins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://API.Example.com:443/", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("wss://ws.example.com", "https://ws.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("ws://localhost:9", "http://localhost:9"),
    ],
)
def test_an_origin_is_scheme_and_host(given: str, kept: str) -> None:
    assert Credentials(origins=given).origins == (kept,)
    assert Credentials(origins=[given, ORIGIN]).origins == (kept, ORIGIN)


@pytest.mark.parametrize(
    "given",
    [
        "http://api.example.com",
        "ws://api.example.com",
        "http://127.evil.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://notlocalhost",
        "http://0.0.0.0",
        "http://2130706433",
        "http://128.0.0.1",
        "https://api.example.com/v1",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://127.0.0.1@evil.com",
        "https://api.example.com\\@evil.com",
        "https://",
        "api.example.com",
        "ftp://api.example.com",
        "*",
        "",
    ],
)
def test_what_is_no_origin_or_would_show_the_signature_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="origins"):
        Credentials(origins=[given])


def header_auth(credentials: Credentials, **options: Any) -> SchemeAuth:
    scheme = HeaderSignature(
        message="{timestamp}{path_qs}", headers={"X-KEY": "{key}", "X-SIGN": "{signature}"}
    )
    return SchemeAuth(credentials, scheme, **options)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com/",
        "https://api.example.com.evil.com/",
        "https://api.example.com:8443/",
        "http://api.example.com/",
        "http://api.example.com:443/",
        "https://api.example.co/",
        "https://api.example.comx",
        "https://api.example.com1?x=/",
        "https://xapi.example.com/",
        "https://[::1]/",
    ],
)
async def test_another_origin_gets_no_signature(url: str) -> None:
    auth = header_auth(all_fields())
    request = RESTRequest(RESTMethod.GET, url)
    with pytest.raises(ConfigurationError, match=r"none of the origins .* nothing was signed"):
        await auth.rest_authenticate(request)
    assert not request.headers
    signed = await auth.rest_authenticate(RESTRequest(RESTMethod.GET, f"{ORIGIN}/x"))
    assert "X-SIGN" in (signed.headers or {})


async def test_the_credentials_origins_go_before_the_exchange_s() -> None:
    auth = header_auth(Credentials(secret="s", origins=ORIGIN), origins=["https://other.com"])
    await auth.rest_authenticate(RESTRequest(RESTMethod.GET, ORIGIN))
    with pytest.raises(ConfigurationError, match="none of the origins"):
        await auth.rest_authenticate(RESTRequest(RESTMethod.GET, "https://other.com"))


async def test_plain_http_gets_no_signature_even_without_origins() -> None:
    auth = header_auth(Credentials(secret="s"))
    await auth.rest_authenticate(RESTRequest(RESTMethod.GET, "https://anywhere.example/"))
    for host in ("anywhere.example", "127.0.0.1", "localhost"):
        request = RESTRequest(RESTMethod.GET, f"http://{host}/")
        with pytest.raises(ConfigurationError, match="would show the signature to the network"):
            await auth.rest_authenticate(request)
        assert not request.headers


async def test_nothing_leaves_the_socket_for_another_origin() -> None:
    async with (
        RawServer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as server,
        rest_manager(header_auth(all_fields())) as refused,
        rest_manager(header_auth(Credentials(secret="s", origins=server.url))) as allowed,
    ):
        with pytest.raises(ConfigurationError, match="none of the origins"):
            await refused.execute_request(server.url, LIMIT_ID, is_auth_required=True)
        assert server.connections == 0
        await allowed.execute_request(server.url, LIMIT_ID, is_auth_required=True)
        assert b"X-SIGN: " in server.requests[0]


# --- what nobody sees ----------------------------------------------------------------------------


@dataclasses.dataclass
class Holder:
    credentials: Credentials
    note: str = "note"


class Settings(pydantic.BaseModel):
    exchange: Credentials


def rich_text(thing: Any) -> str:
    console = rich.console.Console(file=io.StringIO(), width=200)
    console.print(thing)
    console.print(rich.pretty.pretty_repr(thing))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


VIEWS: dict[str, Callable[[Credentials], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda it: f"{it} {it!r} {it!s:>40} {'%s' % it}",  # noqa: UP031
    "vars": vars,
    "items": lambda it: [*it],
    "model_dump": lambda it: it.model_dump(),
    "model_dump json": lambda it: it.model_dump(mode="json"),
    "model_dump_json": lambda it: it.model_dump_json(),
    "settings": lambda it: [Settings(exchange=it), Settings(exchange=it).model_dump_json()],
    "dataclass": lambda it: [
        Holder(it),
        dataclasses.asdict(Holder(it)),
        dataclasses.replace(Holder(it)),
    ],
    "copy": lambda it: [
        copy.copy(it),
        copy.deepcopy(it),
        copy.deepcopy({"it": it}),
        it.model_copy(),
    ],
    "json": lambda it: json.dumps(it, default=str) + json.dumps(it.model_dump(), default=repr),
    "pprint": pprint.pformat,
    "rich": rich_text,
    "schema": lambda it: it.model_json_schema(),
    "field": lambda it: [it.key, f"{it.secret}", it.model_fields_set],
}


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_shows_a_value(view: str) -> None:
    shown = VIEWS[view](all_fields())
    without_secrets(f"{shown} {shown!r}")


def test_the_repr_tells_which_fields_are_set() -> None:
    credentials = Credentials(key="k", wallet="0x1")
    assert repr(credentials) == str(credentials) == "Credentials(key=***, wallet=***)"


def test_a_copy_is_the_same() -> None:
    credentials = all_fields()
    assert copy.deepcopy([credentials])[0] is copy.copy(credentials) is credentials
    assert copy.deepcopy(credentials.model_dump())["key"] == credentials.key


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_holds_a_value(protocol: int) -> None:
    credentials = all_fields()
    for thing in (
        credentials,
        Holder(credentials),
        credentials.model_dump(),
        vars(credentials),
        credentials.key,
    ):
        with pytest.raises(TypeError, match="not pickle"):
            pickle.dumps(thing, protocol)


def test_json_refuses_them() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps(all_fields())
    without_secrets(str(caught.value))


def test_a_model_that_holds_them_shows_nothing_when_they_are_wrong() -> None:
    for wrong in ({"key": SECRETS["key"] + "\n"}, {"nokey": SECRETS["key"]}, SECRETS["key"]):
        for build in (lambda it: Settings(exchange=it), Credentials.model_validate):
            with pytest.raises((pydantic.ValidationError, ConfigurationError)) as caught:
                build(wrong)
            without_secrets(str(caught.value))
            if isinstance(caught.value, pydantic.ValidationError):
                without_secrets(str(caught.value.errors()))
    with pytest.raises(pydantic.ValidationError) as caught:
        Credentials.model_validate_json(json.dumps({"key": SECRETS["key"] + " "}))
    without_secrets(str(caught.value) + str(caught.value.errors()))


@pytest.mark.parametrize("kind", [str, bytes])
def test_json_that_is_broken_is_not_told(kind: type) -> None:
    text = json.dumps({"key": SECRETS["key"]})[:-1] + ",}"
    with pytest.raises(pydantic.ValidationError, match="Invalid JSON") as caught:
        Credentials.model_validate_json(text if kind is str else text.encode())
    (told,) = caught.value.errors()
    assert (told["type"], told["input"]) == ("json_invalid", "***")
    without_secrets(f"{caught.value}{caught.value.errors()}{shown_with_locals(caught.value)}")
    assert caught.value.__context__ is None


def test_json_that_is_whole_makes_them() -> None:
    made = Credentials.model_validate_json('{"key": "k", "origins": ["https://h.example/"]}')
    assert (made.reveal("key"), made.origins) == ("k", ("https://h.example",))


@pytest.mark.parametrize(
    "origins",
    [
        "https://user:PRIVATE@h.example",
        ["https://h.example", "http://PRIVATE@h.example:8443/"],
        ("user:PRIVATE@h.example",),
        "https://user:PRI/VATE@h.example",
        "https://h.example/?token=PRIVATE",
    ],
)
def test_an_origin_with_user_info_is_refused_without_it(origins: Any) -> None:
    for build in (lambda it: Settings(exchange=it), Credentials.model_validate):
        with pytest.raises((pydantic.ValidationError, ConfigurationError)) as caught:
            build({"key": "k", "origins": origins})
        told = str(caught.value)
        if isinstance(caught.value, pydantic.ValidationError):
            told += str(caught.value.errors())
        assert "PRI" not in told


def test_a_key_in_the_place_of_its_path_is_not_told() -> None:
    with pytest.raises(pydantic.ValidationError, match="control characters") as caught:
        Settings(exchange={"private_key_path": "-----BEGIN KEY-----\nPRIVATE\n"})
    assert "PRIVATE" not in str(caught.value.errors())


def shown_with_locals(error: BaseException) -> str:
    """Return what traceback and rich print of an error and of the local variables on its way."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    own = [frame for frame in told.stack if frame.filename != __file__]
    told.stack = traceback.StackSummary.from_list(own)
    console = rich.console.Console(file=io.StringIO(), width=500)
    own_frames = error.__traceback__
    while own_frames is not None and own_frames.tb_frame.f_code.co_filename == __file__:
        own_frames = own_frames.tb_next
    console.print(
        rich.traceback.Traceback.from_exception(
            type(error),
            error,
            own_frames,
            show_locals=True,
            locals_max_length=9_999,
            locals_max_string=9_999,
        )
    )
    assert isinstance(console.file, io.StringIO)
    return "".join(told.format()) + console.file.getvalue()


def toml(tmp_path: Path, content: str) -> Callable[[], object]:
    path = write(tmp_path / "keys.toml", content)
    return lambda: Credentials.from_toml(path, "x")


FAILURES: dict[str, Callable[[Path], object]] = {
    "constructor": lambda _: Credentials(
        **SECRETS,
        memo2=SECRETS["memo"],  # type: ignore[call-arg]
    ),
    "blank": lambda _: Credentials(**{**SECRETS, "key": " "}),
    "both": lambda _: Credentials(**SECRETS, private_key_path="x"),
    "require": lambda _: Credentials(key=SECRETS["key"]).require("secret"),
    "environment": lambda _: Credentials.from_env("x", environ={"X_KEY": SECRETS["key"] + " "}),
    "two names": lambda _: Credentials.from_env(
        "x", environ={"X_KEY": SECRETS["key"], "X_API_KEY": SECRETS["key"]}
    ),
    "other names": lambda _: Credentials.from_env("x", environ={"Y_KEY": SECRETS["key"]}),
    "no table": lambda at: toml(at, f'[y]\nkey = "{SECRETS["key"]}"')(),
    "no TOML": lambda at: toml(at, f"[x]\nkey = {SECRETS['key']}")(),
    "bad table": lambda at: toml(at, f'[x]\nkey = "{SECRETS["key"]} "')(),
    "large": lambda at: toml(at, SECRETS["key"] * 9_999)(),
    "bytes": lambda at: Credentials.from_toml(
        write(at / "k", SECRETS["key"].encode() + b"\xff"), "x"
    ),
    "mode": lambda at: Credentials.from_toml(write(at / "k", SECRETS["key"], 0o644), "x"),
    "signing": lambda _: Identity(all_fields(), FixedTime()).sign(HMAC(secret="hex"), "x"),
    "no secret": lambda _: Identity(Credentials(key=SECRETS["key"]), FixedTime()).sign(HMAC(), "x"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_traceback_with_local_variables_shows_nothing(tmp_path: Path, failure: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FAILURES[failure](tmp_path)
    assert caught.value.__context__ is None
    assert "networkpype" in without_secrets(shown_with_locals(caught.value))


def test_an_identity_and_a_draft_show_nothing() -> None:
    identity = Identity(all_fields(), FixedTime())
    request = RESTRequest(RESTMethod.POST, f"{ORIGIN}/x", data={"a": SECRETS["key"]})
    draft = Draft(request, identity)
    draft.signature = identity.sign(HMAC(), "x")
    for thing in (identity, draft, HMAC().signer(SECRETS["secret"])):
        assert draft.signature not in without_secrets(f"{thing!r} {thing} {[thing]}")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="not pickle"):
                pickle.dumps(thing, protocol)
        with pytest.raises(TypeError, match="not pickle"):
            copy.deepcopy(thing)

    def fail(credentials: Credentials, identity: Identity, draft: Draft) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError) as caught:
        fail(all_fields(), identity, draft)
    console = rich.console.Console(file=io.StringIO(), width=300)
    last = caught.value.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    console.print(
        rich.traceback.Traceback.from_exception(RuntimeError, caught.value, last, show_locals=True)
    )
    assert isinstance(console.file, io.StringIO)
    shown = without_secrets(console.file.getvalue())
    assert "draft = Draft(" in shown
    assert draft.signature not in shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"key": "k1"}, "here needs secret or private_key; pass Credentials(secret=...)"),
        ({"secret": "s1"}, "here needs key; pass Credentials(key=...)"),
        ({}, "here needs key and secret or private_key; pass Credentials(key=..., secret=...)"),
        ({"key": "k1", "secret": "s1"}, None),
        ({"key": "k1", "private_key": "s1"}, None),
    ],
)
def test_of_alternatives_one_is_enough(given: dict[str, str], message: str | None) -> None:
    credentials = Credentials(**given)
    if message is None:
        credentials.require("key", "secret|private_key", by="here")
        return
    with pytest.raises(MissingCredentialsError) as caught:
        credentials.require("key", "secret|private_key", by="here")
    assert str(caught.value) == message
