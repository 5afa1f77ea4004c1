"""A pair on a terminal: the prompt, A and B beside or below each other, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.segment import Segment, SegmentLines
from rich.table import Table
from rich.text import Text

from pipeline.curation.blind_pairs import BlindPair
from pipeline.visible import visible

SIDE_BY_SIDE = 100
"""Columns from which A and B stand beside each other."""

_PROMPT_SHARE = 3
"""A folded prompt has one line in so many of the screen."""

_HELP = "a b better · t tie · n both bad · s skip · u undo · e edit · space/⌫ page · f fold prompt · q quit"

Line = list[Segment]


@dataclass(frozen=True)
class View:
    """What is to be seen.

    Attributes:
        pair: The pair; None where none is left.
        progress: How far the annotator is.
        correction: The correction that waits for a choice.
        message: What the last key did, or what is asked.
        unfolded: Whether all of a long prompt is shown.
        page: The page of the pair, from 0; one too high shows the last.
    """

    pair: BlindPair | None
    progress: str
    correction: str | None = None
    message: str = ""
    unfolded: bool = False
    page: int = 0


class Screen:
    """Draws views on a console, each over the last."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Draw on a screen of its own while the block runs; what was on the terminal before comes back."""
        with self._console.screen():
            yield

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Show the cursor while another program has the terminal."""
        self._console.show_cursor(True)
        try:
            yield
        finally:
            self._console.show_cursor(False)

    def draw(self, view: View) -> int:
        """Show a view.

        Returns:
            How many pages it has.
        """
        head, foot = self._lines(Text(view.progress, style="bold")), self._lines(Text(_HELP, style="dim"))
        note = self._lines(Text(visible(view.message), style="yellow")) if view.message else []
        # One line for the number of the page, and one for the cursor.
        height = max(self._console.height - len(head) - len(note) - len(foot) - 2, 3)
        body = self._body(view, height)
        pages = [body[start : start + height] for start in range(0, len(body), height)] or [[]]
        page = min(view.page, len(pages) - 1)
        told = f"page {page + 1} of {len(pages)}" if len(pages) > 1 else ""
        lines = [*head, *pages[page], *self._lines(Text(told, style="cyan")), *note, *foot]
        self._console.clear()
        self._console.print(SegmentLines(lines, new_lines=True), end="")
        return len(pages)

    def _body(self, view: View, height: int) -> list[Line]:
        if view.pair is None:
            return self._lines(Text("Every pair of the queue is answered. u takes the last back, q ends."))
        lines = self._prompt(view.pair, None if view.unfolded else max(height // _PROMPT_SHARE, 4))
        lines += self._lines(self._responses(view.pair))
        if view.correction is not None:
            lines += self._lines(_panel(view.correction, "your correction", "green"))
        return lines

    def _prompt(self, pair: BlindPair, most: int | None) -> list[Line]:
        lines = self._lines(_panel(pair.prompt, f"prompt of {pair.pair_id}", "blue"))
        if most is None or len(lines) <= most:
            return lines
        hidden = f"... {len(lines) - most} more lines of the prompt: f shows them"
        return lines[:most] + self._lines(Text(hidden, style="cyan"))

    def _responses(self, pair: BlindPair) -> RenderableType:
        panels = (_panel(pair.a, "A", "magenta"), _panel(pair.b, "B", "magenta"))
        if self._console.width < SIDE_BY_SIDE:
            return Group(*panels)
        table = Table.grid(expand=True)
        for _ in panels:
            table.add_column(ratio=1)
        table.add_row(*panels)
        return table

    def _lines(self, shown: RenderableType) -> list[Line]:
        return self._console.render_lines(shown, self._console.options.reset_height(), pad=False)


def _panel(text: str, title: str, style: str) -> Panel:
    return Panel(Text(visible(text), overflow="fold"), title=title, title_align="left", border_style=style)
