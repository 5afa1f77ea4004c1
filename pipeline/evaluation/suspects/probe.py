"""A linear probe that tells chosen from rejected by a frozen model's features: logistic, exact, cross-fitted.

It is a Bradley-Terry model whose score is linear in the features. Swapping a pair's responses turns the sign
of its features, so there is no intercept, and every pair counts as chosen: what is minimised is
``mean log(1 + exp(-x.w)) + strength |w|^2 / 2``, with each feature divided by its root mean square.
"""

from __future__ import annotations

import torch
from torch import Tensor

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Weights of the penalty that are tried."""

_NEWTON_STEPS = 50
_SMALL_STEP = 1e-8


def fit(features: Tensor, strength: float) -> Tensor:
    """Weights of the probe, by Newton's method with a backtracking line search; the minimum is unique.

    Args:
        features: Chosen less rejected, float64, shape (pairs, features), at least one pair.
        strength: Weight of the penalty, above 0.

    Returns:
        float64, shape (features,), for features as they come.
    """
    scale = features.square().mean(dim=0).sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    # Where features outnumber pairs, the weights lie in the pairs' span, and what is to be solved is small.
    basis = _span(features / scale)
    points = (features / scale) @ basis
    return torch.mv(basis, _newton(points, strength)) / scale


def cross_fit(features: Tensor, folds: Tensor) -> Tensor:
    """The margin of each pair by a probe fitted to the other folds.

    The penalty is chosen for each fold by an inner cross-fit over the others, by the log-loss on the labels
    as they are given: what is true has no say.

    Args:
        features: As for :func:`fit`.
        folds: The fold of each pair, int64, shape (pairs,); at least two differ.

    Returns:
        float64, shape (pairs,): below 0 where the probe prefers the rejected response.
    """
    margins = torch.zeros(len(features), dtype=torch.float64)
    for fold in folds.unique().tolist():
        held_out = folds == fold
        seen, seen_folds = features[~held_out], folds[~held_out]
        margins[held_out] = features[held_out] @ fit(seen, _strength(seen, seen_folds))
    return margins


def _strength(features: Tensor, folds: Tensor) -> float:
    """The penalty with the least held-out log-loss; the largest where there is but one fold to learn from."""
    names = folds.unique().tolist()
    if len(names) < 2:
        return STRENGTHS[-1]
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for fold in names:
            held_out = folds == fold
            margins = features[held_out] @ fit(features[~held_out], strength)
            loss += float(torch.nn.functional.softplus(-margins).sum())
        losses.append(loss)
    return STRENGTHS[losses.index(min(losses))]


def _span(features: Tensor) -> Tensor:
    """An orthonormal basis of the rows' span, shape (features, at most pairs)."""
    pairs, width = features.shape
    if pairs >= width:
        return torch.eye(width, dtype=features.dtype)
    basis: Tensor = torch.linalg.qr(features.T)[0]
    return basis


def _newton(points: Tensor, strength: float) -> Tensor:
    pairs, width = points.shape
    weights = points.new_zeros(width)
    identity = torch.eye(width, dtype=points.dtype)
    loss = _loss(points, weights, strength)
    for _ in range(_NEWTON_STEPS):
        wrong = torch.sigmoid(-(points @ weights))
        gradient = strength * weights - points.T @ wrong / pairs
        curvature = points.T @ (points * (wrong * (1 - wrong))[:, None]) / pairs + strength * identity
        direction = torch.linalg.solve(curvature, gradient)
        step = 1.0
        while (tried := _loss(points, weights - step * direction, strength)) > loss and step > _SMALL_STEP:
            step /= 2
        weights, loss = weights - step * direction, tried
        if float(step * direction.abs().max()) < _SMALL_STEP:
            break
    return weights


def _loss(points: Tensor, weights: Tensor, strength: float) -> float:
    likelihood = torch.nn.functional.softplus(-(points @ weights)).mean()
    return float(likelihood + strength * weights.square().sum() / 2)
