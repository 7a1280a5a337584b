"""``networkpype sign``: each step of a signature, to compare with an exchange's error.

Nothing is sent. Keys and signatures are cut to their beginning, which is enough to compare, and
secrets are never shown; neither is taken from the command line, where other users could read it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

from networkpype.auth.schemes.draft import Draft
from networkpype.cli.given import (
    Given,
    StandingClock,
    credentials_of,
    in_options,
    request_of,
    seconds,
)
from networkpype.cli.masking import Shown, as_text, terminal_width
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, NetworkpypeError
from networkpype.exchanges import exchange, exchange_auth, names
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.method import RESTMethod
from networkpype.rest.request import RESTRequest
from networkpype.signing.nonces import Nonces
from networkpype.signing.timestamps import whole_ms
from networkpype.time_synchronizer import TimeSynchronizer

__all__ = ["add_to", "main"]

# Whose nonce is any text, although the default is a number (docs.deribit.com, read 2026-07).
_ANY_TEXT = frozenset({"deribit"})

_DESCRIPTION = """\
Show each step of a signature, to compare with an exchange's error.

Nothing is sent. Keys and signatures are cut to their beginning, which is enough to compare, and
secrets are never shown; neither is taken from the command line, where other users could read it.
"""

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
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="print the names of all exchanges, and stop")
    add("exchange", nargs="?", metavar="EXCHANGE", help='a name such as "okx"; see --list')
    add("method", nargs="?", metavar="METHOD", help=", ".join(each.value for each in RESTMethod))
    add("url", nargs="?", metavar="URL", help="the whole URL, or a path such as /api/v5/account")
    add(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one parameter of the query",
    )
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--data", metavar="JSON", help="the arguments of the body, as JSON")
    body.add_argument(
        "--form", action="append", default=[], metavar="NAME=VALUE", help="one argument of the body"
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--env", metavar="PREFIX", help="read PREFIX_KEY, PREFIX_SECRET, ...")
    keys.add_argument(
        "--toml", nargs=2, metavar=("FILE", "TABLE"), help="read a table of a file of mode 0600"
    )
    keys.add_argument("--example", action="store_true", help="sign with made-up keys")
    add("--sandbox", action="store_true", help="the exchange's test network")
    add("--at", type=float, metavar="SECONDS", help="the Unix time to sign at; now by default")
    add(
        "--nonce",
        metavar="N",
        help="the nonce, for exchanges that have one; by default from the time",
    )
    add("--id", metavar="ID", help="the id, for exchanges that have one")


def main(options: argparse.Namespace) -> int:
    """Print the steps; the result is the exit code."""
    if options.list:
        print("\n".join(names()))
        return 0
    try:
        lines = list(steps(options))
    except NetworkpypeError as error:
        problem = in_options(str(error))
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
    credentials = credentials_of(options)
    now = time.time() if options.at is None else seconds(options.at)
    clock = StandingClock(now)
    nonce = Given(options.nonce or Nonces(found.nonce_unit, clock.time)())
    new_id = Given(options.id or "")
    auth = exchange_auth(
        options.exchange,
        credentials,
        time_provider=cast("TimeSynchronizer", clock),
        nonce=nonce,
        new_id=None if options.id is None else new_id,
        sandbox=options.sandbox,
    )
    request = request_of(options, found.rest_url)
    given = f"{request.url} {request.path_qs} {request.params!r} {request.data!r}"
    # Refuses what a manager's call would be refused for, such as another host.
    asyncio.run(auth.rest_authenticate(request.__deepcopy__({})))
    if nonce.asked and isinstance(nonce(), str) and options.exchange not in _ANY_TEXT:
        _check_text(found, credentials, clock, request)
    given_for_nothing = [
        f"--{option}"
        for option, said, source in (("nonce", options.nonce, nonce), ("id", options.id, new_id))
        if said is not None and not source.asked
    ]
    if auth.scheme is None:
        raise ConfigurationError(f"{found.name} signs no REST requests")
    scheme = auth.scheme.chosen(request, auth.identity)
    shown = Shown(credentials, given, terminal_width())
    yield from shown.line("exchange", f"{found.name}, {found.rest_url}")
    ms = whole_ms(now)  # cut off, as in a timestamp
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    yield from shown.line("time", f"{ms // 1000}.{ms % 1000:03d}, {moment:%F %T} UTC")
    for number, (step, draft) in enumerate(scheme.steps(request, auth.identity), 1):
        yield ""
        yield f"{number} {step}"
        yield from _STEPS[step](draft, shown)
        if step == "string to sign":
            for name, text in scheme.explained(draft).items():
                shown.known += f" {text}"
                yield from shown.line(name, text)
    yield ""
    for option in given_for_nothing:
        yield f"{option} changed nothing: {found.name} asks for none in this request"
    yield "nothing was sent; keys and signatures are cut, secrets are hidden"


def _check_text(
    found: Exchange, credentials: Credentials, clock: StandingClock, request: RESTRequest
) -> None:
    """Refuse a nonce that is a text where the exchange's own would be a number."""
    usual = exchange_auth(found, credentials, time_provider=cast("TimeSynchronizer", clock))
    if usual.scheme is not None:
        _, draft = next(usual.scheme.steps(request.__deepcopy__({}), usual.identity))
        if getattr(draft, "nonce", "").isdecimal():
            raise ConfigurationError(f"{found.name}'s nonce is a whole number; pass --nonce digits")


def _canonical(draft: Draft, shown: Shown) -> Iterator[str]:
    for name in ("timestamp", "expires", "nonce", "recv_window"):
        value = getattr(draft, name, None)
        if value is None:
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
