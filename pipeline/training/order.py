"""Which pairs make up each optimizer step: shuffled anew for every epoch, by the run's seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def epoch_steps(pairs: int, batch_pairs: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
    """Indices of the pairs of each optimizer step of an epoch.

    Every pair comes once; the last step may be short. Lengths have no say: packed pairs need no padding, and
    steps of like lengths would not be random ones.

    Args:
        pairs: How many there are.
        batch_pairs: Pairs per step.
        seed: Seed of the whole run.
        epoch: Number of the epoch, from 0; each has its own order.
    """
    order = np.random.default_rng([seed, epoch]).permutation(pairs)
    return [order[start : start + batch_pairs] for start in range(0, pairs, batch_pairs)]
