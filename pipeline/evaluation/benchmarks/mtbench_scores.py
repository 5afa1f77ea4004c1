"""MT-Bench's numbers from ratings: by turn, by category and overall, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.benchmarks.interface import RESAMPLING
from pipeline.evaluation.statistics import percentile_interval, resampled_ratios
from pipeline.intervals import Interval


@dataclass(frozen=True)
class Rating:
    """One rated answer.

    Attributes:
        question: The question's id.
        category: The question's category.
        turn: 1 or 2.
        rating: From 1 to 10.
    """

    question: str
    category: str
    turn: int
    rating: float


def score_ratings(ratings: Sequence[Rating]) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """Mean ratings and their 95% bootstrap intervals.

    Every rated answer counts once, as in FastChat's ``show_result.py``. Questions are drawn, not answers: the
    two turns of a question depend on each other.

    Args:
        ratings: The ratings there are.

    Returns:
        ``score``, ``turn_1``, ``turn_2`` (None without ratings) and ``category_<name>``, in alphabetical
        order; the interval of each that has ratings of two questions or more.
    """
    categories = sorted({rating.category for rating in ratings})
    groups = {
        "score": list(ratings),
        "turn_1": [rating for rating in ratings if rating.turn == 1],
        "turn_2": [rating for rating in ratings if rating.turn == 2],
        **{
            f"category_{category}": [rating for rating in ratings if rating.category == category]
            for category in categories
        },
    }
    scores: dict[str, float | None] = {}
    intervals: dict[str, Interval] = {}
    for name, group in groups.items():
        scores[name] = sum(rating.rating for rating in group) / len(group) if group else None
        if len({rating.question for rating in group}) > 1:
            intervals[name] = _interval(group)
    return scores, intervals


def _interval(ratings: Sequence[Rating]) -> Interval:
    by_question: dict[str, list[float]] = {}
    for rating in ratings:
        by_question.setdefault(rating.question, []).append(rating.rating)
    sums = np.array([[sum(values)] for values in by_question.values()], dtype=np.float64)
    counts = np.array([[len(values)] for values in by_question.values()], dtype=np.float64)
    return percentile_interval(resampled_ratios(sums, counts, RESAMPLING)[:, 0])
