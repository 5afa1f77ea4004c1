"""All that check finds out, before it is laid out on a page or written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.errors import PipelineError
from pipeline.inspection.advice import Change
from pipeline.inspection.estimates import Estimate
from pipeline.inspection.examples import Example
from pipeline.inspection.facts import PairFacts
from pipeline.inspection.lengths import TokenFindings
from pipeline.inspection.trial import Trial
from pipeline.sources.layout import Layout
from pipeline.sources.source_words import FileFacts

MOST_ERRORS = 1000
"""Errors that are listed one by one; all are counted."""


@dataclass(frozen=True)
class RowError:
    """One fault: of a row, of a file, or of params.

    Attributes:
        reason: Its name in the ledger, or ``source`` for what no row is to blame for.
        problem: What is wrong, in a few words.
        file: The file, as tables call it.
        row: 1-based row or line in it.
        column: The field.
        found: What was found, shortened.
        expected: What would have been right.
        hint: What to do.
    """

    reason: str
    problem: str
    file: str | None = None
    row: int | str | None = None
    column: str | None = None
    found: str | None = None
    expected: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: PipelineError, reason: str = "source") -> RowError:
        """The fault an error tells of."""
        column = error.column if error.column is not None else error.key
        return cls(
            reason, error.problem, error.file, error.row, column, error.found, error.expected, error.hint
        )

    def error(self) -> PipelineError:
        """The error that a stage would stop with."""
        return PipelineError(
            self.problem,
            file=self.file,
            row=self.row,
            column=self.column,
            found=self.found,
            expected=self.expected,
            hint=self.hint,
        )


@dataclass(frozen=True)
class Defect:
    """Rows that pull would put in the ledger for one reason.

    Attributes:
        reason: The reason.
        rows: How many.
        first: The first of them, as file and row.
    """

    reason: str
    rows: int
    first: tuple[tuple[str, int], ...]


@dataclass
class Findings:
    """What check found; parts that could not be reached are empty.

    Attributes:
        kind: Of the source; None: it could not be told.
        files: In their order.
        layout: Which field is which, and why; None: a known dataset's own, or not understood.
        rows: Raw rows read.
        usable: Rows with completions that pull would keep.
        bad_rows: Rows that cannot be read; among ``defects``.
        defects: The rows that are not usable, by reason.
        errors: Faults one by one, :data:`MOST_ERRORS` at most.
        stops: Why the pipeline would stop; empty: it would run.
        trial: What the data stages did to a sample.
        tried_of: Of how many rows of completions the sample was taken.
        facts: What the sample says of scores and lengths.
        tokenizer: The model directory whose tokenizer was used; None: none is here.
        tokens: Lengths of the sample's pairs.
        examples: Pairs as the model will see them.
        estimates: Cost of the stages.
        observations: Sentences on what no key mends.
        changes: Keys to change.
    """

    kind: str | None = None
    files: list[FileFacts] = field(default_factory=list)
    layout: Layout | None = None
    rows: int = 0
    usable: int = 0
    bad_rows: int = 0
    defects: list[Defect] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    stops: list[PipelineError] = field(default_factory=list)
    trial: Trial | None = None
    tried_of: int = 0
    facts: PairFacts | None = None
    tokenizer: str | None = None
    tokens: TokenFindings | None = None
    examples: list[Example] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def would_run(self) -> bool:
        """Whether the pipeline would run to its end, as far as can be told."""
        return not self.stops
