"""``networkpype sign``: each step of a signature, to compare with an exchange's error.

Nothing is sent. Keys and signatures are cut to their beginning, which is enough to compare, and
secrets are never shown; neither is taken from the command line, where other users could read it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

from networkpype.auth.schemes.draft import Draft
from networkpype.cli.masking import Shown, as_text
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError, NetworkpypeError
from networkpype.exchanges import exchange, exchange_auth, names
from networkpype.rest.request import RESTRequest
from networkpype.signing.nonces import Nonces
from networkpype.time_synchronizer import TimeSynchronizer

__all__ = ["add_to", "main"]

_LATEST = 1e11  # the year 5138; milliseconds of today are beyond it

_EPILOG = """\
examples:
  networkpype sign okx GET /api/v5/account/balance --param ccy=BTC --env OKX
  networkpype sign kraken POST /0/private/Balance --toml keys.toml kraken --nonce 1616492376594
  networkpype sign bybit POST /v5/order/create --data '{"symbol":"BTCUSDT"}' --example
"""


def add_to(commands: Any) -> None:
    """Add the command and its options to the program's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "sign",
        help="show each step of a request's signature, to compare with an exchange's error",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="print the names of all exchanges, and stop")
    add("exchange", nargs="?", metavar="EXCHANGE", help='a name such as "okx"; see --list')
    add("method", nargs="?", metavar="METHOD", help="GET, POST, PUT, DELETE or PATCH")
    add("url", nargs="?", metavar="URL", help="the whole URL, or a path of the exchange's API")
    add("--param", action="append", default=[], metavar="NAME=VALUE", help="one of `params`")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--data", metavar="JSON", help="`data` as JSON")
    body.add_argument(
        "--form", action="append", default=[], metavar="NAME=VALUE", help="one field of `data`"
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--env", metavar="PREFIX", help="read PREFIX_KEY, PREFIX_SECRET, ...")
    keys.add_argument(
        "--toml", nargs=2, metavar=("FILE", "TABLE"), help="read a table of a file of mode 0600"
    )
    keys.add_argument("--example", action="store_true", help="sign with made-up keys")
    add("--sandbox", action="store_true", help="the exchange's test network")
    add("--at", type=float, metavar="SECONDS", help="the Unix time to sign at; now by default")
    add("--nonce", metavar="N", help="the nonce; from the time by default")
    add("--id", metavar="ID", help="the id, where the exchange wants one")


def main(options: argparse.Namespace) -> int:
    """Print the steps; the result is the exit code."""
    if options.list:
        print("\n".join(names()))
        return 0
    try:
        lines = list(steps(options))
    except NetworkpypeError as error:
        problem = str(error)
    else:
        print("\n".join(lines))
        return 0
    sys.stderr.write(f"networkpype sign: {problem}\n")
    return 1


def steps(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of all steps."""
    if not (options.exchange and options.method and options.url):
        raise ConfigurationError("say what to sign: EXCHANGE METHOD URL; --list names exchanges")
    found = exchange(options.exchange, sandbox=options.sandbox)
    credentials = _credentials(options)
    now = time.time() if options.at is None else _seconds(options.at)
    clock = _Clock(now)
    nonce: int | str = options.nonce or Nonces(found.nonce_unit, clock.time)()
    if isinstance(nonce, str) and nonce.isdecimal():
        nonce = int(nonce)
    auth = exchange_auth(
        options.exchange,
        credentials,
        time_provider=cast("TimeSynchronizer", clock),
        nonce=_always(nonce),
        new_id=None if options.id is None else _always(options.id),
        sandbox=options.sandbox,
    )
    request = _request(options, found.rest_url)
    given = f"{request.url} {request.path_qs} {request.params!r} {request.data!r}"
    # Refuses what a manager's call would be refused for, such as another host.
    asyncio.run(auth.rest_authenticate(request.__deepcopy__({})))
    if auth.scheme is None:
        raise ConfigurationError(f"{found.name} signs no REST requests")
    shown = Shown(credentials, given)
    yield from shown.line("exchange", f"{found.name}, {found.rest_url}")
    yield from shown.line("time", f"{now:.3f}, {datetime.fromtimestamp(now, UTC):%F %T} UTC")
    for number, (step, draft) in enumerate(auth.scheme.steps(request, auth.identity), 1):
        yield ""
        yield f"{number} {step}"
        yield from _STEPS[step](draft, shown)
    yield ""
    yield "nothing was sent; keys and signatures are cut, secrets are hidden"


def _canonical(draft: Draft, shown: Shown) -> Iterator[str]:
    for name in ("timestamp", "expires", "nonce", "recv_window"):
        try:
            value = getattr(draft, name)
        except ConfigurationError:
            continue  # this scheme has none
        shown.known += f" {value}"
        if value:
            yield from shown.line(name.replace("_", " "), str(value))
    yield from shown.line("method", draft.method)
    yield from shown.line("path", draft.path)
    yield from shown.line("query", draft.query)
    yield from shown.line("body", as_text(draft.body))


def _to_sign(draft: Draft, shown: Shown) -> Iterator[str]:
    signed = draft.string_to_sign
    text = as_text(signed)
    size = len(signed if isinstance(signed, bytes) else signed.encode("utf-8", "surrogateescape"))
    parts = _token_parts(text)
    if parts:
        # Encoded, the key would not be known when it is seen.
        yield from shown.line("header", parts[0])
        yield from shown.line("claims", parts[1])
    else:
        shown.known += f" {text}"
        yield from shown.line("string", text)
    yield from shown.line("size", f"{size} bytes")


def _signature(draft: Draft, shown: Shown) -> Iterator[str]:
    shown.cut_too(draft.signature)
    yield from shown.line("signature", draft.signature)


def _placing(draft: Draft, shown: Shown) -> Iterator[str]:
    request = draft.request
    yield from shown.line("request", f"{request.method} {request.path_qs}")
    for name, value in (request.headers or {}).items():
        yield from shown.line("header", f"{name}: {value}")
    yield from shown.line("body", as_text(request.body_bytes))


_STEPS: dict[str, Callable[[Draft, Shown], Iterator[str]]] = {
    "canonical": _canonical,
    "string to sign": _to_sign,
    "signature": _signature,
    "placing": _placing,
}


def _token_parts(text: str) -> list[str]:
    """Return header and claims of a JSON Web Token as JSON, nothing for another text."""
    if text[:3] != "eyJ" or text.count(".") != 1:
        return []
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(".")]
    return [part.decode() for part in parts]


class _Clock:
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        return self._now


def _seconds(at: float) -> float:
    if not 0 <= at < _LATEST:  # not "at < 0 or": a nan must not pass
        raise ConfigurationError(f"--at is {at:g}; pass Unix time in seconds")
    return at


def _always(value: int | str) -> Callable[[], int | str]:
    return lambda: value


def _credentials(options: argparse.Namespace) -> Credentials:
    if options.env:
        return Credentials.from_env(options.env)
    if options.toml:
        return Credentials.from_toml(*options.toml)
    if options.example:
        return _made_up(options.exchange)
    raise MissingCredentialsError(
        "no credentials; name an environment prefix (--env OKX reads OKX_KEY, OKX_SECRET, ...) or "
        "a file of mode 0600 (--toml keys.toml okx), or sign with made-up keys (--example)"
    )


def _made_up(name: str) -> Credentials:
    if name == "hyperliquid":
        return Credentials(private_key="0x" + "01" * 32, wallet="0x" + "ab" * 20)
    return Credentials(
        key="EXAMPLE-KEY-00000000",
        # Fits as text, as base64, and as the 32 bytes of an Ed25519 key.
        secret="RVhBTVBMRS1TRUNSRVQtRVhBTVBMRS1TRUNSRVQtMDA=",  # noqa: S106
        passphrase="EXAMPLE-PASSPHRASE",  # noqa: S106
        memo="EXAMPLE-MEMO",
    )


def _request(options: argparse.Namespace, rest_url: str) -> RESTRequest:
    url = f"{rest_url}{options.url}" if options.url.startswith("/") else options.url
    data: Any = _pairs("--form", options.form) or None
    if options.data is not None:
        try:
            data = json.loads(options.data)
        except ValueError as error:
            problem = str(error)
        else:
            problem = ""
        if problem:
            raise ConfigurationError(f"--data is no JSON: {problem}")
    params = _pairs("--param", options.param) or None
    return RESTRequest(options.method, url, params=params, data=data)


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """Read NAME=VALUE; a name that is there twice is refused, for a mapping has it once."""
    out: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ConfigurationError(f'{option} takes NAME=VALUE; "{text}" has no "="')
        if name in out:
            raise ConfigurationError(f'{option} has "{name}" twice')
        out[name] = value
    return out
