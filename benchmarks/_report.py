"""A row of the report, and how the report is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Row", "table"]

_MARKS = {True: "ok", False: "MISSED", None: "-"}


class Row(NamedTuple):
    """One figure: what was measured, the figure and its goal as text, and whether it was reached.

    `ok` is None for a figure that is told for comparison and has no goal.
    """

    name: str
    figure: str
    goal: str = ""
    ok: bool | None = None


def table(rows: Iterable[Sequence[Any]]) -> str:
    """Return the rows in columns: name, figure, goal, and how it went."""
    cells = [
        (str(name), str(figure), str(goal), _MARKS[None if ok is None else bool(ok)])
        for name, figure, goal, ok in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(3)] if cells else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in cells
    )
