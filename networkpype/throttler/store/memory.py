"""The store that counts in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from networkpype.throttler.store.base import Account, Capacity, Charge
from networkpype.throttler.window import Window

__all__ = ["MemoryStore"]


class MemoryStore:
    """One exact rolling window a limit; memory grows with what is charged within its interval."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        windows = {}
        for limit_id, capacity in limits.items():
            window = self._windows.get(limit_id) or Window(limit_id, *capacity)
            window.capacity, window.time_interval = capacity
            windows[limit_id] = window
        self._windows = windows

    def account(self, charges: Sequence[Charge]) -> Account:
        kind = _SingleAccount if len(charges) == 1 else _Account
        return kind(tuple((self._windows[limit_id], weight) for limit_id, weight in charges))

    def usage(self, limit_id: str, now: float) -> tuple[int, float]:
        window = self._windows[limit_id]
        window.expire(now)
        return window.used, window.free_at(1, now)

    def fresh(self) -> MemoryStore:
        return MemoryStore()

    def __repr__(self) -> str:
        used = ", ".join(f"{each.limit_id}={each.used}" for each in self._windows.values())
        return f"MemoryStore({used})"


class _Account:
    __slots__ = ("_charges",)

    def __init__(self, charges: tuple[tuple[Window, int], ...]) -> None:
        self._charges = charges

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        again_at = now
        for window, weight in self._charges:
            times = window.times
            if times and now - times[0] >= window.time_interval:
                window.expire(now)
            needed = weight + ahead.get(window.limit_id, 0) if ahead else weight
            if window.used + needed > window.capacity:
                again_at = max(again_at, window.free_at(needed, now))
        if again_at > now:
            return again_at
        for window, weight in self._charges:
            if hold:
                window.hold(weight)
            else:
                window.charge(weight, now)
        return None

    def lift(self, at: float, now: float) -> bool:
        if any(now - at >= window.time_interval for window, _ in self._charges):
            self.refund(at)
            return False
        for window, weight in self._charges:
            window.lift(weight, at)
        return True

    def settle(self, now: float) -> None:
        for window, weight in self._charges:
            window.settle(weight, now)

    def refund(self, at: float | None) -> None:
        for window, weight in self._charges:
            if at is None:
                window.release(weight)
            else:
                window.refund(weight, at)


class _SingleAccount(_Account):
    """The same for one window, without loop and calls: half of what a throttled call costs."""

    __slots__ = ("_weight", "_window")

    def __init__(self, charges: tuple[tuple[Window, int], ...]) -> None:
        super().__init__(charges)
        self._window, self._weight = charges[0]

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        if ahead:
            return super().try_charge(now, ahead, hold)
        window, weight = self._window, self._weight
        times = window.times
        if times and now - times[0] >= window.time_interval:
            window.expire(now)
        used = window.used + weight
        if used > window.capacity:
            return window.free_at(weight, now)
        window.used = used
        if not hold:
            times.append(now)
            window.weights.append(weight)
        return None

    def lift(self, at: float, now: float) -> bool:
        if now - at >= self._window.time_interval:
            self._window.refund(self._weight, at)
            return False
        self._window.lift(self._weight, at)
        return True

    def settle(self, now: float) -> None:
        self._window.settle(self._weight, now)
