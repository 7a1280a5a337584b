"""The live screen; it needs the `rich` extra."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.rows import rows
from examples.demo.story import Story
from examples.demo.tally import Promise

__all__ = ["LiveScreen"]

_FRAME_S = 0.1


class LiveScreen:
    """A panel that is redrawn ten times a second."""

    def __init__(self) -> None:
        self._console = Console()

    async def follow(self, story: Story) -> None:
        with Live(self._panel(story), console=self._console, auto_refresh=False) as live:
            try:
                while True:
                    await asyncio.sleep(_FRAME_S)
                    live.update(self._panel(story), refresh=True)
            finally:
                live.update(self._panel(story), refresh=True)

    def _panel(self, story: Story) -> Panel:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold cyan", justify="right")
        table.add_column()
        for label, text in rows(story):
            table.add_row(label, Text(text))
        title = "two connectors on mock exchanges that fail them"
        return Panel(table, title=title, title_align="left")

    def verdict(self, promises: list[Promise], elapsed_s: float) -> None:
        table = Table(
            title=f"What was promised, checked in {elapsed_s:.1f} s", title_justify="left"
        )
        table.add_column("")
        table.add_column("promise")
        table.add_column("seen")
        for promise in promises:
            mark = Text("kept", "green") if promise.kept else Text("BROKEN", "bold red")
            table.add_row(mark, promise.text, Text(promise.shown))
        self._console.print(table)
