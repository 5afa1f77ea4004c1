"""How well a score puts the wrong labels first: area under the ROC curve, and precision at a rank."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def auc(scores: Floats, wrong: Flags) -> float:
    """Probability that a wrong label scores higher than a right one; equal scores count half.

    The Mann-Whitney statistic (Hanley and McNeil, 1982).

    Args:
        scores: The higher, the more suspect.
        wrong: Whether each label is wrong; some are, some are not.

    Raises:
        ValueError: If all labels are wrong, or none.
    """
    if wrong.all() or not wrong.any():
        raise ValueError("an AUC needs labels that are wrong and labels that are right")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives, negatives = int(wrong.sum()), int((~wrong).sum())
    above = float(ranks[wrong].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def precision_at(scores: Floats, wrong: Flags, count: int) -> float:
    """Share of wrong labels among the ``count`` highest scores; of equal scores, as drawing would expect.

    Args:
        scores: The higher, the more suspect.
        wrong: Whether each label is wrong.
        count: Between 1 and the number of scores.
    """
    edge = np.sort(scores)[-count]
    above, level = scores > edge, scores == edge
    room = count - int(above.sum())
    return (int(wrong[above].sum()) + room * float(wrong[level].mean())) / count
