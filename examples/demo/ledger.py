"""Did every order update arrive, or was it announced as missing?"""

from __future__ import annotations

__all__ = ["Ledger", "counted"]


def counted(number: int, thing: str) -> str:
    """Write ``1 gap``, ``2 gaps``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


class Ledger:
    """Count order updates by the numbers that the mock exchange gives them, from 1.

    What is missing between two that came counts as `announced` where a gap was told in between, and
    as `silent` where none was.
    """

    def __init__(self) -> None:
        self.arrived = 0
        self.announced = 0
        self.silent = 0
        self.repeated = 0
        self.gaps = 0
        self.last = 0
        self._is_gap_told = False

    def gap(self) -> None:
        """Note that the stream told of a gap."""
        self.gaps += 1
        self._is_gap_told = True

    def update(self, number: int) -> None:
        """Note the update of this number."""
        if number <= self.last:
            self.repeated += 1
            return
        self._missed(number - self.last - 1)
        self.arrived += 1
        self.last = number
        self._is_gap_told = False

    def finish(self, sent: int) -> None:
        """Note that there were so many updates in all."""
        self._missed(sent - self.last)
        self.last = sent

    def _missed(self, count: int) -> None:
        if self._is_gap_told:
            self.announced += count
        else:
            self.silent += count

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing was lost silently, and nothing came twice."""
        return not self.silent and not self.repeated and self.arrived > 0

    def __str__(self) -> str:
        said = f"{self.arrived} arrived + {self.announced} in {counted(self.gaps, 'announced gap')}"
        return f"{said} = {self.last} sent, {self.silent} lost silently, {self.repeated} repeated"
