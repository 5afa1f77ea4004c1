"""Reading a file that annotators filled in, as a spreadsheet or a program saved it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.curation.blind_pairs import prompt_text
from pipeline.curation.json_lines import parse_lines
from pipeline.curation.offline.cells import unguard
from pipeline.curation.offline.sheet import COLUMNS, sheet_format
from pipeline.errors import PipelineError

_DELIMITERS = ",;\t"
"""Spreadsheets save CSV with the separator of the country they are set to."""


@dataclass(frozen=True)
class SheetRow:
    """A row as it came back; what is not filled in is empty.

    Attributes:
        number: The row as a spreadsheet counts it, header included; of JSON Lines, the line.
        pair_id, prompt, response_a, response_b: What was shown; the prompt as text.
        choice, correction, rating, annotator, note: What the annotator filled in.
        export, check: What the row is known by.
    """

    number: int
    pair_id: str
    prompt: str
    response_a: str
    response_b: str
    choice: str
    correction: str
    rating: str
    annotator: str
    note: str
    export: str
    check: str


def read_sheet(path: Path) -> list[SheetRow]:
    """The rows of a .csv or .jsonl file, in order; rows with nothing in them are passed over.

    CSV may be separated by commas, semicolons or tabs, its columns may be in any order, and further columns
    are left alone.

    Raises:
        PipelineError: If the file is missing, its name says no format, it is not UTF-8, a column is missing
            or doubled, or a row cannot be read.
    """
    read = _read_csv if sheet_format(path) == ".csv" else _read_jsonl
    try:
        return read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(
            "The annotated file cannot be read",
            file=path,
            found=str(error),
            expected="a file of `curate export`, in UTF-8",
            hint='In a spreadsheet, save it as "CSV UTF-8"',
        ) from error


# --- CSV ------------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> list[SheetRow]:
    text = path.read_bytes().decode("utf-8-sig")
    delimiter = _delimiter(text)
    # strict: an unbalanced quote is a fault, not the rest of the file in one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[list[str]] = []
    try:
        records.extend(reader)
    except csv.Error as error:
        raise PipelineError(
            "A row of the annotated file cannot be read",
            file=path,
            row=len(records) + 1,
            found=str(error),
            expected="cells in balanced double quotes",
            hint="Save the file from a spreadsheet again",
        ) from error
    places = _places(path, records[0] if records else [])
    return [
        _csv_row(path, number, record, places)
        for number, record in enumerate(records[1:], start=2)
        if any(record)
    ]


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    return max(_DELIMITERS, key=header.count)


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """Where each column stands."""
    names = [name.strip() for name in header]
    for name in COLUMNS:
        if names.count(name) != 1:
            raise PipelineError(
                "A column of the annotated file is " + ("given twice" if name in names else "missing"),
                file=path,
                row=1,
                column=name,
                found=", ".join(names) or "nothing",
                expected=", ".join(COLUMNS),
                hint="Leave the columns of the exported file in it",
            )
    return {name: names.index(name) for name in COLUMNS}


def _csv_row(path: Path, number: int, record: list[str], places: dict[str, int]) -> SheetRow:
    if len(record) <= max(places.values()):
        raise PipelineError(
            "A row of the annotated file is too short",
            file=path,
            row=number,
            found=f"{len(record)} cells",
            expected=f"{max(places.values()) + 1} or more",
            hint="Save the file from a spreadsheet again",
        )
    return SheetRow(number, **{name: unguard(record[place]) for name, place in places.items()})


# --- JSON Lines -----------------------------------------------------------------------------------------


class _Message(BaseModel):
    role: str
    content: str


class _Line(BaseModel):
    model_config = ConfigDict(strict=True)

    pair_id: str
    prompt: list[_Message]
    response_a: str
    response_b: str
    choice: str | None
    correction: str | None
    rating: int | None
    annotator: str | None
    note: str | None
    export: str
    check: str


def _read_jsonl(path: Path) -> list[SheetRow]:
    rows = []
    for number, line in parse_lines(path, _Line, "a line of the annotated file").items():
        fields = {name: "" if value is None else str(value) for name, value in line}
        fields["prompt"] = prompt_text([message.model_dump() for message in line.prompt])
        rows.append(SheetRow(number, **fields))
    return rows
