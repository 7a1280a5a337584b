"""One WebSocket client's conversation with the exchange, without the socket: text in, reply out."""

from __future__ import annotations

from collections.abc import Callable

from networkpype import codec
from networkpype.testing.verifier import Verifier

__all__ = ["PRIVATE_TOPICS", "Subscriber"]

PRIVATE_TOPICS = frozenset({"account.update", "orders"})

Reply = dict[str, object]


class Subscriber:
    """Remember what a client subscribed to and whether it logged in.

    Public topics are ``<symbol>@<anything>``; private ones are `PRIVATE_TOPICS` and need a login.
    """

    def __init__(self, verifier: Verifier, time_ms: Callable[[], int]) -> None:
        self._verifier = verifier
        self._time_ms = time_ms
        self._topics: dict[str, None] = {}  # a set that keeps the order
        self.logged_in = False

    @property
    def topics(self) -> tuple[str, ...]:
        """What it is subscribed to, in the order of subscribing."""
        return tuple(self._topics)

    def reply(self, frame: str | bytes) -> Reply:
        """Take one frame from the client and return what to send back."""
        if isinstance(frame, bytes):
            return _error(400, "send JSON in text frames, not binary ones", None)
        try:
            message = codec.loads(frame)
        except (ValueError, RecursionError):
            return _error(400, "malformed JSON", None)
        if not isinstance(message, dict):
            return _error(400, "send a JSON object", None)
        id_ = message.get("id")
        if message.get("op") == "login":
            return self._login(message.get("args"), id_)
        method = message.get("method")
        if method == "PING":
            return {"result": "pong", "id": id_}
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return _error(
                400, 'unknown command; known: SUBSCRIBE, UNSUBSCRIBE, PING, "op": "login"', id_
            )
        return self._subscribe(method == "SUBSCRIBE", message.get("params"), id_)

    def _login(self, args: object, id_: object) -> Reply:
        refusal = self._verifier.check_login(args, self._time_ms())
        if refusal is not None:
            error = {"code": 401, "message": refusal}
            return {"op": "login", "status": "error", "error": error, "id": id_}
        self.logged_in = True
        return {"op": "login", "status": "success", "id": id_}

    def _subscribe(self, on: bool, topics: object, id_: object) -> Reply:
        """Subscribe to all of the topics or, where one is refused, to none."""
        if not isinstance(topics, list) or not topics:
            return _error(400, "params must be a list of topics", id_)
        for topic in topics:
            if not _is_known(topic):
                return _error(400, f"unknown topic {topic!r}", id_)
            if on and topic in PRIVATE_TOPICS and not self.logged_in:
                return _error(401, f"log in before subscribing to {topic}", id_)
        for topic in topics:
            if on:
                self._topics[topic] = None
            else:
                self._topics.pop(topic, None)
        return {"result": None, "id": id_}


def _is_known(topic: object) -> bool:
    if not isinstance(topic, str):
        return False
    if topic in PRIVATE_TOPICS:
        return True
    symbol, _, channel = topic.partition("@")
    return bool(symbol and channel)


def _error(code: int, message: str, id_: object) -> Reply:
    return {"error": {"code": code, "message": message}, "id": id_}
