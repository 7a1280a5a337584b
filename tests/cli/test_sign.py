"""`networkpype sign` shows each step of a signature, and nothing that is secret."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from networkpype.__main__ import main
from networkpype.exchanges import exchange, names
from networkpype.wire import encode_value
from tests.support.canary import PLANTED, credentials_for, found_in
from tests.support.vectors import Vector, arguments, load, name_of

AT = ("--at", "1700000000.123")
OKX = ("okx", "GET", "/api/v5/account/balance", "--param", "ccy=BTC,ETH", *AT)
FIELDS = {
    "apiKey": "KEY",
    "secret": "SECRET",
    "password": "PASSPHRASE",
    "uid": "UID",
    "privateKey": "PRIVATE_KEY",
    "walletAddress": "WALLET",
}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["sign", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def unwrapped(out: str) -> str:
    return out.replace("\n" + " " * 14, "")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_every_step_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, *OKX, "--example")
    assert (code, err) == (0, "")
    assert (
        out
        == """\
  exchange    okx, https://www.okx.com
  time        1700000000.123, 2023-11-14 22:13:20 UTC

1 canonical
  timestamp   2023-11-14T22:13:20.123Z
  method      GET
  path        /api/v5/account/balance
  query       ccy=BTC%2CETH
  body        (empty)

2 string to sign
  string      2023-11-14T22:13:20.123ZGET/api/v5/account/balance?ccy=BTC%2CETH
  size        64 bytes

3 signature
  signature   lcJWL... (44 characters)

4 placing
  request     GET /api/v5/account/balance?ccy=BTC%2CETH
  header      OK-ACCESS-KEY: EX... (20 characters)
  header      OK-ACCESS-SIGN: lcJWL... (44 characters)
  header      OK-ACCESS-TIMESTAMP: 2023-11-14T22:13:20.123Z
  header      OK-ACCESS-PASSPHRASE: ***
  body        (empty)

