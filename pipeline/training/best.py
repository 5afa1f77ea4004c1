"""The best validation pass so far, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pipeline.training.gather import Weights

SMALLER_IS_BETTER = {"loss": True, "accuracy": False, "log_odds": False}
"""Which way each ``train.best_metric`` gets better."""


@dataclass
class Best:
    """The best pass by one validation metric.

    Attributes:
        metric: A key of :data:`SMALLER_IS_BETTER`.
        value: The metric's, None before the first pass.
        step: After how many steps.
        since: Passes since then.
        weights: The trained parameters of that moment; on other ranks than the main one, {}.
    """

    metric: str
    value: float | None = None
    step: int = 0
    since: int = 0
    weights: Weights = field(default_factory=dict)

    def offer(self, step: int, value: float) -> bool:
        """Take note of a pass; gives whether it is the best so far, whose weights are then to be kept.

        An equal value is not better, so the earlier pass stands; nor is NaN, ever.
        """
        if math.isnan(value) or (self.value is not None and not self._better(value, self.value)):
            self.since += 1
            return False
        self.value, self.step, self.since = value, step, 0
        return True

    def _better(self, value: float, other: float) -> bool:
        return value < other if SMALLER_IS_BETTER[self.metric] else value > other
