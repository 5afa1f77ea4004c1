"""What to change about the source itself: where it lies, what it is, and what is to become of bad rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline.inspection.advice import Change
from pipeline.inspection.findings import Findings
from pipeline.inspection.opening import Asked, Opened
from pipeline.params import SourceParams

MOST_BAD = 0.05
"""Share of bad rows from which leaving them out is no advice: the mapping or the file is wrong then."""


def source_changes(params: SourceParams, opened: Opened, asked: Asked) -> Iterator[Change]:
    """What makes the source that was looked at the pipeline's own, where params name another.

    Args:
        params: The section ``source`` as it is.
        opened: What was looked at.
        asked: What was asked for.
    """
    if opened.params.kind != params.kind:
        yield Change("source.kind", opened.params.kind, f"params name {params.kind}")
    if asked.path is not None and asked.path != params.path:
        yield Change("source.path", asked.path, "this is what was looked at")
    if opened.params.kind != params.kind and params.score_column is not None:
        yield Change("source.score_column", opened.params.score_column, f"it belongs to {params.kind}")


def row_changes(params: SourceParams, found: Findings) -> Iterator[Change]:
    """What to do about rows that cannot be read, where they are few.

    Args:
        params: The section ``source`` of what was looked at.
        found: What was found so far.
    """
    bad = found.bad_rows
    if not bad or not found.usable or bad > MOST_BAD * found.rows:
        return
    share = bad / found.rows
    why = f"{bad:,} of {found.rows:,} rows ({share:.2%}) cannot be read"
    if params.on_bad_row == "error":
        yield Change("source.on_bad_row", "drop", why)
    if share > params.max_bad_share:
        yield Change("source.max_bad_share", math.ceil(share * 1000) / 1000, why)
