"""When an exchange refuses a timestamp: how to tell, and what to do about the clock."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from networkpype import codec
from networkpype.rest.processor.time_synchronizer import TimeSynchronizerRESTPreProcessor

if TYPE_CHECKING:
    from networkpype.rest.request import RESTRequest
    from networkpype.time_synchronizer import TimeSynchronizer

__all__ = ["RefusedClock", "TimestampRefused", "is_timestamp_refusal", "refused_clock"]

TimestampRefused: TypeAlias = Callable[[int, bytes], bool]
"""Is given the status and body of an answer to a private request."""

# By the member of the answer: the codes that say the clock is off, and nothing else.
_CODES: dict[str, frozenset[str]] = {
    "code": frozenset(
        {
            # Binance: https://developers.binance.com/docs/binance-spot-api-docs/errors
            "-1021",
            # OKX: https://github.com/pyted/okx/issues/1 (expired), and also
            # https://web3.okx.com/onchainos/docs/waas/marketplace-error-code (invalid)
            *("50102", "50112"),
            # KuCoin: https://www.kucoin.com/docs-new/error-code/websocket, gateway errors
            "400002",
            # Bitget: https://github.com/JKorf/Bitget.Net, BitgetErrors.cs
            "40008",
            # MEXC: https://github.com/JKorf/Mexc.Net, MexcErrors.cs
            "700003",
            # Crypto.com, whose nonce is the time: https://github.com/JKorf/CryptoCom.Net,
            # CryptoComErrors.cs
            "40102",
        }
    ),
    # Bybit: https://bybit-exchange.github.io/docs/v5/error
    "retCode": frozenset({"10002"}),
    # Gate, as its sockets say it too: networkpype.exchanges.gate
    "label": frozenset({"REQUEST_EXPIRED"}),
}  # all read 2026-11-21
# Most answers are told apart here, without parsing them.
_ANY_CODE = re.compile(
    "|".join(sorted(each for codes in _CODES.values() for each in codes)).encode()
)
_LONGEST_REFUSAL = 2000  # bytes

_LEAST_BETWEEN_S = 5.0
"""A clock that was measured and is refused again within this is not measured once more: the
exchange has another reason, such as a slow network and a narrow window."""


def is_timestamp_refusal(status: int, body: bytes) -> bool:
    """Tell whether the answer refuses a timestamp, by the codes of eight exchanges.

    Some say so in an answer with status 200. Other exchanges' codes need a function of their own.
    """
    if len(body) > _LONGEST_REFUSAL or _ANY_CODE.search(body) is None:
        return False
    try:
        answer = codec.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    return any(str(answer.get(member)) in codes for member, codes in _CODES.items())


class RefusedClock:
    """Have the clock measured anew when its timestamp is refused, once for all calls that were.

    A clock that is distrusted is measured by the pre-processor before the next signature, for all
    who wait then at once. Without one (`in_time` is False) whoever sends again awaits `mend`, and
    for other calls the refresher in the background measures within a second.
    """

    def __init__(
        self,
        synchronizer: TimeSynchronizer,
        *,
        in_time: bool,
        processor: TimeSynchronizerRESTPreProcessor | None = None,
    ) -> None:
        self._synchronizer = synchronizer
        self._in_time = in_time
        self._processor = processor
        self._doubted_at = -math.inf

    @property
    def is_due(self) -> bool:
        """Tell whether the pre-processor would measure it now."""
        synchronizer = self._synchronizer
        return (
            self._processor is not None
            and synchronizer.needs_sync
            and not synchronizer.in_measurement
        )

    async def measure_ahead(self, request: RESTRequest, patience_s: float) -> None:
        """Have the pre-processor measure it before capacity is taken.

        The question may need the same limit: asked by a call that has the one place of a key, it
        would wait for that call, which waits for the answer.
        """
        if self._processor is not None:
            deadline = asyncio.timeout(patience_s)
            try:
                async with deadline:
                    await self._processor.pre_process(request.__deepcopy__({}))
            except TimeoutError:
                if not deadline.expired():
                    raise

    def refused(self, signed_at: float, now: float) -> bool:
        """Distrust the clock that signed at that time; tell whether signing anew can help.

        Both instants are on the event loop's clock.
        """
        synchronizer = self._synchronizer
        if synchronizer.in_measurement:
            return False  # this call is the question itself
        if synchronizer.initialized and not synchronizer.stale:
            if signed_at <= self._doubted_at <= now:
                return True  # measured since
            if now - self._doubted_at < _LEAST_BETWEEN_S and self._doubted_at <= now:
                return False
            self._doubted_at = now
            synchronizer.distrust()
        measured = self._in_time or synchronizer.time_provider is not None
        return measured and synchronizer.needs_sync

    async def mend(self, patience_s: float) -> None:
        """See that the next signature comes from a clock that was measured since, as far as can be.

        Joins a measurement under way, which goes on when this is cancelled.
        """
        provider = self._synchronizer.time_provider
        if not self._in_time and provider is not None and self._synchronizer.needs_sync:
            await self._synchronizer.sync_in_background(provider, patience_s=patience_s)

    def __repr__(self) -> str:
        return f"RefusedClock({self._synchronizer!r})"


def refused_clock(
    synchronizer: TimeSynchronizer | None, pre_processors: Iterable[object]
) -> RefusedClock | None:
    """Return the clock that signs for a manager with these pre-processors; None where none may."""
    for processor in pre_processors:
        if isinstance(processor, TimeSynchronizerRESTPreProcessor):
            return RefusedClock(processor.synchronizer, in_time=True, processor=processor)
    if synchronizer is None or not hasattr(synchronizer, "distrust"):  # one of the user's own
        return None
    return RefusedClock(synchronizer, in_time=False)
