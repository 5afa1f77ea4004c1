"""What can be wrong with one raw row, by name: the error that stops a stage, and the entry in a ledger.

A fault of a whole file (cut off, no Parquet, in UTF-16) is a plain :class:`~pipeline.errors.PipelineError`
and always stops the stage: nobody can say which rows it cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError

NOT_UTF8 = "not_utf8"
NOT_JSON = "not_json"
NOT_AN_OBJECT = "not_an_object"
WRONG_CELLS = "wrong_cells"
LONE_SURROGATE = "lone_surrogate"
REPEATED_KEY = "repeated_key"
MISSING_FIELD = "missing_field"
NULL_VALUE = "null_value"
WRONG_TYPE = "wrong_type"
NOT_FINITE = "not_finite"
BAD_VALUE = "bad_value"
UNKNOWN_ROLE = "unknown_role"
BAD_CONVERSATION = "bad_conversation"
UNREADABLE = "unreadable"

REASONS = {
    NOT_UTF8: "its bytes are not UTF-8",
    NOT_JSON: "its line is not JSON",
    NOT_AN_OBJECT: "its line is JSON, but no object",
    WRONG_CELLS: "it has more or fewer cells than the header",
    LONE_SURROGATE: "a text holds half of a surrogate pair",
    REPEATED_KEY: "a key that is read stands twice in one object",
    MISSING_FIELD: "a field is not there",
    NULL_VALUE: "a field is null that must not be",
    WRONG_TYPE: "a field is of another type, such as a number in quotes",
    NOT_FINITE: "a number is infinite or not a number",
    BAD_VALUE: "a field is of the right type, but its value means nothing",
    UNKNOWN_ROLE: "a message is neither the system's, the user's nor the assistant's",
    BAD_CONVERSATION: "messages are not in an order that a chat can have",
    UNREADABLE: "it cannot be read for another reason",
}
"""Why a row cannot be read: names as they stand in the ledger, in words."""


class RowFault(PipelineError):
    """A fault of one row, which ``source.on_bad_row: drop`` turns into an entry in the ledger.

    Args:
        reason: One of :data:`REASONS`.
        problem: What is wrong, in a few words.
        file: The file it was found in.
        row: 1-based row (of text: line) in it.
        column: The field.
        found: What was found; shortened when long.
        expected: What would have been right.
        hint: What to do next.
    """

    def __init__(
        self,
        reason: str,
        problem: str,
        *,
        file: Path,
        row: int,
        column: str | None = None,
        found: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(
            problem, file=file, row=row, column=column, found=found, expected=expected, hint=hint
        )
        self.reason = reason


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read, without the row itself: of a large file there may be many.

    Attributes:
        number: Its 1-based row (of text: line) in the file.
        reason: One of :data:`REASONS`.
        problem: What is wrong, in a few words.
        column: The field; None where the row as a whole is at fault.
        found: What was found, shortened.
        expected: What would have been right.
    """

    number: int
    reason: str
    problem: str
    column: str | None
    found: str | None
    expected: str | None

    @classmethod
    def of(cls, error: PipelineError, number: int) -> BadRow:
        """The row that an error of strict reading is about."""
        reason = error.reason if isinstance(error, RowFault) else UNREADABLE
        return cls(number, reason, error.problem, error.column, error.found, error.expected)

    def detail(self, file: str) -> str:
        """The evidence in words, as the ledger keeps it.

        Args:
            file: What tables call the file.
        """
        place = f"{file} row {self.number}" + ("" if self.column is None else f", column {self.column}")
        parts = {"found": self.found, "expected": self.expected}
        return "; ".join(
            [f"{place}: {self.problem}", *(f"{name}: {said}" for name, said in parts.items() if said)]
        )
