"""95 % intervals: what one is, and the one of a share that needs no resampling."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

CONFIDENCE = 0.95
"""Share of samples whose interval is to cover the true value."""


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def wilson_interval(share: float, rows: float) -> Interval:
    """Wilson's score interval of a share at :data:`CONFIDENCE` (JASA 1927).

    Args:
        share: Between 0 and 1.
        rows: Independent rows it was taken over, above 0; need not be whole.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # By exact arithmetic low <= share <= high, within 0 and 1; by floating point not always at 0 and 1.
    return Interval(max(0.0, min(share, low)), min(1.0, max(share, high)))
