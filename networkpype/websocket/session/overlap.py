"""Which messages came twice while two connections stood side by side."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Overlap"]


class Overlap:
    """Pair the frames of two connections: the second of a pair is the duplicate.

    A frame that one connection sends twice is two messages, and has to come twice on the other.
    Of each connection the last `most` frames that were alone are remembered: while a dial takes its
    time, the other connection goes on delivering. Remembered is their hash, which is Python's keyed
    one of 64 bits: two that differ are taken for one once in 10^14 frames, and by nobody's design.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._alone: dict[int, OrderedDict[int, int]] = {}

    def is_second(self, epoch: int, raw: str | bytes) -> bool:
        """Tell whether this frame came on the other connection before."""
        seen = hash(raw) if type(raw) is str else ~hash(raw)  # the hash of a text is its bytes'
        for other, alone in self._alone.items():
            if other != epoch and seen in alone:
                alone[seen] -= 1
                if not alone[seen]:
                    del alone[seen]
                return True
        alone = self._alone.setdefault(epoch, OrderedDict())
        alone[seen] = alone.get(seen, 0) + 1
        if len(alone) > self._most:
            alone.popitem(last=False)
        return False
