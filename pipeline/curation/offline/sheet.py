"""The file that goes to annotators and comes back: its columns, and how it is written.

CSV is UTF-8 with a byte order mark, without which spreadsheets guess the encoding; every cell is quoted.
JSON Lines has the same fields, with the prompt as messages.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.curation.blind_pairs import BlindPair
from pipeline.curation.offline.cells import MAX_CELL, cell_units, guard
from pipeline.errors import PipelineError
from pipeline.files import atomic_file, content_id

SHOWN = ("pair_id", "prompt", "response_a", "response_b")
FILLED_IN = ("choice", "correction", "rating", "annotator", "note")
PROVENANCE = ("export", "check")
COLUMNS = (*SHOWN, *FILLED_IN, *PROVENANCE)
"""In file order: what is shown, what the annotator fills in, and what import knows the row by."""

FORMATS = (".csv", ".jsonl")


def sheet_format(path: Path) -> str:
    """The format of a file by its name: one of :data:`FORMATS`.

    Raises:
        PipelineError: If the name ends in none of them.
    """
    if path.suffix.lower() not in FORMATS:
        raise PipelineError(
            "The name does not tell the format",
            file=path,
            expected=" or ".join(FORMATS),
            hint="Name it annotate.csv for a spreadsheet, or annotate.jsonl for a program",
        )
    return path.suffix.lower()


def row_check(pair_id: str, prompt: str, a: str, b: str) -> str:
    """Content id of what a row shows, by which import knows that nothing was changed, cut or mixed up.

    It is of A and B as they are shown and so tells nothing of which is chosen. What spreadsheets change by
    themselves does not count: they write line ends of their own, and some (Gnumeric) take an apostrophe at
    the front of a cell for a mark of text and save the cell without it.
    """
    return content_id(pair_id, *(_saved(text) for text in (prompt, a, b)))


def _saved(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("'")


def pair_check(pair: BlindPair) -> str:
    """:func:`row_check` of a pair."""
    return row_check(pair.pair_id, pair.prompt, pair.a, pair.b)


def export_id(pairs: Iterable[BlindPair]) -> str:
    """Content id of an export: the same pairs shown in the same way are one export, whatever its file."""
    return content_id(*(pair_check(pair) for pair in pairs))


def export_place(export: str) -> str:
    """What the record of what was sent, and annotations, call the place an export's answers come from."""
    return f"file:{export}"


def fits_cells(pair: BlindPair) -> bool:
    """Whether a spreadsheet shows each text of a pair whole."""
    return all(cell_units(text) <= MAX_CELL for text in (pair.prompt, pair.a, pair.b))


def write_sheet(path: Path, pairs: Sequence[BlindPair], annotator: str = "") -> None:
    """Write a file for annotators, atomically, in the format that its name says.

    Args:
        path: A .csv or .jsonl file.
        pairs: What to show, in this order; for CSV each must fit (:func:`fits_cells`).
        annotator: Who will fill it in; may be left to them.

    Raises:
        PipelineError: If the name says no format.
        ValueError: If a text does not fit a cell.
        OSError: If the file cannot be written.
    """
    write = _write_csv if sheet_format(path) == ".csv" else _write_jsonl
    export = export_id(pairs)
    with atomic_file(path) as partial:
        write(partial, pairs, annotator, export)


def _write_csv(path: Path, pairs: Sequence[BlindPair], annotator: str, export: str) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writeheader()
        for pair in pairs:
            if not fits_cells(pair):
                raise ValueError(f"a text of pair {pair.pair_id} does not fit a cell")
            shown = dict(zip(SHOWN, (pair.pair_id, pair.prompt, pair.a, pair.b), strict=True))
            row = {**shown, "annotator": annotator, "export": export, "check": pair_check(pair)}
            writer.writerow({name: guard(text) for name, text in row.items()})


def _write_jsonl(path: Path, pairs: Sequence[BlindPair], annotator: str, export: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        for pair in pairs:
            shown = dict(zip(SHOWN, (pair.pair_id, pair.messages, pair.a, pair.b), strict=True))
            filled_in = {**dict.fromkeys(FILLED_IN), "annotator": annotator or None}
            row = {**shown, **filled_in, "export": export, "check": pair_check(pair)}
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
