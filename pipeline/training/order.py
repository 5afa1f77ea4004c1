"""Which pairs make up each optimizer step: seeded, and with pairs of like length together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BUCKET_STEPS = 8
"""Steps whose pairs are sorted by length together: padding falls, and the order stays close to random."""


def epoch_steps(
    lengths: npt.NDArray[np.int64], batch_pairs: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """Indices of the pairs of each optimizer step of an epoch.

    Pairs are shuffled, cut into buckets of :data:`BUCKET_STEPS` steps, sorted by length within each, cut into
    steps, and the steps are shuffled. Every pair comes once; one step of an epoch at most is short.

    Args:
        lengths: Tokens of each pair, shape (pairs,).
        batch_pairs: Pairs per step.
        seed: Seed of the whole run.
        epoch: Number of the epoch, from 0; each has its own order.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    steps: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(order), BUCKET_STEPS * batch_pairs):
        bucket = order[start : start + BUCKET_STEPS * batch_pairs]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        steps += [bucket[first : first + batch_pairs] for first in range(0, len(bucket), batch_pairs)]
    return [steps[index] for index in random.permutation(len(steps))]
