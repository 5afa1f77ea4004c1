"""Tables as data: what each cell says, what it sorts by, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.report import words


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        sort: What it sorts by; None: its text.
        note: Said after it, smaller.
        span: A range and a point within 0 to 1, drawn beside the text: low, value, high.
        fill: A share drawn as a bar.
        colour: The bar's class: ``base`` or ``trained``.
        tone: ``better``, ``worse`` or nothing: the text's colour.
        chips: Labels with their numbers, instead of the text.
        code: Whether the text is an identifier.
    """

    text: str
    sort: float | None = None
    note: str = ""
    span: tuple[float, float, float] | None = None
    fill: float | None = None
    colour: str = "trained"
    tone: str = ""
    chips: Sequence[tuple[str, str]] = ()
    code: bool = False


@dataclass(frozen=True)
class Head:
    """A column: its label, whether it holds numbers, and the model whose dot stands before it."""

    label: str
    number: bool = False
    dot: str = ""


@dataclass(frozen=True)
class Grid:
    """A table that sorts by its columns; the first cell of each row names it."""

    columns: Sequence[Head]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)


def text(value: str, note: str = "") -> Cell:
    """A cell of words."""
    return Cell(value, note=note)


def count(value: int | None) -> Cell:
    """A cell with a whole number, grouped; a dash for None."""
    return Cell(words.DASH) if value is None else Cell(f"{value:,}", float(value))


def number(value: float | None, digits: int = 3) -> Cell:
    """A cell with a number; a dash for None."""
    return Cell(words.number(value, digits), value)


def share(value: float | None) -> Cell:
    """A cell with a share as a percentage; a dash for None."""
    return Cell(words.share(value), value)
