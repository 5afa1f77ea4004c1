"""A draw of flips turns the sign of all that is known of a pair, and of nothing else."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.suspect_draws import one_draw
from pipeline.evaluation.suspects.features import FrozenView


def test_a_draw_by_hand() -> None:
    """All that is known says that chosen is better, but for the base model, which says nothing, or no."""
    count = 30
    ones = np.ones(count)
    flipped = np.zeros(count, np.bool_)
    flipped[[3, 11, 20]] = True
    margins = torch.zeros(count)
    view = FrozenView(torch.ones(count, 2, dtype=torch.float64), margins, margins)
    known = {"base_margin": 0 * ones, "base_sum_margin": -ones, "length_margin": ones}
    folds = torch.arange(count) % 3
    assert one_draw(view, known, ones, folds, flipped) == {
        "stacked": 1.0,
        "probe": 1.0,
        "base_margin": 0.5,
        "base_sum_margin": 0.0,
        "length, as most labels have it": 1.0,
        "length, the longer is better": 1.0,
        "score_margin": 0.5,
    }
    # Shorter is better, and most labels say so.
    turned = one_draw(view, {**known, "length_margin": -ones}, ones, folds, flipped)
    assert turned["length, as most labels have it"] == 1.0 and turned["length, the longer is better"] == 0.0
