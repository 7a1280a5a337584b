"""Whose answer it is: what INFO tells of a server."""

from __future__ import annotations

import re

from networkpype.shared.faults import Faulty

__all__ = ["run_id_in"]

_MISTAKEN = {
    "cluster": (
        "it is a node of a Redis Cluster, and was passed as a single Redis; pass "
        "redis.asyncio.RedisCluster.from_url(...)"
    ),
    "sentinel": (
        "it is a sentinel, and was passed as a Redis; pass "
        "redis.asyncio.sentinel.Sentinel(...).master_for(...)"
    ),
}


def run_id_in(told: bytes | str | None, mode: str, is_needed: bool) -> str:
    """Return the `run_id` that INFO tells, of a server in this `redis_mode`; empty where it may be.

    None is for a user who may not ask. Raises Faulty.
    """
    if told is None:
        if is_needed:
            raise Faulty(
                "its user may not run INFO, by which a failover is known; allow +info", True
            )
        return ""
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else told
    is_in = re.search(r"^redis_mode:(\w+)", text, re.MULTILINE)
    if is_in and is_in.group(1) != mode and is_in.group(1) in _MISTAKEN:
        raise Faulty(_MISTAKEN[is_in.group(1)], True)
    found = re.search(r"^run_id:(\w+)", text, re.MULTILINE)
    if found is None and is_needed:
        raise Faulty("INFO tells no run_id, by which a failover is known", True)
    return found.group(1) if found else ""
