"""CSV and TSV in blocks of rows: a header, then one value for each of its columns in every row.

Values are text, an empty cell is null. A row's number is that of the line it begins on: a quoted cell may
reach over several.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.sources.blocks import BLOCK_BYTES
from pipeline.sources.encodings import convert_hint
from pipeline.sources.faults import BAD_VALUE, NOT_UTF8, WRONG_CELLS, RowFault
from pipeline.sources.formats import format_of
from pipeline.sources.jsonl import Row
from pipeline.sources.line_blocks import line_blocks
from pipeline.sources.raw_files import LONGEST_ROW, too_long
from pipeline.sources.row_blocks import RowBlock, raw_json

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What may part the cells of a .csv file, in order of preference; those of a .tsv file are parted by tabs."""

_BLOCK_ROWS = 1024
# Bytes that are not UTF-8 are decoded to these, one for each, so that the row that holds them can be named.
_UNDECODED = range(0xDC80, 0xDD00)


def csv_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[RowBlock]:
    """A file's rows in blocks.

    Cells of a .csv file are parted by what gives its first line the most columns: commas, semicolons or tabs.

    Args:
        path: A CSV or TSV file in UTF-8.
        block_bytes: About how much text is in a block.

    Raises:
        PipelineError: If the file is cut off or damaged, a quoted cell does not end or goes on behind its
            quote, a row is too long, or the header is not UTF-8 or has a name twice. A row with more or fewer
            cells than the header, with a NUL or not in UTF-8 is only refused when it is asked for.
        OSError: If the file cannot be read.
    """
    lines = _Lines(path, block_bytes)
    header = _header(lines)
    if header is None:
        return
    rows: list[Row | RowFault] = []
    unread: dict[int, bytes] = {}
    numbers: list[int] = []
    size = 0
    for number, cells in _records(lines, header.delimiter):
        row = header.row(path, number, cells)
        if isinstance(row, RowFault):
            unread[len(rows)] = raw_json(cells)
        rows.append(row)
        numbers.append(number)
        size += sum(map(len, cells))
        if len(rows) == _BLOCK_ROWS or size >= block_bytes:
            yield RowBlock(path, rows, np.array(numbers, dtype=np.int64), lines.done, unread)
            rows, unread, numbers, size = [], {}, [], 0
    if rows:
        yield RowBlock(path, rows, np.array(numbers, dtype=np.int64), lines.done, unread)


@dataclass(frozen=True)
class _Header:
    """The names of the columns, and what parts the cells."""

    names: list[str]
    delimiter: str

    def row(self, path: Path, number: int, cells: list[str]) -> Row | RowFault:
        """The cells under their names, or what is wrong with them."""
        if len(cells) != len(self.names):
            return RowFault(
                WRONG_CELLS,
                "A row has another number of cells than the header",
                file=path,
                row=number,
                found=f"{len(cells)} cells",
                expected=f"{len(self.names)} cells parted by {DELIMITERS[self.delimiter]}: "
                + ", ".join(self.names),
                hint="Quote cells that hold the delimiter, a quote or a newline, or correct the row",
            )
        for name, cell in zip(self.names, cells, strict=True):
            if "\0" in cell or not _is_decoded(cell):
                return _bad_text(path, number, name, cell)
        return {name: cell or None for name, cell in zip(self.names, cells, strict=True)}


@dataclass
class _Lines:
    """The lines of a file as text, each with its end, and where in it the reader is.

    Attributes:
        path: The file.
        block_bytes: About how much is read at once.
        number: Of the last line that was given, from 1.
        start: Of the first line of the record that is being read.
        size: Characters of that record so far.
        done: Bytes of the file read so far.
    """

    path: Path
    block_bytes: int
    number: int = 0
    start: int = 0
    size: int = 0
    done: int = 0
    _texts: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._texts = self._read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = next(self._texts)
        self.number += 1
        self.size += len(text)
        if self.size > LONGEST_ROW:
            raise too_long(self.path, self.start, "row")
        return text

    def begin(self) -> None:
        """What comes next is a new record."""
        self.start, self.size = self.number + 1, 0

    def _read(self) -> Iterator[str]:
        for block in line_blocks(self.path, self.block_bytes):
            self.done = block.done
            for start, end in zip(block.starts.tolist(), block.ends.tolist(), strict=True):
                yield block.text[start : end + 1].decode("utf-8", "surrogateescape")


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the number of its first line."""
    csv.field_size_limit(LONGEST_ROW)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Where the next record begins is then a guess.
            raise PipelineError(
                "A row of cells cannot be told from the next",
                file=lines.path,
                row=lines.start,
                found=str(error),
                expected="a cell with a quote in it inside quotes, and each quote in it doubled",
                hint="Correct the row, or write the file again with a CSV library",
            ) from error
        if cells:
            yield lines.start, cells


def _header(lines: _Lines) -> _Header | None:
    """The header of a file; None if the file is empty or blank. The lines go on behind it."""
    found: list[tuple[_Header, int]] = []
    faults: list[PipelineError] = []
    for delimiter in _choices(lines.path):
        try:
            found += _first(lines.path, delimiter)
        except PipelineError as error:
            faults.append(error)
    if not found:
        if faults:
            raise faults[0]
        return None
    # The first of those with the most columns.
    header, taken = max(found, key=lambda one: len(one[0].names))
    for _ in range(taken):
        next(lines)
    names = header.names
    bad = next((name for name in names if "\0" in name or not _is_decoded(name)), None)
    if bad is not None:
        raise _bad_text(lines.path, taken, None, bad)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PipelineError(
            "A header names a column twice",
            file=lines.path,
            row=taken,
            found=", ".join(repr(name) for name in twice),
            expected="a name of its own for each column",
            hint="Rename or take out one of them",
        )
    return header


def _choices(path: Path) -> list[str]:
    return ["\t"] if format_of(path).kind == "tsv" else list(DELIMITERS)


def _first(path: Path, delimiter: str) -> list[tuple[_Header, int]]:
    """The header that a delimiter gives, and how many lines it ends after; nothing if there is none."""
    lines = _Lines(path, 1 << 16)
    return [(_Header(cells, delimiter), lines.number) for _, cells in islice(_records(lines, delimiter), 1)]


def _is_decoded(text: str) -> bool:
    return text.isascii() or not any(ord(letter) in _UNDECODED for letter in text)


def _bad_text(path: Path, number: int, column: str | None, text: str) -> RowFault:
    if "\0" in text:
        return RowFault(
            BAD_VALUE,
            "A cell holds a NUL byte",
            file=path,
            row=number,
            column=column,
            found=f"a NUL at character {text.index(chr(0)) + 1} of the cell",
            expected="text",
            hint="Write the file again, or take out the row",
        )
    place = next(place for place, letter in enumerate(text) if ord(letter) in _UNDECODED)
    return RowFault(
        NOT_UTF8,
        "A cell is not UTF-8",
        file=path,
        row=number,
        column=column,
        found=f"byte 0x{ord(text[place]) - 0xDC00:02x} at character {place + 1} of the cell",
        expected="text in UTF-8",
        hint=f"{convert_hint('WINDOWS-1252')}, if that is what it is in",
    )