nothing was sent; keys and signatures are cut, secrets are hidden
"""
    )


def test_the_list_names_every_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--list") == (0, "\n".join(names()) + "\n", "")


def as_options(vector: Vector) -> list[str]:
    params, data = arguments(vector)
    out = [f"--param={name}={encode_value(value)}" for name, value in (params or {}).items()]
    if data is not None:
        out += ["--data", json.dumps(data, ensure_ascii=False)]
    return out


HMACS = [
    vector
    for vector in load("rest")["vectors"]
    if vector["trust"] == "ok"
    and vector["signing"]
    and not isinstance(arguments(vector)[0], str)
    and vector["id"] not in ("binance-usdm-hmac/delete-batch", "bingx/post-list")  # hold lists
    and vector["exchange"] not in ("bitstamp", "coinbase", "hyperliquid")
]


@pytest.mark.parametrize("vector", HMACS, ids=lambda vector: vector["id"])
def test_the_signature_is_that_of_the_vector(
    vector: Vector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for field, value in vector["credentials"].items():
        monkeypatch.setenv(f"MINE_{FIELDS[field]}", value)
    url = vector["base_url"] + vector["path"]
    code, out, err = told(
        capsys,
        *(name_of(vector), vector["method"], url, *as_options(vector)),
        *("--env", "MINE", *AT, "--nonce", str(vector["frozen"]["ms"])),
    )
    assert (code, err) == (0, "")
    shown = re.search(r"signature   (\S+)\.\.\. \((\d+) characters\)", out)
    assert shown is not None
    signatures = [step["output"] for step in vector["signing"] if isinstance(step["output"], str)]
    if vector["exchange"] in ("kucoin", "gate"):
        signatures = list(vector["expected"]["headers"].values())
    if vector["id"] == "coinex-v2/v1-get":
        signatures = [vector["expected"]["headers"]["Authorization"]]
    assert any(each.startswith(shown[1]) and len(each) == int(shown[2]) for each in signatures), (
        signatures
    )


def decoded(text: str) -> str:
    """Return what the base64 in a text says."""
    out = []
    for word in re.findall(r"[A-Za-z0-9_+/-]{8,}", text):
        for part in {word, word.replace("-", "+").replace("_", "/")}:
            try:
                out.append(base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1"))
            except ValueError:
                continue
    return "\n".join(out)


PATHS: dict[str, tuple[str, Any]] = {
    "hyperliquid": ("/exchange", {"type": "cancel", "cancels": [{"a": 4, "o": 12345}]}),
    "backpack": ("/api/v1/order", {"symbol": "SOL_USDC", "orderId": "1"}),
    "cryptocom": ("/exchange/v1/private/cancel-order", {"order_id": "1"}),
}


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("number", range(2))
def test_no_exchange_s_signature_shows_a_secret(
    name: str,
    number: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials = credentials_for(name, number)
    for field in ("key", "secret", "passphrase", "memo", "private_key", "wallet"):
        if value := credentials.reveal(field):
            monkeypatch.setenv(f"X_{field.upper()}", value)
    path, data = PATHS.get(name, ("/api/v1/private/order", {"symbol": "BTCUSDT"}))
    url = exchange(name).rest_url + path
    code, out, err = told(capsys, name, "POST", url, "--data", json.dumps(data), "--env", "x")
    assert (code, err) == (0, "")
    text = unwrapped(out)
    assert text == out  # for this is no terminal
    assert found_in(text) is None
    assert found_in(decoded(text)) is None
    for step in ("1 canonical", "2 string to sign", "3 signature", "4 placing"):
        assert f"\n{step}\n" in out


@pytest.mark.parametrize("name", names())
def test_the_example_s_keys_fit_every_exchange(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, data = PATHS.get(name, ("/v1/order", {"symbol": "BTCUSDT"}))
    code, out, err = told(capsys, name, "POST", path, "--data", json.dumps(data), "--example")
    assert (code, err) == (0, "")
    assert "RVhBTVBMRS1TRUNSRVQ" not in unwrapped(out)
    assert "EXAMPLE-PASSPHRASE" not in out


def test_keys_come_from_a_private_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'[bybit]\nkey = "{PLANTED["key 0"]}"\nsecret = "{PLANTED["secret 0"]}"\n')
    path.chmod(0o600)
    request = ("bybit", "GET", "/v5/account/info", "--toml", str(path))
    code, out, _ = told(capsys, *request, "bybit")
    assert code == 0
    assert f"X-BAPI-API-KEY: {PLANTED['key 0'][:4]}... (32 characters)" in out
    path.chmod(0o644)
    code, out, err = told(capsys, *request, "bybit")
    assert (code, out) == (1, "")
    assert f"run: chmod 600 {path}" in err


def test_a_secret_that_is_short_is_not_shown_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("KEY", "zqk"), ("SECRET", "zqs"), ("PASSPHRASE", "zqp")):
        monkeypatch.setenv(f"X_{name}", value)
    code, out, _ = told(capsys, *OKX, "--env", "X")
    assert code == 0
    assert "zq" not in out


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing": ((), "say what to sign: EXCHANGE METHOD URL; --list names exchanges"),
    "no keys": (OKX, "no credentials; name an environment prefix (--env OKX reads OKX_KEY"),
    "no such exchange": (
        ("okz", "GET", "/", "--example"),
        'no exchange "okz"; did you mean "okx"?',
    ),
    "no such method": (("okx", "FETCH", "/", "--example"), "method 'FETCH' is unknown; use one of"),
    "no environment": ((*OKX, "--env", "NOBODY"), "set NOBODY_KEY and NOBODY_SECRET"),
    "no file": ((*OKX, "--toml", "/nowhere", "x"), "/nowhere cannot be read: No such file"),
    "another host": (
        ("okx", "GET", "https://evil.example/api", "--example"),
        "https://evil.example is none of the origins",
    ),
    "plain http": (("okx", "GET", "http://www.okx.com/", "--example"), "is none of the origins"),
    "no JSON": (("okx", "POST", "/", "--data", "{", "--example"), "--data is no JSON: Expecting"),
    "no pair": (("okx", "GET", "/", "--param", "ccy", "--example"), 'NAME=VALUE; "ccy" has no "="'),
    "twice": (
        ("okx", "POST", "/", "--form", "a=1", "--form", "a=2", "--example"),
        '--form has "a" twice',
    ),
    "no time": ((*OKX, "--at", "1700000000123", "--example"), "pass Unix time in seconds"),
    "no sandbox": (
        ("kraken", "POST", "/", "--sandbox", "--example"),
        "kraken has no sandbox that is known here, and the live exchange never takes its place; "
        "leave out --sandbox to",
    ),
    "no slash": (
        ("okx", "GET", "api/v5/account", "--example"),
        'URL is "api/v5/account"; begin a path with "/"',
    ),
    "no data": (("hyperliquid", "POST", "/exchange", "--example"), 'pass --data \'{"type": ...'),
    "no POST": (
        ("kraken", "GET", "/0/private/Balance", "--example"),
        "GET /0/private/Balance is none of Kraken's private calls, all of which are POST; sign",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_in_a_line(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    given, problem = WRONG[wrong]
    code, out, err = told(capsys, *given)
    assert (code, out) == (1, "")
    assert err.startswith("networkpype sign: ")
    assert problem in err
    assert err.count("\n") == 1


def test_a_field_that_is_lacking_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X_KEY", PLANTED["key 1"])
    code, _, err = told(capsys, *OKX, "--env", "X")
    assert code == 1
    assert "okx needs secret and passphrase" in err


@pytest.mark.parametrize("option", ["--key", "--secret", "--passphrase", "--private-key"])
def test_no_secret_is_taken_from_the_command_line(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["sign", *OKX, option, "x"])
    assert stopped.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_a_form_and_the_clock_s_nonce(capsys: pytest.CaptureFixture[str]) -> None:
    request = ("kraken", "POST", "/0/private/CancelOrder", "--form", "txid=A-B", "--example")
    code, out, _ = told(capsys, *request, *AT)
    assert code == 0
    assert "  body        nonce=1700000000123&txid=A-B\n" in out
    code, again, _ = told(capsys, *request, *AT, "--nonce", "7")
    assert "  nonce       7\n" in again
    assert "string      0x" in again


def test_lines_are_wrapped_for_a_terminal_and_no_other_reader(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (*OKX, "--param", f"x={'word-' * 40}", "--example")
    _, plain, _ = told(capsys, *given)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, wrapped, _ = told(capsys, *given)
    assert unwrapped(wrapped) == plain != wrapped
    assert all(len(line) <= 100 for line in wrapped.splitlines())


@pytest.mark.parametrize("command", ["--list", "okx GET / --example"])
def test_a_reader_that_leaves_early_is_no_error(command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "networkpype", "sign", *command.split()],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_secret_of_one_letter_takes_nothing_else_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("KEY", "k" * 20), ("SECRET", "s"), ("MEMO", "a")):
        monkeypatch.setenv(f"X_{name}", value)
    request = ("bitmart", "GET", "/account/v1/wallet", "--param", "cash=yes", *AT)
    _, out, _ = told(capsys, *request, "--env", "X")
    assert "  path        /account/v1/wallet\n" in out
    assert "  string      1700000000123#***#cash=yes\n" in out
    monkeypatch.setenv("X_MEMO", "12")
    _, out, _ = told(capsys, *request, "--env", "X")
    assert "  string      1700000000123#***#cash=yes\n" in out
    assert "1700000000.123, 2023-11-14 22:13:20 UTC" in out


def test_the_time_is_cut_as_the_timestamp_is(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, *OKX[:-2], "--at", "1700000000.9997", "--example")
    assert "  time        1700000000.999, 2023-11-14 22:13:20 UTC\n" in out
    assert "  timestamp   2023-11-14T22:13:20.999Z\n" in out


def test_what_is_not_asked_for_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, *OKX, "--example", "--nonce", "7", "--id", "x")
    assert code == 0
    assert "\n--nonce changed nothing: okx asks for none in this request\n" in out
    assert "\n--id changed nothing: okx asks for none in this request\n" in out
    request = ("kraken", "POST", "/0/private/Balance", "--example")
    assert "changed nothing" not in told(capsys, *request, "--nonce", "7")[1]


@pytest.mark.parametrize("name", ["kraken", "bitfinex", "gemini", "whitebit"])
def test_a_nonce_that_is_no_number_is_refused_where_it_must_be_one(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, name, "POST", "/v1/x", "--nonce", "abc", "--example")
    assert (code, out) == (1, "")
    assert f"{name}'s nonce is a whole number; pass --nonce digits" in err


@pytest.mark.parametrize("name", ["bitstamp", "deribit"])
def test_a_nonce_may_be_a_text_where_it_is_one(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, name, "POST", "/v1/x", "--nonce", "abc", "--example")
    assert code == 0
    assert "  nonce       abc\n" in out


def test_hyperliquid_s_digest_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("eth_keys")
    path, data = PATHS["hyperliquid"]
    given = ("hyperliquid", "POST", path, "--data", json.dumps(data), "--example", *AT)
    _, out, _ = told(capsys, *given)
    assert '  action      {"type":"cancel","cancels":[{"a":4,"o":12345}]}\n' in out
    assert re.search(r'  typed data  Agent \{"source":"a","connectionId":"0x[0-9a-f]{64}"\}\n', out)
    data = {"type": "usdClassTransfer", "amount": "1", "toPerp": True}
    given = ("hyperliquid", "POST", path, "--data", json.dumps(data), "--example", *AT)
    _, out, _ = told(capsys, *given)
    assert (
        '  typed data  HyperliquidTransaction:UsdClassTransfer {"hyperliquidChain":"Mainnet",'
        '"amount":"1","toPerp":true,"nonce":1700000000123}\n'
    ) in out


def test_help_is_plain_and_names_all_methods(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sign", "--help"])
    shown = capsys.readouterr().out
    assert "`" not in shown
    assert "GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS" in shown


def test_it_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "networkpype", "sign", *OKX, "--example"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 signature" in done.stdout


def test_what_is_signed_besides_the_request_is_cut_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"KEY": "k" * 20, "SECRET": PLANTED["secret 2"], "PASSPHRASE": PLANTED["passphrase 2"]}
    for name, value in fields.items():
        monkeypatch.setenv(f"X_{name}", value)
    _, out, _ = told(capsys, "kucoin", "GET", "/api/v1/accounts", "--env", "X", *AT)
    mac = hmac.new(fields["SECRET"].encode(), fields["PASSPHRASE"].encode(), "sha256")
    passphrase = base64.b64encode(mac.digest()).decode()
    assert f"KC-API-PASSPHRASE: {passphrase[:5]}... (44 characters)" in out
    path, data = PATHS["hyperliquid"]
    given = ("hyperliquid", "POST", path, "--data", json.dumps(data), "--example", *AT)
    _, out, _ = told(capsys, *given)
    body = unwrapped(out).partition("4 placing")[2]
    assert re.search(r'"r":"0x\w{4}\.\.\. \(66 characters\)","s":"0x\w{4}\.\.\. ', body)
