"""What the command line of ``networkpype sign`` gives: keys, a request, a moment, a nonce."""

from __future__ import annotations

import argparse
import json
from typing import Any

from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError
from networkpype.rest.request import RESTRequest

__all__ = ["Given", "StandingClock", "credentials_of", "in_options", "request_of", "seconds"]

_LATEST = 1e11  # the year 5138; milliseconds of today are beyond it


class StandingClock:
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        return self._now


def seconds(at: float) -> float:
    """Return a Unix time; refuse milliseconds, and what is no time."""
    if not 0 <= at < _LATEST:  # not "at < 0 or": a nan must not pass
        raise ConfigurationError(f"--at is {at:g}; pass Unix time in seconds")
    return at


class Given:
    """Gives one nonce or id, as often as it is asked for; a text of digits is a number."""

    def __init__(self, value: int | str) -> None:
        self._value = int(value) if isinstance(value, str) and value.isdecimal() else value
        self.asked = False

    def __call__(self) -> int | str:
        self.asked = True
        return self._value


# What an error tells the author of a program, and what it means here.
_OPTIONS = {
    "leave out sandbox=True": "leave out --sandbox",
    "pass the action as data={...}": "pass the action as --data '{...}'",
    "pass data={...}": "pass --data '{...}'",
    'pass data={"type": ..., ...}, the action': """pass --data '{"type": ..., ...}', the action""",
    "pass method=RESTMethod.POST": "sign POST",
    "leave out is_auth_required": "there is nothing to show",
    "pass Credentials(origins=[...]) to allow it": (
        "with --toml, origins = [...] in the table allows it"
    ),
}


def in_options(problem: str) -> str:
    """Return what an error tells, in the words of the command line."""
    for said, meant in _OPTIONS.items():
        problem = problem.replace(said, meant)
    return problem


def credentials_of(options: argparse.Namespace) -> Credentials:
    """Read the keys from where the options say."""
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


def request_of(options: argparse.Namespace, rest_url: str) -> RESTRequest:
    """Build the request that the options describe."""
    url = f"{rest_url}{options.url}" if options.url.startswith("/") else options.url
    if "://" not in url:
        raise ConfigurationError(
            f'URL is "{url}"; begin a path with "/", and a whole URL with https://'
        )
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
