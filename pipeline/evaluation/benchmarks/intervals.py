"""Bootstrap intervals of scores that are ratios of sums over prompts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.benchmarks.interface import Interval

RESAMPLES = 10_000
"""Draws of the prompts: an interval's ends then move by a hundredth of its width from seed to seed."""

_BLOCK = 1_000


def resampled_ratios(
    successes: NDArray[np.float64], trials: NDArray[np.float64], seed: int = 0
) -> NDArray[np.float64]:
    """Each score in :data:`RESAMPLES` draws of as many prompts, with replacement.

    Whole prompts are drawn, as the instructions of one prompt are met or missed together.

    Args:
        successes: What counts for each score, shape (prompts, scores).
        trials: Out of how many, the same shape; above 0.
        seed: Of the draws.

    Returns:
        Successes over trials of each draw, shape (:data:`RESAMPLES`, scores).
    """
    return np.concatenate([counts @ successes / (counts @ trials) for counts in _draws(len(trials), seed)])


def _draws(prompts: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each prompt is drawn, in blocks of shape (:data:`_BLOCK`, prompts)."""
    generator = np.random.default_rng(seed)
    for _ in range(RESAMPLES // _BLOCK):
        yield generator.multinomial(prompts, np.full(prompts, 1 / prompts), _BLOCK).astype(np.float64)


def percentile_interval(values: NDArray[np.float64]) -> Interval:
    """The 95% percentile interval of a score's resampled values."""
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
