"""Which messages came twice while two connections stood side by side."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Overlap"]


class Overlap:
    """Pair the frames of two connections: the second of a pair is the duplicate.

    A frame that one connection sends twice is two messages, and has to come twice on the other.
    Of each connection the last `most` frames that were alone are remembered: while a dial takes its
    time, the other connection goes on delivering.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._alone: dict[int, OrderedDict[str | bytes, int]] = {}

    def is_second(self, epoch: int, raw: str | bytes) -> bool:
        """Tell whether this frame came on the other connection before."""
        for other, alone in self._alone.items():
            if other != epoch and raw in alone:
                alone[raw] -= 1
                if not alone[raw]:
                    del alone[raw]
                return True
        alone = self._alone.setdefault(epoch, OrderedDict())
        alone[raw] = alone.get(raw, 0) + 1
        if len(alone) > self._most:
            alone.popitem(last=False)
        return False
