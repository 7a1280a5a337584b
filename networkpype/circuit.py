"""Is it any use to ask this host now? Decided without a clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from networkpype.errors import CircuitOpenError, ConfigurationError
from networkpype.hooks import CircuitClosed, CircuitOpened, Hook, emit
from networkpype.wire import split_url

__all__ = ["CircuitBreaker", "CircuitState", "Trial"]


class CircuitState(Enum):
    """What a host's calls meet."""

    CLOSED = "closed"
    """They go out."""
    OPEN = "open"
    """They are refused."""
    HALF_OPEN = "half-open"
    """One of them goes out, to see; the others are refused."""


@dataclass(slots=True)
class _Circuit:
    """One host. `epoch` grows with each change of state: what was sent before says nothing now."""

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    changed_at: float = -math.inf
    epoch: int = 0

    def turn(self, state: CircuitState, now: float) -> None:
        self.state, self.changed_at = state, now
        self.epoch += 1


@dataclass(frozen=True, slots=True)
class Trial:
    """One call under way: what `admit` gives, and what the call's end is told with."""

    host: str
    epoch: int


class CircuitBreaker:
    """Leave a host alone for `cooldown_s` after so many `failures` in a row.

    A failure is a call that was lost on the way, timed out, or was answered with 5xx; any other
    answer, 429 among them, shows that the host is there. A call that timed out while it waited for
    one of `max_connections` is a failure too: nothing tells it from a host that does not answer.
    While the circuit is open, calls raise CircuitOpenError at once. Then one goes out: its success
    closes the circuit, its failure opens it again, and where it comes to no end within another
    `cooldown_s`, the next one goes out.

    One breaker serves any number of managers and counts each host (with its port) for itself.
    `now` is in seconds on a clock that does not run backwards; where it does, which is another
    event loop's, an open circuit lets a call out. `hook` receives CircuitOpened and CircuitClosed;
    without one, that of the first factory that has this breaker and a hook does.
    """

    def __init__(
        self, failures: int = 5, cooldown_s: float = 30.0, *, hook: Hook | None = None
    ) -> None:
        if type(failures) is not int or failures < 1:
            raise ConfigurationError(f"failures is {failures!r}; pass a whole number, at least 1")
        number = isinstance(cooldown_s, (int, float)) and not isinstance(cooldown_s, bool)
        if not number or not 0 < cooldown_s < math.inf:
            raise ConfigurationError(f"cooldown_s is {cooldown_s!r}; pass seconds above zero")
        if hook is not None and not callable(hook):
            raise ConfigurationError(f"hook is {hook!r}; pass a function that takes one event")
        self._failures = failures
        self._cooldown_s = cooldown_s
        self._hook = hook
        self._circuits: dict[str, _Circuit] = {}  # of hosts that have ever failed

    def adopt_hook(self, hook: Hook) -> None:
        """Tell this hook, unless there is one already: what opens and closes is told to one."""
        if self._hook is None:
            self._hook = hook

    def state(self, host: str) -> CircuitState:
        """Return what the calls of a host, or of a URL's, meet; one that never failed is CLOSED.

        The port belongs to a host where it is not the scheme's own: ``127.0.0.1:8080`` is another
        one than ``127.0.0.1``. A host without a port that never failed itself stands for the only
        one of its name that did. Raises ConfigurationError where that may be several.
        """
        circuit = self._circuits.get(self._named(host))
        return CircuitState.CLOSED if circuit is None else circuit.state

    def reset(self, host: str | None = None) -> None:
        """Let calls out at once to a host, named as in `state`, or to all; failures are forgotten.

        What was sent before says nothing of it any more. `hook` receives CircuitClosed for each
        that was not closed.
        """
        hosts = list(self._circuits) if host is None else [self._named(host)]
        for name in hosts:
            if (circuit := self._circuits.get(name)) is not None:
                self._close(name, circuit)

    def check(self, host: str, now: float) -> None:
        """Raise CircuitOpenError where a call would be refused now; it admits none."""
        circuit = self._circuits.get(host)
        if circuit is not None and (left_s := self._left_s(circuit, now)) > 0:
            raise self._refusal(host, circuit, left_s)

    def admit(self, host: str, now: float) -> Trial:
        """Return what to tell the call's end with: `succeed`, `fail` or `abandon`, once each.

        Raises CircuitOpenError.
        """
        circuit = self._circuits.get(host)
        if circuit is None:
            return Trial(host, 0)
        if circuit.state is not CircuitState.CLOSED:
            self.check(host, now)
            circuit.turn(CircuitState.HALF_OPEN, now)
        return Trial(host, circuit.epoch)

    def succeed(self, trial: Trial) -> None:
        """The host answered."""
        circuit = self._circuits.get(trial.host)
        if circuit is None or circuit.epoch != trial.epoch:
            return
        if circuit.state is CircuitState.CLOSED:
            circuit.failures = 0
        else:
            self._close(trial.host, circuit)

    def fail(self, trial: Trial, now: float) -> None:
        """The call was lost, or the host answered that it is broken."""
        circuit = self._circuits.get(trial.host)
        if circuit is None:
            circuit = self._circuits[trial.host] = _Circuit()
        if circuit.epoch != trial.epoch:
            return
        circuit.failures += 1
        if circuit.state is CircuitState.HALF_OPEN or circuit.failures >= self._failures:
            circuit.turn(CircuitState.OPEN, now)
            emit(self._hook, CircuitOpened(trial.host, circuit.failures, self._cooldown_s))

    def abandon(self, trial: Trial, now: float) -> None:
        """The call ended without a word about the host: it was cancelled, or never sent."""
        circuit = self._circuits.get(trial.host)
        if circuit is None or circuit.epoch != trial.epoch:
            return
        if circuit.state is CircuitState.HALF_OPEN:
            circuit.turn(CircuitState.OPEN, now - self._cooldown_s)  # the next one may go at once

    def _close(self, host: str, circuit: _Circuit) -> None:
        was = circuit.state
        circuit.turn(CircuitState.CLOSED, -math.inf)
        circuit.failures = 0
        if was is not CircuitState.CLOSED:
            emit(self._hook, CircuitClosed(host))

    def _named(self, text: str) -> str:
        """Return the host that is meant, with its port; raise ConfigurationError."""
        host = _host_of(text)
        if host in self._circuits or _names_port(text):
            return host
        others = [each for each in self._circuits if each.rpartition(":")[0] == host]
        if len(others) > 1:
            raise ConfigurationError(
                f'"{host}" failed at several ports; pass one with its port: {", ".join(others)}'
            )
        return others[0] if others else host

    def _left_s(self, circuit: _Circuit, now: float) -> float:
        if circuit.state is CircuitState.CLOSED or now < circuit.changed_at:
            return 0.0
        return circuit.changed_at + self._cooldown_s - now

    def _refusal(self, host: str, circuit: _Circuit, left_s: float) -> CircuitOpenError:
        what = (
            "one call is on its way to see whether it is back"
            if circuit.state is CircuitState.HALF_OPEN
            else f"it is left alone for {left_s:.3g} s"
        )
        return CircuitOpenError(
            f"{host} failed {circuit.failures} times in a row and {what}; nothing was sent. Call "
            f'again then, or reset("{host}") of the CircuitBreaker where you know that it is back',
            host=host,
            retry_after=left_s,
        )

    def __repr__(self) -> str:
        states = {host: each.state.value for host, each in self._circuits.items()}
        return (
            f"CircuitBreaker(failures={self._failures}, cooldown_s={self._cooldown_s:g}, {states})"
        )


def _host_of(text: str) -> str:
    """Return the host as it is counted; raise ConfigurationError for what can be none."""
    if not isinstance(text, str):
        raise ConfigurationError(f"host is a {type(text).__name__}; pass a host or a URL")
    return split_url(text if "://" in text else f"https://{text}").host


def _names_port(text: str) -> bool:
    """Tell whether there is a port, or a scheme, which has one of its own."""
    return ":" in text.partition("/")[0].rpartition("]")[2]
