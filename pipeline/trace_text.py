"""A traced life as text: rich on a terminal, plain elsewhere, with long texts shortened or whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.errors import shorten
from pipeline.schema import ASPECTS
from pipeline.trace import PairLife, RowLife, Trace
from pipeline.trace_stages import DROPPED, KEPT, LOST, Row, Step, conversation

TEXT_CHARS = 160
"""Characters of a text that is shortened."""

MOST_MATES = 8
"""Cluster mates that are listed one by one unless all is asked for."""

_SIDES = {"chosen": "green", "rejected": "red"}
_STYLES = {KEPT: "green", DROPPED: "bold red", LOST: "bold yellow"}
_SCORES = {"overall_score": "overall", "fine_grained_score": "fine", "named_score": "named"}
_SCORES |= {aspect: aspect.replace("_", " ") for aspect in ASPECTS}


def print_trace(found: Trace, console: Console, full: bool = False) -> None:
    """Print a life.

    Args:
        found: What was traced.
        console: Where to print.
        full: Whether to print all of every text.
    """
    _TraceText(console, full).all_of(found)


class _TraceText:
    def __init__(self, console: Console, full: bool) -> None:
        self._console, self._full = console, full

    def all_of(self, found: Trace) -> None:
        """The headline, then row by row."""
        pairs = [pair for row in found.rows for pair in row.pairs]
        self._line(f"[bold]{found.kind} {found.id}[/bold]")
        if found.kind in ("row", "pair") and len(pairs) == 1:
            self._line(f"  {escape(_ending(pairs[0]))}")
        for row in found.rows:
            self._row(row)
        if found.further_rows:
            self._line(
                f"\nand {len(found.further_rows):,} further rows: {', '.join(found.further_rows[:5])}, ..."
            )

    def _row(self, row: RowLife) -> None:
        place = "" if row.file is None else f", {row.file} line {row.line}, source {row.source}"
        self._line(f"\n[bold]row {row.row_id}[/bold]{escape(place)}")
        if row.prompt is not None:
            self._text("prompt", conversation(row.prompt))
        for completion in row.completions:
            self._completion(completion, row.pairs)
        if row.steps:
            self._indented(self._steps(row.steps))
        for pair in row.pairs:
            self._pair(pair, {completion["completion"] for completion in row.completions})

    def _completion(self, completion: Row, pairs: list[PairLife]) -> None:
        """Who wrote it, what it scored, which side of a pair it became, and what it says."""
        scores = [f"{_SCORES[name]} {_number(completion[name])}" for name in _SCORES if name in completion]
        label = [f"labelled {completion['label']}"] if "label" in completion else []
        said = ", ".join([completion["model"] or "unknown model", *label, *scores])
        sides = [side for side in _SIDES if any(completion["completion"] == getattr(p, side) for p in pairs)]
        marks = "".join(f"  [{style}]{side}[/{style}]" for side, style in _SIDES.items() if side in sides)
        self._line(f"  [dim]completion {completion['index']}:[/dim] {escape(said)}{marks}")
        self._indented(Text(self._shortened(completion["completion"] or "(empty)")), 4)

    def _pair(self, pair: PairLife, said: Collection[str | None]) -> None:
        prompt = f", prompt {pair.prompt_id}" if pair.prompt_id else ""
        self._line(f"\n[bold]pair {pair.pair_id}[/bold]{prompt}")
        for side in _SIDES:
            text = getattr(pair, side)
            if text is not None and text not in said:
                self._text(side, text)
        self._indented(self._steps(pair.steps))

    def _steps(self, steps: list[Step]) -> Table:
        table = _table()
        for name in ("stage", "outcome", "what is known"):
            table.add_column(name, overflow="fold", no_wrap=name == "stage")
        for step in steps:
            style = _STYLES.get(step.outcome, "dim")
            outcome = step.outcome if step.reason is None else f"{step.outcome}: {step.reason}"
            known = "\n".join(self._facts(step.facts))
            table.add_row(step.stage, f"[{style}]{escape(outcome)}[/{style}]", escape(known))
        return table

    def _facts(self, facts: Row) -> Iterator[str]:
        """Each fact on a line of its own; numbers together on the first."""
        plain = [
            f"{name.replace('_', ' ')} {_number(value)}"
            for name, value in facts.items()
            if not isinstance(value, dict | list)
        ]
        if plain:
            yield ", ".join(plain)
        for name, value in facts.items():
            if name == "match":
                prompt = f": {self._shortened(value['prompt'])}" if "prompt" in value else ""
                yield f"matches {value['id']}{prompt}"
            elif name == "cluster_mates":
                matched = facts.get("match", {}).get("id")
                yield from self._mates([mate for mate in value if mate["pair_id"] != matched])
            elif name == "decisions":
                yield from map(self._decision, value)
            elif isinstance(value, dict):
                told = [
                    f"{key.replace('_', ' ')} {self._told(part)}" for key, part in value.items() if part != []
                ]
                yield f"{name}: {', '.join(told)}"

    def _decision(self, decision: Row) -> str:
        """A line of the decisions file, and what became of it."""
        who = ", ".join(decision["annotators"])
        agreement = decision["agreement"]
        share = "" if agreement is None else f" (agreement {_number(agreement)})"
        reason = f": {self._shortened(decision['reason'])}" if decision["reason"] else ""
        problem = f", {decision['problem']}" if decision["problem"] else ""
        told = f"decided on line {decision['line']}, {decision['when']}: {decision['action']} by {who}"
        return f"{told}{share}{reason} [{decision['fate']}{problem}]"

    def _mates(self, mates: list[Row]) -> Iterator[str]:
        shown = mates if self._full else mates[:MOST_MATES]
        for mate in shown:
            left = f" ({mate['left']}, {_number(mate['similarity'])})" if "left" in mate else ""
            yield f"in one cluster with {mate['pair_id']}{left}: {self._shortened(mate['prompt'] or '')}"
        if len(mates) > len(shown):
            yield f"and {len(mates) - len(shown):,} others"

    def _told(self, value: object) -> str:
        return self._shortened(value) if isinstance(value, str) else _number(value)

    def _shortened(self, text: str) -> str:
        return text if self._full else shorten(text, TEXT_CHARS)

    def _text(self, title: str, text: str) -> None:
        self._line(f"  [dim]{title}:[/dim] {escape(self._shortened(text))}")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def _indented(self, shown: Table | Text, by: int = 2) -> None:
        self._console.print(Padding(shown, (0, 0, 0, by)), highlight=False)


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="dim")


def _ending(pair: PairLife) -> str:
    """Where a pair ended, in a few words."""
    for step in pair.steps:
        if step.outcome == DROPPED:
            return f"dropped by {step.stage}: {step.reason}"
    place = next((step.facts["split"] for step in pair.steps if step.stage == "split" and step.facts), None)
    last = next(step for step in reversed(pair.steps) if step.outcome == KEPT)
    return f"kept, in {place}" if place else f"kept as far as {last.stage}"


def _number(value: Any) -> str:
    """A number as a person reads it; other values as they are, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
