"""Private rows understood: which field is which, why, and how rows are read by it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.params import SourceParams
from pipeline.params.source import PRIVATE_KINDS
from pipeline.sources import ultrafeedback
from pipeline.sources.fields import Place
from pipeline.sources.jsonl import Row
from pipeline.sources.private.access import decoded, root_of
from pipeline.sources.private.detect import ROLES, Trial, try_kind
from pipeline.sources.private.encoded import encoded_columns
from pipeline.sources.private.fast import plain_pair_shapes
from pipeline.sources.private.labels import label_reader
from pipeline.sources.private.margins import DEFAULT_MARGIN, margin_notes
from pipeline.sources.private.rows import parse_completions, parse_pairs, parse_ranking, parse_single
from pipeline.sources.private.understood import ULTRAFEEDBACK, Layout
from pipeline.sources.reading import Adapter, readable_rows

__all__ = ["Layout", "detect_layout", "layout_adapter", "understand"]

FIRST_ROWS = 1_000
"""Rows over all files by which a layout is found."""

_FITS = {
    "pairs": "chosen and rejected with a prompt",
    "ranking": "two responses and a label, or several with ranks",
    "completions": "several responses with scores",
    "rated_single": "a prompt, a response and its rating",
}


def understand(files: Mapping[str, Path], params: SourceParams) -> Layout:
    """The layout of a private source's files, found in the first rows of each.

    Args:
        files: Name (as tables record it) to path.
        params: The section ``source``.

    Raises:
        PipelineError: If a file cannot be read, if the rows are not understood, or if one file lacks a field
            that the others have.
    """
    each = max(1, math.ceil(FIRST_ROWS / max(1, len(files))))
    first = {path: [row for _, row in islice(readable_rows(path), each)] for path in files.values()}
    rows = [row for part in first.values() for row in part]
    layout = detect_layout(rows, params, next(iter(files.values())))
    for path, part in first.items():
        _check_fits(layout, part, path)
    return layout


def detect_layout(
    rows: Sequence[Row], params: SourceParams | None, file: Path, min_margin: float = DEFAULT_MARGIN
) -> Layout:
    """Which field of some rows is which.

    Args:
        rows: The first rows, as files hold them.
        params: The section ``source``; with none, or with a kind that is not private, the kind is found too.
        file: Where the rows come from, for errors.
        min_margin: ``binarize.min_margin``, for the note on scores that lie close together.

    Raises:
        PipelineError: If a role that the kind needs is not found, two columns fit one equally well, or params
            name a column that is not there or that the kind has no use for; all such faults at once.
    """
    params = params or SourceParams()
    if not rows:
        raise PipelineError("A source file has no rows", file=file, expected="at least one row")
    encoded = encoded_columns(rows, params.columns, file)
    read = [_readable(row, encoded, Place(file, number)) for number, row in enumerate(rows, 1)]
    trial = _trial(read, params, file)
    finder = trial.finder
    notes = list(finder.notes)
    if unread := finder.unread():
        notes.append(f"Columns that are not read: {', '.join(unread)}.")
    if encoded:
        finder.why["encoded"] = (
            f"JSON in the cells of {', '.join(f'`{name}`' for name in sorted(encoded))} is read"
        )
    layout = Layout(trial.kind, finder.fields, finder.why, tuple(notes), trial.forms, encoded)
    margins = margin_notes(layout, read, min_margin)
    return Layout(layout.kind, layout.fields, layout.why, (*notes, *margins), layout.forms, encoded)


def layout_adapter(layout: Layout, params: SourceParams) -> Adapter:
    """How rows of a layout are read.

    Args:
        layout: As :func:`detect_layout` gives it.
        params: The section ``source``; its labels count.
    """
    if layout.forms.get("responses") == ULTRAFEEDBACK:
        return ultrafeedback.adapter()
    if layout.kind == "pairs":
        return Adapter(partial(parse_pairs, layout=layout), plain_pair_shapes(layout))
    if layout.kind == "ranking":
        labels = label_reader(layout, params.labels)
        return Adapter(partial(parse_ranking, layout=layout, labels=labels), ())
    if layout.kind == "completions":
        return Adapter(partial(parse_completions, layout=layout), ())
    return Adapter(partial(parse_single, layout=layout), (), by_prompt=True)


def _readable(row: Row, encoded: frozenset[str], place: Place) -> Row:
    """The row with its cells of JSON text read; as it is where one is broken, which reading it tells."""
    try:
        return decoded(row, encoded, place)
    except PipelineError:
        return row


def _trial(rows: list[Row], params: SourceParams, file: Path) -> Trial:
    """The rows taken for the kind that params name, or for the first kind that has all it needs."""
    is_asked = params.kind in PRIVATE_KINDS
    kinds = (params.kind,) if is_asked else tuple(_FITS)
    trials = [try_kind(kind, rows, params.columns, params.labels) for kind in kinds]
    trial = next((trial for trial in trials if not trial.finder.missing), None)
    if trial is None and not is_asked:
        raise PipelineError(
            "These rows are of no kind that is understood by its names",
            file=file,
            found=f"the columns {', '.join(trials[0].finder.names) or 'none'}",
            expected="; ".join(f"{kind}: {needs}" for kind, needs in _FITS.items()),
            hint="Set source.kind to one of these, and source.columns to the names of its fields",
        )
    trial = trial or trials[0]
    finder = trial.finder
    faults = [*finder.faults, *(f"source.columns: {_absent(trial, said)}" for said in finder.missing)]
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise PipelineError(
            f"The fields of the rows are not clear, {count}: {'; '.join(faults)}",
            file=file,
            key="source.columns",
            expected=f"for source.kind {trial.kind}: {_FITS[trial.kind]}",
            hint="Correct the keys named here in params.yaml",
        )
    finder.why["kind"] = "named in source.kind" if is_asked else f"the first that fits: {_FITS[trial.kind]}"
    return trial


def _absent(trial: Trial, said: str) -> str:
    roles = [role for role in ROLES[trial.kind] if role not in trial.finder.fields]
    names = ", ".join(trial.finder.names)
    return (
        f"no column is named as {said} is; the columns are {names}; name it under one of {', '.join(roles)}"
    )


def _check_fits(layout: Layout, rows: Sequence[Row], file: Path) -> None:
    """Refuse a file none of whose first rows has a field that is needed.

    Raises:
        PipelineError: If there is one, naming the file.
    """
    optional = {"system", "context", "history", "source", "model", "models"}
    optional |= {f"{label}_{what}" for label in ("chosen", "rejected") for what in ("score", "model")}
    if layout.kind == "ranking" and "label" in layout.fields:
        optional.add("scores")
    there = {str(name) for row in rows for name in row}
    for role, columns in layout.fields.items():
        if role in optional:
            continue
        for column in (columns,) if isinstance(columns, str) else columns:
            if not any(root_of(row, column) in row for row in rows):
                raise PipelineError(
                    "A source file has other columns than the rest",
                    file=file,
                    column=column,
                    found=f"the columns {', '.join(sorted(there))}",
                    expected=f"`{column}`, the field of {role}, as in the other files",
                    hint="Give the files one shape, or run the pipeline on each shape alone",
                )
