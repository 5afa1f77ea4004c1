"""Signals about a pair's label, and what they come to together.

Every signal has the sign of a margin: the lower, the less it believes that chosen is the better one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from pipeline.evaluation.suspects.probe import cross_fit

Floats = npt.NDArray[np.float64]

STACKED = ("cross_fit_margin", "probe_margin", "base_margin", "base_sum_margin", "length_margin")
"""Signals that never saw the pair's own label, from which the label is told anew.

The mean and the sum of log-probabilities, and the length, say together what none of them says alone: how long
a response is for what it says."""


def length_margins(pairs: pl.DataFrame) -> pl.Series:
    """The logarithm of chosen's characters over rejected's, each with one added; float64."""
    chars = {
        side: (pl.col(side).str.len_chars() + 1).cast(pl.Float64).log() for side in ("chosen", "rejected")
    }
    return pairs.select(length_margin=chars["chosen"] - chars["rejected"]).to_series()


def stacked_margins(signals: pl.DataFrame) -> Floats:
    """One margin from several: how the signals tell the given labels, learnt on the other folds.

    Stacked generalisation (Wolpert, 1992). A signal that says nothing of the labels, or points the wrong way,
    as the length does in some data, gets the weight that the labels give it, and none of them needs a scale.
    The labels as given are all that is learnt from.

    Args:
        signals: The columns :data:`STACKED`, and fold.

    Returns:
        Log-odds that the label is right, float64, shape (pairs,).
    """
    features = torch.tensor(signals.select(STACKED).rows(), dtype=torch.float64)
    folds = torch.tensor(signals["fold"].to_list())
    return cross_fit(features, folds).numpy()


def suspicion(signals: pl.DataFrame, names: list[str]) -> pl.Series:
    """How far up a pair stands among the disbelieved, by the mean of its ranks in several signals.

    Ranks and not values: the signals' scales differ, and a few extreme margins should not decide.

    Args:
        signals: A column for each name, without nulls.
        names: The signals that count, each alike.

    Returns:
        float64 in [0, 1], 1 for the pair that every signal disbelieves most; equal values share their rank.
    """
    last = max(signals.height - 1, 1)
    ranks = [(pl.col(name).rank("average", descending=True) - 1) / last for name in names]
    return signals.select(suspicion=pl.mean_horizontal(ranks)).to_series()
