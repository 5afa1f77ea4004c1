"""The linear probe: against scipy's minimiser, and what cross-fitting must not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from pipeline.evaluation.suspects.probe import cross_fit, fit


def features(pairs: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.logspace(-1, 1, width, dtype=torch.float64)
    drawn = torch.randn(pairs, width, generator=generator, dtype=torch.float64) * scales
    return drawn + 0.5 * scales * (torch.arange(width) % 2)


@pytest.mark.parametrize(("pairs", "width"), [(40, 3), (12, 30), (10, 10), (1, 4)])
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_the_weights_are_the_minimum(pairs: int, width: int, strength: float) -> None:
    points = features(pairs, width)
    scale = points.square().mean(dim=0).sqrt().numpy()
    scaled = points.numpy() / scale

    def loss(weights: np.ndarray) -> float:
        return float(np.logaddexp(0, -scaled @ weights).mean() + strength * weights @ weights / 2)

    def slope(weights: np.ndarray) -> np.ndarray:
        wrong = 1 / (1 + np.exp(scaled @ weights))
        return np.asarray(strength * weights - scaled.T @ wrong / pairs)

    expected = minimize(loss, np.zeros(width), jac=slope, method="BFGS", options={"gtol": 1e-9}).x / scale
    assert fit(points, strength).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_feature_that_is_always_zero_has_no_weight() -> None:
    points = features(20, 3)
    points[:, 1] = 0.0
    weights = fit(points, 0.1)
    assert weights[1] == 0.0
    assert weights[[0, 2]].numpy() == pytest.approx(fit(points[:, [0, 2]], 0.1).numpy())


def test_a_pair_that_is_swapped_turns_its_margin_and_no_other() -> None:
    points, folds = features(30, 4), torch.arange(30) % 3
    turned = points.clone()
    turned[0] *= -1
    before, after = cross_fit(points, folds), cross_fit(turned, folds)
    # Its own fold is scored by models that saw neither it nor its label.
    assert after[0] == pytest.approx(-float(before[0]))
    same_fold = folds == 0
    assert torch.equal(before[same_fold][1:], after[same_fold][1:])
    assert not torch.equal(before[~same_fold], after[~same_fold])


def test_labels_that_go_against_the_others_are_found() -> None:
    points, folds = features(200, 6, seed=1), torch.arange(200) % 5
    direction = torch.tensor([0.0, 3.0, 0.0, 1.0, 0.0, 0.3], dtype=torch.float64)
    points *= (points @ direction).sign()[:, None]
    flipped = torch.arange(200) % 10 == 0
    points[flipped] *= -1
    margins = cross_fit(points, folds)
    assert (margins[flipped] < 0).double().mean() >= 0.9
    assert (margins[~flipped] > 0).double().mean() >= 0.9


def test_two_folds_are_enough() -> None:
    margins = cross_fit(features(8, 2), torch.arange(8) % 2)
    assert margins.shape == (8,) and margins.isfinite().all()
