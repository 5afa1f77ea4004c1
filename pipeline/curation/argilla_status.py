"""Where annotation stands: what is done, by whom, how far they agree, and what is left."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pipeline.curation.aggregate import Aggregated
from pipeline.curation.argilla_sync import Pulled
from pipeline.schema import ANNOTATION_STATUSES


def status_lines(pulled: Pulled, aggregated: Aggregated, unsent: int | None) -> Iterator[str]:
    """The lines of ``curate status``.

    Args:
        pulled: What the dataset holds.
        aggregated: What its annotations come to.
        unsent: Pairs of the queue that were not sent there; None where there is no queue.
    """
    responses = pulled.responses
    total = responses.completed + responses.left + responses.discarded
    yield f"{pulled.where.partition('#')[0]} at {pulled.url}"
    yield f"pairs: {total}; completed {responses.completed}, left {responses.left + responses.discarded}"
    if responses.discarded:
        yield f"  {responses.discarded} of those left were discarded by somebody and wait for others"
    yield (
        f"answers: {aggregated.decided} pairs decided, {len(aggregated.contested)} contested, "
        f"{len(aggregated.waiting)} wait for more"
    )
    if aggregated.unknown:
        yield f"undecided: {len(aggregated.unknown)} pairs, whose texts changed after they were corrected"
    if unsent:
        yield f"queue: {unsent} pairs are not sent yet; `python -m pipeline curate push` sends them"
    alpha, overlapping = aggregated.agreement.alpha, aggregated.agreement.overlapping
    said = "not defined: nobody differs" if alpha is None else f"{alpha:.3f}"
    said = said if overlapping else "no pair has two answers yet"
    yield f"agreement: Krippendorff's alpha {said} ({overlapping} pairs with two answers or more)"
    for name, counts in annotator_counts(responses.annotations).items():
        judged = aggregated.agreement.annotators.get(name)
        of_others = (
            ""
            if judged is None or judged.share is None
            else f"; with the others' majority {judged.agreed} of {judged.compared} times"
        )
        yield f"  {name}: {', '.join(f'{count} {status}' for status, count in counts.items())}{of_others}"


def annotator_counts(annotations: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Responses by status of each annotator, in alphabetical order; a status nobody used counts 0.

    Args:
        annotations: The table ANNOTATIONS.
    """
    counted = annotations.group_by("annotator", "status").len()
    by_key = {(name, status): count for name, status, count in counted.iter_rows()}
    names = sorted(annotations["annotator"].unique())
    return {name: {status: by_key.get((name, status), 0) for status in ANNOTATION_STATUSES} for name in names}


def unknown_line(unknown: list[str]) -> str:
    """What is said of records nobody knows the order of.

    Args:
        unknown: Their ids.
    """
    return (
        f"warning: {len(unknown)} annotated records have no line in the record of what was sent: nobody "
        f"knows which response stood as A; their answers are left out: {', '.join(unknown[:3])}"
        f"{', ...' if len(unknown) > 3 else ''}"
    )
