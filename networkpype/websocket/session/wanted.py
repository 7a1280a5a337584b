"""What should be subscribed, whatever becomes of connections."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from networkpype.websocket.subscriptions import Subscription

__all__ = ["Wanted"]


class Wanted:
    """Count who wants what, in the order in which it was first asked for."""

    def __init__(self, subscriptions: Sequence[Subscription] = ()) -> None:
        self._held: dict[Hashable, Subscription] = {}
        self._counts: dict[Hashable, int] = {}
        for subscription in subscriptions:
            self.add(subscription)

    def add(self, subscription: Subscription) -> bool:
        """Want it once more; return whether it is new."""
        key = subscription.key
        self._counts[key] = self._counts.get(key, 0) + 1
        if key in self._held:
            return False
        self._held[key] = subscription
        return True

    def remove(self, subscription: Subscription) -> bool:
        """Want it once less; return whether nobody wants it any more."""
        key = subscription.key
        count = self._counts.get(key, 0)
        if count > 1:
            self._counts[key] = count - 1
            return False
        self._counts.pop(key, None)
        return self._held.pop(key, None) is not None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._held.values())

    def __len__(self) -> int:
        return len(self._held)
