"""Read the server's time before the first request that would need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from networkpype.errors import ConfigurationError
from networkpype.rest.processor.base import RESTPreProcessor
from networkpype.timekeeping.provider import (
    TimeProvider,
    check_provider,
    check_samples,
    check_seconds,
)

if TYPE_CHECKING:
    from networkpype.rest.request import RESTRequest
    from networkpype.time_synchronizer import TimeSynchronizer

__all__ = ["TimeSynchronizerRESTPreProcessor"]


class TimeSynchronizerRESTPreProcessor(RESTPreProcessor):
    """Measure the server's time when there is no sample yet, or the synchronizer is stale.

    `time_provider` returns an awaitable of the server's time in the synchronizer's unit. It may ask
    through the very manager that this processor belongs to: its own request passes through, and
    private ones wait for the one measurement of `samples` samples, at most the synchronizer's
    `timeout_s`. Public requests, and private ones after a failure, wait until it is `patience_s`
    old. It goes on in the background when the requests that wait for it are cancelled.

    A failing source breaks no request: it is logged, announced by `ClockSyncFailed`, and asked
    again after 1 s, 2 s, 4 s, ... up to 60 s, while the last good offset or else the local clock
    stays in use. Only what waiting cannot cure, a ConfigurationError (such as a wrong unit) before
    there was any good sample, is raised, and to private requests alone.
    """

    def __init__(
        self,
        synchronizer: TimeSynchronizer,
        time_provider: TimeProvider,
        *,
        samples: int = 3,
        patience_s: float = 0.5,
    ) -> None:
        for method in ("sync_in_background", "time"):
            if not callable(getattr(synchronizer, method, None)):
                raise ConfigurationError(
                    f"synchronizer is {synchronizer!r}; pass a TimeSynchronizer"
                )
        check_provider(time_provider)
        check_samples(samples)
        self._synchronizer = synchronizer
        self._time_provider = time_provider
        self._samples = samples
        self._patience_s = check_seconds("patience_s", patience_s)

    @property
    def synchronizer(self) -> TimeSynchronizer:
        """Return the clock that this keeps."""
        return self._synchronizer

    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        """Return the request as it is, with the server's time known where it can be."""
        synchronizer = self._synchronizer
        if synchronizer.needs_sync:
            # What signs nothing can do without the time, and a source that just failed may hang.
            waits = request.is_auth_required and synchronizer.last_error is None
            await synchronizer.sync_in_background(
                self._time_provider, self._samples, patience_s=None if waits else self._patience_s
            )
        if synchronizer.misconfigured and request.is_auth_required:
            self._refuse()
        return request

    def _refuse(self) -> None:
        synchronizer = self._synchronizer
        # The question itself may be a private request, and must not be refused its own cure.
        if not synchronizer.initialized and not synchronizer.in_measurement:
            raise ConfigurationError(f"no server time to sign with: {synchronizer.last_error}")

    def __repr__(self) -> str:
        return f"TimeSynchronizerRESTPreProcessor({self._synchronizer!r})"
