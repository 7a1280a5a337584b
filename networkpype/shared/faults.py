"""What is wrong with a Redis, in words that hold neither user nor password."""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import Any, NamedTuple

__all__ = ["Faulty", "fault_of", "too_late", "where_is"]

# A word such as READONLY or CLUSTERDOWN, with which Redis begins an error.
_CODE = re.compile(r"[A-Z]{3,20}\b")
# What OpenSSL says of an answer in plain text; the names differ by its version.
_SPOKE_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_UNREACHED = "cannot be reached: "
_NO_TLS = "is that port one for TLS? If not, write redis:// (for a client, ssl=False)"


class Fault(NamedTuple):
    """What failed; `is_final` where no waiting mends it, but somebody who sets it right."""

    reason: str
    is_final: bool = False


class Faulty(Exception):
    """Something is wrong with what answers, or with who was asked."""

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.fault = Fault(reason, is_final)


def where_is(client: Any) -> str:
    """Return the host and port of a client of redis-py, as far as its settings tell."""
    node = _first_node(client)
    if node is not None:
        return f"Redis Cluster at {node.host}:{node.port}"
    pool = getattr(client, "connection_pool", None)
    service = getattr(pool, "service_name", None)
    if isinstance(service, str):
        return f'Redis "{service}" of a sentinel'
    known = getattr(pool, "connection_kwargs", None)
    if not isinstance(known, dict):
        return "Redis"
    if known.get("path"):
        return f"Redis at {known['path']}"
    return f"Redis at {known.get('host', 'localhost')}:{known.get('port', 6379)}"


def is_tls(client: Any) -> bool:
    """Return whether a client of redis-py speaks TLS."""
    pool = getattr(client, "connection_pool", None)
    kind = getattr(_first_node(client) or pool, "connection_class", None)
    return any("SSL" in each.__name__ for each in getattr(kind, "__mro__", ()))


def _first_node(client: Any) -> Any:
    """Return a node of a client of a cluster."""
    manager = getattr(client, "nodes_manager", None)
    return next(iter(getattr(manager, "startup_nodes", {}).values()), None)


def too_late(timeout_s: float, connecting: bool, client: Any) -> Fault:
    """Return the fault of an answer that did not come within `timeout_s`."""
    reason = f"no answer within {timeout_s:g} s"
    if connecting and is_tls(client):
        reason += f" of TLS; {_NO_TLS}"
    return Fault(_UNREACHED + reason if connecting else reason)


def fault_of(error: BaseException, exceptions: Any, connecting: bool) -> Fault:
    """Return what an error of redis-py says; `exceptions` are its kinds.

    Nothing of its message is quoted, which may hold what Redis was given.
    """
    name, said = type(error).__name__, str(error)
    if isinstance(error, Faulty):
        return error.fault
    if isinstance(error, exceptions.AuthenticationError):
        return Fault(f"wrong user or password, or none given ({name})", True)
    if isinstance(error, exceptions.ResponseError):
        if isinstance(error, exceptions.TryAgainError):
            return Fault(f"the slot of its keys is being moved ({name})")
        if isinstance(error, exceptions.AskError):  # MovedError is one
            return Fault(f"its keys are on another node ({name})")
        if isinstance(error, exceptions.ReadOnlyError):
            # Not final: after a failover it may be the master again, or its name another's.
            return Fault(f"it is a replica, which takes no writes; pass the master ({name})")
        if isinstance(error, exceptions.ClusterDownError):
            return Fault(f"the cluster is down ({name})")
        code = _CODE.match(said)
        told = f"{name} {code.group()}" if code else name
        lower = said.lower()
        if isinstance(error, exceptions.NoPermissionError) or "can't run this command" in lower:
            return Fault(f"its user may not run a command that this needs ({told})", True)
        if "db index" in lower:
            return Fault(f"it has no database of that number ({told})", True)
        if "unknown command" in lower or "unknown redis command" in lower:
            return Fault(
                f"it does not know a command that this needs; Redis is 6.2 or newer ({told})", True
            )
        return Fault(f"it refuses ({told})")
    if isinstance(error, exceptions.BusyLoadingError):
        return Fault(f"it loads its data still ({name})")
    cause = _cause(error)
    reason = cause or f"the connection was closed ({name})"
    return Fault(_UNREACHED + reason if connecting else reason)


def _cause(error: BaseException | None) -> str:
    """Return what the operating system said."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            hint = f"; {_NO_TLS}" if error.reason in _SPOKE_NO_TLS else ""
            return f"TLS failed ({error.reason or type(error).__name__}){hint}"
        if isinstance(error, socket.gaierror):
            return str(error.strerror or "unknown host")
        if isinstance(error, OSError):
            # With several addresses it is one error of all their texts.
            number = error.errno or next(map(int, _ERRNO.findall(str(error))), None)
            return os.strerror(number) if number else type(error).__name__
        error = error.__cause__ or error.__context__
    return ""
