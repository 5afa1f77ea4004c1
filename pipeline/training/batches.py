"""Many pairs as micro-batches, for passes that only look: a window of pairs is laid out at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from pipeline.progress import progress_bar
from pipeline.tokens.shards import TokenPair
from pipeline.training.batch import Batch
from pipeline.training.step_model import StepModel

WINDOW = 256
"""Pairs whose micro-batches are laid out at once; only memory depends on it."""


def tracked_batches(
    step_model: StepModel, pairs: Iterable[TokenPair], total: int, what: str, size: int = WINDOW
) -> Iterator[Batch]:
    """Micro-batches that hold every pair once, showing how many pairs have been worked on.

    Args:
        step_model: Lays them out.
        pairs: The pairs.
        total: How many there are.
        what: What the progress bar calls it.
        size: Pairs laid out at once.
    """
    rest = iter(pairs)
    with progress_bar() as progress:
        task = progress.begin(what, total, "pairs")
        while window := list(islice(rest, size)):
            for batch in step_model.micro_batches(window):
                yield batch
                progress.done(task, len(batch.pair_ids))
