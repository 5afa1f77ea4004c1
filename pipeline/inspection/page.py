"""What check found, on one page: in colour on a terminal, in plain text elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.inspection.example_page import example_parts
from pipeline.inspection.findings import Defect, Findings, RowError
from pipeline.inspection.lengths import PERCENTILES, TokenFindings
from pipeline.inspection.trial import Trial
from pipeline.inspection.words import reasons_words, share_words, size_words, time_words
from pipeline.params import Params
from pipeline.sources.source_words import understood_lines
from pipeline.visible import visible

_SHOWN_ERRORS = 10

_TRIED = {True: "all of it", False: "a sample"}


def print_page(found: Findings, params: Params, console: Console) -> None:
    """Print what was found.

    Args:
        found: What was found.
        params: All of them, as the pipeline would have them.
        console: Where; see :func:`~pipeline.summary.plain_console`.
    """
    for part in _parts(found, params, console.is_terminal):
        # Texts keep their own lines; only tables are fitted to the width.
        console.print(part, markup=False, soft_wrap=isinstance(part, Text))


def _parts(found: Findings, params: Params, in_colour: bool) -> Iterator[RenderableType]:
    yield from _understood(found)
    yield from _rows(found)
    yield from _errors(found.errors)
    if found.examples:
        yield _heading("As the model will see it")
        yield from example_parts(found.examples, found.tokenizer, in_colour)
    if found.tokens is not None:
        yield from _tokens(found.tokens, params)
    if found.trial is not None:
        yield from _trial(found.trial, found.tried_of)
    if found.estimates:
        yield _heading("Time and memory on this machine, estimated")
        yield _estimates(found)
    yield from _changes(found)
    yield from _verdict(found)


def _heading(title: str) -> Text:
    return Text(f"\n{title}", style="bold")


def _understood(found: Findings) -> Iterator[Text]:
    yield Text("What was understood", style="bold")
    for line in understood_lines(found.kind, found.files, found.layout):
        yield Text(line)


def _rows(found: Findings) -> Iterator[RenderableType]:
    if not found.rows:
        return
    yield _heading("Rows")
    yield Text(f"{found.rows:,} rows, of which pull would keep {share_words(found.usable, found.rows)}")
    if found.defects:
        table = Table(box=None, pad_edge=False)
        table.add_column("dropped for", no_wrap=True)
        table.add_column("rows", justify="right")
        table.add_column("the first", overflow="fold")
        for defect in found.defects:
            table.add_row(defect.reason, share_words(defect.rows, found.rows), Text(_first(defect)))
        yield table


def _first(defect: Defect) -> str:
    """``a.jsonl row 3, 7``: rows behind the file they lie in."""
    by_file: dict[str, list[int]] = {}
    for file, row in defect.first:
        by_file.setdefault(file, []).append(row)
    return visible("; ".join(f"{file} row {', '.join(map(str, rows))}" for file, rows in by_file.items()))


def _errors(errors: list[RowError]) -> Iterator[Text]:
    if not errors:
        return
    yield _heading("Errors")
    for error in errors[:_SHOWN_ERRORS]:
        places = [("file", error.file), ("row", error.row), ("column", error.column)]
        place = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        said = f"{error.reason}: {error.problem}" + (f" ({place})" if place else "")
        said += "".join(
            f". {name}: {value}"
            for name, value in (("Found", error.found), ("Expected", error.expected))
            if value is not None
        )
        said += f". {error.hint}" if error.hint else ""
        yield Text(f"- {visible(said)}")
    if len(errors) > _SHOWN_ERRORS:
        yield Text(f"  and {len(errors) - _SHOWN_ERRORS:,} more, listed by --json FILE")


def _tokens(tokens: TokenFindings, params: Params) -> Iterator[RenderableType]:
    limit = params.tokenize.max_length
    yield _heading(f"Tokens of {tokens.pairs:,} pairs; tokenize.max_length is {limit:,}")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    names = ["longest" if percent == 100 else f"{percent}%" for percent in PERCENTILES]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for part, values in tokens.percentiles().items():
        label = "prompt + longer response" if part == "pair" else part
        table.add_row(label, *(f"{value:,}" for value in values.values()))
    yield table
    over = share_words(tokens.over(limit), tokens.pairs)
    yield Text(
        f"Longer than {limit:,}: {over}. With tokenize.truncation {params.tokenize.truncation}, dropped: "
        f"{reasons_words(tokens.dropped, tokens.pairs)}; cut: {share_words(tokens.cut, tokens.pairs)}"
    )


def _trial(trial: Trial, tried_of: int) -> Iterator[RenderableType]:
    is_whole = trial.rows == tried_of
    yield _heading(f"What the data stages would drop: {_TRIED[is_whole]}, {trial.rows:,} rows")
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    for name in ("in", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("dropped, as share of what came in", overflow="fold")
    for stage in trial.stages:
        kept = f"{stage.kept:,} pairs"
        dropped = reasons_words(stage.dropped, stage.taken)
        table.add_row(stage.stage, f"{stage.taken:,} {stage.unit}", kept, dropped)
    yield table
    for note in trial.notes:
        yield Text(visible(note))


def _estimates(found: Findings) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    for name in ("time", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("from", overflow="fold")
    for each in found.estimates:
        table.add_row(each.stage, time_words(each.seconds), size_words(each.memory_bytes), each.basis)
    return table


def _changes(found: Findings) -> Iterator[Text]:
    if not (found.changes or found.observations):
        return
    yield _heading("What to change")
    for change in found.changes:
        yield Text(f"- {change.key}: {json.dumps(change.value)}", style="bold").append(
            f"  ({visible(change.why)})", style="not bold"
        )
    for sentence in found.observations:
        yield Text(f"- {visible(sentence)}")


def _verdict(found: Findings) -> Iterator[Text]:
    yield Text()
    if found.would_run:
        yield Text("The pipeline would run: `dvc repro`", style="bold green")
        return
    for error in found.stops:
        yield Text("The pipeline would stop: ", style="bold red").append(
            visible(error.paragraph()), style="not bold"
        )
