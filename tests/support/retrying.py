"""What the tests of retries share: a policy that does not wait, and scripts that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from networkpype import Event, RetryScheduled
from networkpype.retry import Backoff, RetryPolicy
from tests.support.raw_server import Peer, RawServer, Script, answer

__all__ = ["AT_ONCE", "GONE", "OK", "answers", "hits", "policy", "waits"]

AT_ONCE = Backoff(jitter=lambda: 0.0)
GONE = None
"""In a script: execute the request, and die without an answer."""


def policy(**settings: Any) -> RetryPolicy:
    """A policy whose back-off is no wait."""
    return RetryPolicy(**{"backoff": AT_ONCE, **settings})


def answers(*script: bytes | Callable[[Peer], Any] | None) -> Script:
    """Meet each request, over all connections, with the next of these; the last is repeated."""
    left = list(script)

    async def play(peer: Peer) -> None:
        while True:
            request = await peer.request()
            step = left.pop(0) if len(left) > 1 else left[0]
            if step is None:
                return peer.reset()
            if callable(step):
                await step(peer)
            else:
                head, blank, _ = step.partition(b"\r\n\r\n")
                await peer.send(head + blank if request.startswith(b"HEAD ") else step)

    return play


def hits(server: RawServer) -> int:
    return len(server.requests)


def waits(events: list[Event]) -> list[float]:
    """Return the waits that were announced."""
    return [event.wait_s for event in events if isinstance(event, RetryScheduled)]


OK = answer(b'{"ok":1}')
