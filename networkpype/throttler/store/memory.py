"""The store that counts in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from networkpype.throttler.kinds import LimitKind
from networkpype.throttler.meters.base import Meter
from networkpype.throttler.meters.bucket import Bucket
from networkpype.throttler.meters.window import FixedWindow, Slots, Window
from networkpype.throttler.store.base import Account, Capacity, Charge, Observation, Usage

__all__ = ["MemoryStore"]

_BUCKETS = frozenset({LimitKind.TOKEN_BUCKET, LimitKind.DECAYING_COUNTER})


class MemoryStore:
    """One exact meter a limit; a window's memory grows with what is charged in its interval."""

    def __init__(self) -> None:
        self._limits: dict[str, Capacity] = {}
        self._meters: dict[str, Meter] = {}

    def configure(self, limits: Mapping[str, Capacity]) -> None:
        meters = {}
        for limit_id, capacity in limits.items():
            meter = self._meters.get(limit_id)
            if meter is None or not _resized(meter, self._limits[limit_id], capacity):
                meter = _meter(limit_id, capacity)
            meters[limit_id] = meter
        self._meters, self._limits = meters, dict(limits)

    def account(self, charges: Sequence[Charge]) -> Account:
        metered = tuple((self._meters[each.limit_id], *each[1:]) for each in charges)
        rolling = [(meter, *rest) for meter, *rest in metered if type(meter) is Window]
        if len(rolling) < len(metered):
            return _Account(metered)
        if len(metered) == 1 and not metered[0][2]:
            return _OneWindow(metered)
        return _Windows(metered)

    def usage(self, limit_id: str, now: float) -> Usage:
        meter = self._meters[limit_id]
        used = meter.counted(now)
        return Usage(used, meter.free_at(1, now), meter.held, meter.blocked_until)

    def block(self, limit_id: str, until: float, now: float) -> None:
        self._meters[limit_id].block(until, now)

    def unblock(self, limit_id: str, now: float) -> None:
        meter = self._meters[limit_id]
        meter.blocked_until = min(meter.blocked_until, now)

    def observe(self, limit_id: str, seen: Observation, now: float) -> tuple[float, float]:
        return self._meters[limit_id].observe(seen, now)

    def fresh(self) -> MemoryStore:
        return MemoryStore()

    def __repr__(self) -> str:
        return f"MemoryStore({', '.join(map(repr, self._meters.values()))})"


def _meter(limit_id: str, capacity: Capacity) -> Meter:
    units, interval, kind, per_second, margin_s, ahead, doubt = capacity
    if kind in _BUCKETS:
        return Bucket(limit_id, units, per_second, margin_s)
    if kind is LimitKind.CONCURRENT:
        return Slots(limit_id, units, interval)
    if kind is LimitKind.FIXED_WINDOW:
        return FixedWindow(limit_id, units, interval, ahead or (lambda: 0.0), margin_s, doubt)
    return Window(limit_id, units, interval + margin_s, margin_s)


def _resized(meter: Meter, before: Capacity, after: Capacity) -> bool:
    """Give a meter its new size, if it can have it: a limit of another kind begins anew."""
    if before.kind is not after.kind:
        return False
    meter.capacity = after.units
    if isinstance(meter, Bucket):
        meter.per_second = after.per_second
    elif isinstance(meter, FixedWindow):
        meter.resize(after.time_interval)
    elif isinstance(meter, Window):
        rolling = type(meter) is Window
        meter.time_interval = after.time_interval + (after.margin_s if rolling else 0.0)
    return True


class _Account:
    """Charges meters of any kind."""

    __slots__ = ("_charges",)

    def __init__(self, charges: tuple[tuple[Meter, int, int], ...]) -> None:
        self._charges = charges

    @property
    def charges(self) -> tuple[Charge, ...]:
        return tuple(Charge(meter.limit_id, *rest) for meter, *rest in self._charges)

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        again_at = now
        for meter, weight, reserve in self._charges:
            needed = weight + reserve + (ahead.get(meter.limit_id, 0) if ahead else 0)
            again_at = max(again_at, meter.free_at(needed, now))
        if again_at > now:
            return again_at
        for meter, weight, _ in self._charges:
            if hold:
                meter.hold(weight, now)
            else:
                meter.charge(weight, now)
        return None

    def forecast(self, now: float, ahead: Mapping[str, int]) -> float:
        return max(
            (
                meter.forecast(weight + reserve + ahead.get(meter.limit_id, 0), now)
                for meter, weight, reserve in self._charges
            ),
            default=now,
        )

    def lift(self, at: float, now: float) -> bool:
        lifted: list[tuple[Meter, int]] = []
        for meter, weight, _ in self._charges:
            if not meter.lift(weight, at, now):
                break
            lifted.append((meter, weight))
        else:
            return True
        for meter, weight in lifted:
            meter.release(weight)
        for meter, weight, _ in self._charges[len(lifted) :]:
            meter.refund(weight, at)
        return False

    def settle(self, now: float) -> None:
        for meter, weight, _ in self._charges:
            meter.settle(weight, now)

    def refund(self, at: float | None) -> None:
        for meter, weight, _ in self._charges:
            if at is None:
                meter.release(weight)
            else:
                meter.refund(weight, at)


class _Windows(_Account):
    """The same for rolling windows alone, with their arithmetic in place of calls."""

    __slots__ = ("_windows",)

    def __init__(self, charges: tuple[tuple[Meter, int, int], ...]) -> None:
        super().__init__(charges)
        self._windows: tuple[tuple[Window, int, int], ...] = charges  # type: ignore[assignment]

    def try_charge(
        self, now: float, ahead: Mapping[str, int] | None = None, hold: bool = False
    ) -> float | None:
        again_at = now
        for window, weight, reserve in self._windows:
            times = window.times
            if times and now - times[0] >= window.time_interval:
                window.expire(now)
            needed = weight + reserve
            if ahead:
                needed += ahead.get(window.limit_id, 0)
            if window.used + needed > window.capacity:
                again_at = max(again_at, window.free_at(needed, now))
        if again_at > now:
            return again_at
        for window, weight, _ in self._windows:
            window.used += weight
            if hold:
                window.held += weight
            else:
                window.times.append(now)
                window.weights.append(weight)
        return None


class _OneWindow(_Windows):
    """The same for one window: half of what a throttled call costs."""

    __slots__ = ("_weight", "_window")

    def __init__(self, charges: tuple[tuple[Meter, int, int], ...]) -> None:
        super().__init__(charges)
        self._window, self._weight, _ = self._windows[0]

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
            again_at = window.free_at(weight, now)
            if again_at > now:
                return again_at
            used = window.used + weight  # a block was over
        window.used = used
        if hold:
            window.held += weight
        else:
            times.append(now)
            window.weights.append(weight)
        return None

    def lift(self, at: float, now: float) -> bool:
        if self._window.lift(self._weight, at, now):
            return True
        self._window.refund(self._weight, at)
        return False

    def settle(self, now: float) -> None:
        self._window.settle(self._weight, now)
