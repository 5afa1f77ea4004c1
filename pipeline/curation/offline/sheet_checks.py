"""What may be wrong with an annotated file, row by row: nothing is read of a file that has a fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.curation.offline.cells import MAX_CELL, cell_units
from pipeline.curation.offline.sheet import export_place, row_check, sheet_format
from pipeline.curation.offline.sheet_rows import SheetRow
from pipeline.curation.sent import Sent
from pipeline.errors import PipelineError

SAID = {"a": "A", "b": "B", "tie": "tie", "both_bad": "both_bad", "both bad": "both_bad"}
"""What may be filled in as a choice, case and outer spaces apart, and what it means."""

_RATING = re.compile("[1-5]")
_MOST_NAMED = 8

Record = Mapping[str, Mapping[str, Sent]]
"""What was sent, by place and pair_id."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row.

    Attributes:
        number: The row.
        column: The column it shows in.
        problem: What is wrong.
        found: What was found.
        expected: What would have been right.
    """

    number: int
    column: str
    problem: str
    found: str
    expected: str


def is_blank(row: SheetRow) -> bool:
    """Whether nothing was filled in; the annotator's name may have been there before."""
    return not any(text.strip() for text in (row.choice, row.correction, row.rating, row.note))


def check_rows(path: Path, rows: Sequence[SheetRow], record: Record, partial: bool = False) -> None:
    """Check every row of an annotated file against the record of what was sent.

    Args:
        path: The file, for its name.
        rows: Its rows.
        record: What was sent, by place and pair_id.
        partial: Whether pairs of the export may be missing.

    Raises:
        PipelineError: With the first row at fault and what is wrong with it, and the numbers of the others;
            or with the pairs of the export that have no row.
    """
    faults = list(_faults(rows, record, in_cells=sheet_format(path) == ".csv"))
    if faults:
        _refuse(path, faults)
    if not partial:
        _refuse_missing(path, rows, record)


def _faults(rows: Sequence[SheetRow], record: Record, in_cells: bool) -> Iterator[Fault]:
    """The first fault of each row that has one."""
    checks: list[Callable[[SheetRow], Fault | None]] = [
        lambda row: _unknown(row, record),
        _changed,
        _wrong_choice,
        _wrong_rating,
        _nameless,
        _Repeats(),
    ]
    if in_cells:
        checks.append(_cut)
    for row in rows:
        # All are asked: the one that looks for repeated rows must see each.
        found = [fault for check in checks if (fault := check(row)) is not None]
        yield from found[:1]


def _unknown(row: SheetRow, record: Record) -> Fault | None:
    sent = record.get(export_place(row.export))
    if sent is None:
        problem, expected = "The row is of no export that is known here", "an id of curation/sent.jsonl"
        return Fault(row.number, "export", problem, row.export or "nothing", expected)
    if row.pair_id not in sent:
        problem, expected = "The row is of a pair that was not exported", f"a pair of export {row.export}"
        return Fault(row.number, "pair_id", problem, row.pair_id or "nothing", expected)
    return None


def _changed(row: SheetRow) -> Fault | None:
    if row.check == row_check(row.pair_id, row.prompt, row.response_a, row.response_b):
        return None
    return Fault(
        row.number,
        "check",
        "The prompt or a response is not as it was exported",
        f"texts that do not give {row.check or 'an empty check'}",
        "pair_id, prompt and responses unchanged, beside each other; corrections have a column of their own",
    )


def _wrong_choice(row: SheetRow) -> Fault | None:
    if not row.choice.strip() or row.choice.strip().casefold() in SAID:
        return None
    expected = "A, B, tie or both_bad; empty where nothing is decided"
    return Fault(row.number, "choice", "The choice is not one", row.choice, expected)


def _wrong_rating(row: SheetRow) -> Fault | None:
    if not row.rating.strip() or _RATING.fullmatch(row.rating.strip()):
        return None
    return Fault(
        row.number, "rating", "The rating is not one", row.rating, "a whole number from 1 to 5, or nothing"
    )


def _nameless(row: SheetRow) -> Fault | None:
    if row.annotator or is_blank(row):
        return None
    expected = "a name in each row that is filled in, or --annotator NAME"
    return Fault(row.number, "annotator", "Nobody is named as the annotator", "nothing", expected)


def _cut(row: SheetRow) -> Fault | None:
    if cell_units(row.correction) < MAX_CELL:
        return None
    return Fault(
        row.number,
        "correction",
        "The correction fills the cell, so its end may have been cut off",
        f"{cell_units(row.correction):,} characters",
        f"fewer than {MAX_CELL:,}; a longer one goes through a .jsonl export",
    )


class _Repeats:
    """Looks for a second row of one annotator on one pair."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], int] = {}

    def __call__(self, row: SheetRow) -> Fault | None:
        earlier = self._seen.setdefault((row.export, row.pair_id, row.annotator), row.number)
        if earlier == row.number:
            return None
        who = row.annotator or "nobody by name"
        problem = "The pair has two rows of one annotator"
        return Fault(
            row.number, "pair_id", problem, f"{row.pair_id} by {who}, as in row {earlier}", "one row"
        )


def _refuse(path: Path, faults: Sequence[Fault]) -> None:
    first, *others = faults
    hint = "Nothing was read. Correct the row"
    if others:
        named = ", ".join(f"{fault.number} ({fault.column})" for fault in others[:_MOST_NAMED])
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        hint += f", and these: {named}{more}"
    raise PipelineError(
        first.problem,
        file=path,
        row=first.number,
        column=first.column,
        found=first.found,
        expected=first.expected,
        hint=hint,
    )


def _refuse_missing(path: Path, rows: Sequence[SheetRow], record: Record) -> None:
    there = {(row.export, row.pair_id) for row in rows}
    wanted = [
        (export, pair)
        for export in {row.export: None for row in rows}
        for pair in record[export_place(export)]
    ]
    missing = [pair for export, pair in wanted if (export, pair) not in there]
    if missing or not rows:
        raise PipelineError(
            "Rows of the export are missing" if rows else "The annotated file has no rows",
            file=path,
            found=f"no row for {len(missing)} of {len(wanted)} pairs: {', '.join(missing)}" if rows else None,
            expected="a row for each exported pair; one that is not decided has no choice",
            hint="Put them back, or pass --partial to read the rows that are there" if rows else None,
        )
