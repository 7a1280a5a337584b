"""The URL of a Redis: what redis-py would misread in silence, or only at the first use, is told."""

from __future__ import annotations

import difflib
import inspect
import re
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from networkpype.errors import ConfigurationError

__all__ = ["check_options", "client_of"]

_FORMS = "redis://host:port/db, rediss://... for TLS, or unix:///path?db=0"
_ESCAPES = "in a user name or password, write what is no letter or digit by urllib.parse.quote"
_SEVERAL = (
    "for a cluster pass redis.asyncio.RedisCluster.from_url(...) of one of its nodes, and for "
    "sentinels redis.asyncio.sentinel.Sentinel([(host, port), ...]).master_for(...)"
)
_POOL_OPTIONS = ("max_connections",)
_BAD_VALUE = re.compile(r"Invalid value for ['`](\w+)")


def client_of(url: str) -> Any:
    """Return a client of `redis.asyncio` for the URL, without dialing.

    Raises ConfigurationError, which shows nothing of the URL: it may hold a password.
    """
    wrong = _wrong_with(url)
    if not wrong:
        try:
            return import_module("redis.asyncio").Redis.from_url(url)
        except ValueError as error:
            named = _BAD_VALUE.match(str(error))
            wrong = (
                f"{named.group(1)} in its query has no such value" if named else f"write {_FORMS}"
            )
    # Out here, without the error that may quote it.
    raise ConfigurationError(f"the URL of Redis cannot be used: {wrong}")


def check_options(pool: Any) -> None:
    """Refuse options of a pool of redis-py that its connections do not know."""
    kind, given = pool.connection_class, pool.connection_kwargs
    try:
        pool.make_connection()
        return
    except (TypeError, ValueError, AttributeError, import_module("redis.exceptions").RedisError):
        pass  # raised below, without what it quotes
    known = _options_of(kind)
    unknown = [name for name in given if name not in known]
    if not unknown:
        raise ConfigurationError(
            "redis-py makes no connection of these options of Redis; look at the values in the "
            "query of the URL, or that the client was given"
        )
    near = difflib.get_close_matches(unknown[0], known, n=1)
    if near:
        fix = f'did you mean "{near[0]}"?'
    elif any(name.startswith("ssl_") for name in unknown):
        fix = "options that begin with ssl_ are for TLS, which is rediss:// or ssl=True"
    else:
        fix = f"known: {', '.join(sorted(each for each in known if _fits_a_url(each)))}"
    raise ConfigurationError(
        "Redis was given an option, in the query of its URL or as an argument of its client, that "
        f"redis-py does not know; {fix}"
    )


def _wrong_with(url: str) -> str:
    """Return what is wrong with the URL, empty where nothing is."""
    if url != url.strip() or set(url) & set("\t\r\n"):
        return "it begins or ends with a blank, or has a line break or tab; strip() it"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return _wrong_hosts(url.partition("://")[2]) or f"write {_FORMS}; {_ESCAPES}"
    if parts.scheme not in ("redis", "rediss", "unix") or "://" not in url:
        return _wrong_scheme(parts.scheme)
    if parts.fragment or url.endswith("#"):
        return f'it has a "#"; {_ESCAPES}'
    if port == 0:
        return "port 0 is none; write the port, 6379 by default"
    return (
        _wrong_hosts(parts.netloc)
        or (_wrong_socket(parts) if parts.scheme == "unix" else _wrong_database(parts))
        or _wrong_query(parts)
    )


def _wrong_scheme(scheme: str) -> str:
    if "sentinel" in scheme or "cluster" in scheme:
        return f"it is not the URL of one Redis; {_SEVERAL}"
    return f"write {_FORMS}"


def _wrong_hosts(netloc: str) -> str:
    hosts = netloc.partition("/")[0].rpartition("@")[2]
    return f"it has several hosts; {_SEVERAL}" if "," in hosts else ""


def _wrong_socket(parts: SplitResult) -> str:
    if parts.path in ("", "/") or parts.netloc.rpartition("@")[2]:
        return "the path of a socket has three slashes before it: unix:///path"
    return ""


def _wrong_database(parts: SplitResult) -> str:
    named = re.fullmatch("/?([0-9]*)/?", parts.path)
    if named is None:
        return (
            "what stands behind host and port is the number of a database, as in "
            f"redis://host:6379/0; {_ESCAPES}"
        )
    other = dict(parse_qsl(parts.query)).get("db", "")
    if named.group(1) and other and named.group(1) != other:
        return "it has two databases, behind the port and as db=; write one"
    return ""


def _wrong_query(parts: SplitResult) -> str:
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if any(not value for _, value in options) or len(set(names)) < len(names):
        return f"its query has an option without a value, or twice; write ?name=value; {_ESCAPES}"
    return ""


def _options_of(kind: Any) -> list[str]:
    """Return the names that the constructor of a connection takes, its bases' among them."""
    signatures = [inspect.signature(each.__init__) for each in kind.__mro__ if each is not object]
    names = {name for each in signatures for name in each.parameters}
    return sorted({*names, *_POOL_OPTIONS} - {"self", "args", "kwargs"})


def _fits_a_url(name: str) -> bool:
    return name.startswith(("socket_", "health_check_", "client_", "ssl_", "protocol", "db"))
