"""AUC and precision at a rank, against hand values and scikit-free definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from benchmarks.ranking import auc, precision_at

WRONG = np.array([True, False, True, False])


def test_auc_by_hand() -> None:
    # Of the four comparisons wrong against right: 0.9 > 0.8, 0.9 > 0.1, 0.4 < 0.8, 0.4 > 0.1.
    assert auc(np.array([0.9, 0.8, 0.4, 0.1]), WRONG) == 0.75
    assert auc(np.array([0.9, 0.1, 0.9, 0.1]), WRONG) == 1.0
    assert auc(np.array([0.1, 0.9, 0.1, 0.9]), WRONG) == 0.0
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), WRONG) == 0.5
    # 1 > 0 twice and 0 = 0 twice: (2 + 2 / 2) / 4.
    assert auc(np.array([1.0, 0.0, 0.0, 0.0]), WRONG) == 0.75


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_mann_whitney_statistic(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in rows], dtype=np.float64)
    wrong = np.array([flag for _, flag in rows])
    if wrong.all() or not wrong.any():
        with pytest.raises(ValueError, match="wrong and labels that are right"):
            auc(scores, wrong)
        return
    expected = mannwhitneyu(scores[wrong], scores[~wrong]).statistic / (wrong.sum() * (~wrong).sum())
    assert auc(scores, wrong) == pytest.approx(expected)


@pytest.mark.parametrize(("count", "expected"), [(1, 1.0), (2, 0.5), (3, 2 / 3), (4, 0.5)])
def test_precision_at_a_rank(count: int, expected: float) -> None:
    assert precision_at(np.array([0.9, 0.8, 0.4, 0.1]), WRONG, count) == pytest.approx(expected)


def test_equal_scores_at_the_edge_count_as_drawing_would() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5])
    # The first is wrong; one of the three level ones, of which one is wrong, is drawn: (1 + 1/3) / 2.
    assert precision_at(scores, WRONG, 2) == pytest.approx((1 + 1 / 3) / 2)
