"""Intervals and tests for means over rows that come in clusters, as the pairs of one prompt do.

Pairs of one prompt are not independent: resampling pairs would take them for more evidence than they are.
Everything here resamples, flips or counts clusters. Clusters are taken in the order of their ids and draws
are seeded, so results do not depend on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.intervals import CONFIDENCE, Interval, wilson_interval

Floats = NDArray[np.float64]

_NORMAL = NormalDist()
_BLOCK = 1 << 20
"""Numbers drawn at once: 8 MB."""


@dataclass(frozen=True)
class Resampling:
    """How often to draw, and from what seed."""

    resamples: int
    seed: int


@dataclass(frozen=True)
class Clustered:
    """Values added up by cluster, in the order of the clusters' ids.

    Attributes:
        sums: Sum of each measure over a cluster's rows, shape (clusters, measures).
        sizes: Rows of each cluster, shape (clusters,).
    """

    sums: Floats
    sizes: Floats

    @property
    def means(self) -> Floats:
        """Mean of each measure over all rows, shape (measures,)."""
        return np.asarray(self.sums.sum(axis=0) / self.sizes.sum())

    def __len__(self) -> int:
        return len(self.sizes)


def by_cluster(values: Floats, clusters: Sequence[str]) -> Clustered:
    """Add values up by cluster.

    Args:
        values: Shape (rows, measures).
        clusters: Each row's cluster, length rows.
    """
    ids, places = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(ids), values.shape[1]))
    np.add.at(sums, places, values)
    return Clustered(sums, np.bincount(places, minlength=len(ids)).astype(np.float64))


def bootstrap_intervals(data: Clustered, resampling: Resampling) -> tuple[Floats, Floats]:
    """BCa intervals of the means at :data:`CONFIDENCE`, by the bootstrap over clusters.

    Bias-corrected and accelerated (Efron, "Better bootstrap confidence intervals", JASA 1987), the
    acceleration from the jackknife over clusters; the numbers that ``scipy.stats.bootstrap`` gives for the
    clusters. A measure that is the same in every resample gets an interval of no width.

    Args:
        data: At least two clusters.
        resampling: Draws and seed.

    Returns:
        Low and high ends, each of shape (measures,).

    Raises:
        ValueError: If there are fewer than two clusters: resampling one shows no spread.
    """
    if len(data) < 2:
        raise ValueError("a bootstrap over clusters needs two of them")
    draws = np.concatenate(list(_resampled_means(data, resampling)))
    ends = [_bca(draws[:, place], data, place) for place in range(data.sums.shape[1])]
    low, high = np.asarray(ends).T
    return low, high


def _resampled_means(data: Clustered, resampling: Resampling) -> Iterator[Floats]:
    """Blocks of the means of resampled clusters, shape (draws, measures)."""
    generator = np.random.default_rng(resampling.seed)
    count = len(data)
    for draws in _blocks(resampling.resamples, count):
        picked = generator.integers(0, count, size=(draws, count))
        # How often each cluster was drawn in each resample.
        flat = (picked + np.arange(draws)[:, None] * count).ravel()
        weights = np.bincount(flat, minlength=draws * count).reshape(draws, count).astype(np.float64)
        yield (weights @ data.sums) / (weights @ data.sizes)[:, None]


def _blocks(draws: int, width: int) -> Iterator[int]:
    """Rows to draw at a time, so that a block holds about :data:`_BLOCK` numbers."""
    size = max(1, _BLOCK // max(1, width))
    for start in range(0, draws, size):
        yield min(size, draws - start)


def _bca(draws: Floats, data: Clustered, place: int) -> tuple[float, float]:
    """Ends of the BCa interval of one measure from its resampled means."""
    estimate = data.means[place]
    below = (np.count_nonzero(draws < estimate) + np.count_nonzero(draws <= estimate)) / (2 * len(draws))
    # An estimate outside of all draws would need an infinite correction.
    edge = 0.5 / len(draws)
    bias = _NORMAL.inv_cdf(min(max(below, edge), 1 - edge))
    acceleration = _acceleration(data, place)
    shares = []
    for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        reach = bias + _NORMAL.inv_cdf(tail)
        shares.append(_NORMAL.cdf(bias + reach / max(1 - acceleration * reach, 1e-12)))
    low, high = np.quantile(draws, shares)
    return float(low), float(high)


def _acceleration(data: Clustered, place: int) -> float:
    """Sixth of the skewness of the means that leave one cluster out."""
    sums = data.sums[:, place]
    without = (sums.sum() - sums) / (data.sizes.sum() - data.sizes)
    spread = without.mean() - without
    scale = float((spread**2).sum()) ** 1.5
    return float((spread**3).sum()) / (6 * scale) if scale else 0.0


def resampled_ratios(successes: Floats, trials: Floats, resampling: Resampling) -> Floats:
    """Ratios of sums over clusters, each with a denominator of its own, in draws of whole clusters.

    Unlike the means of :func:`bootstrap_intervals`, the ratios of one draw belong together, so that a mean of
    several scores can be taken draw by draw.

    Args:
        successes: What counts for each ratio, shape (clusters, ratios).
        trials: Out of how many, the same shape; above 0.
        resampling: Draws and seed.

    Returns:
        Successes over trials of each draw, shape (draws, ratios).
    """
    generator = np.random.default_rng(resampling.seed)
    count = len(trials)
    even = np.full(count, 1 / count)
    found = []
    for draws in _blocks(resampling.resamples, count):
        weights = generator.multinomial(count, even, draws).astype(np.float64)
        found.append(weights @ successes / (weights @ trials))
    return np.concatenate(found)


def percentile_interval(values: Floats) -> Interval:
    """The percentile interval at :data:`CONFIDENCE` of a score, from its resampled values."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


def sign_flip_p_value(sums: Floats, resampling: Resampling) -> float:
    """Two-sided p-value of the paired permutation test over clusters.

    Where two models do not differ, which of them gave which of a cluster's values is a coin's toss: the sign
    of each cluster's summed difference may be flipped. The p-value is the share of flips whose total is at
    least as far from 0 as the one seen: of all flips where there are no more than ``resamples``; else of
    drawn ones, the one seen counted among them (Phipson and Smyth, 2010), so that it is never 0. On the
    right-or-wrong answers of one pair per cluster this is McNemar's exact test.

    Args:
        sums: Difference summed over each cluster, shape (clusters,).
        resampling: Draws and seed.
    """
    # A cluster without a difference adds nothing whatever its sign.
    moved = sums[sums != 0]
    seen = abs(moved.sum()) - 1e-12 * np.abs(moved).sum()
    if len(moved) < 63 and 2 ** len(moved) <= resampling.resamples:
        codes = np.arange(2 ** len(moved))[:, None]
        signs = 1 - 2 * ((codes >> np.arange(len(moved))) & 1)
        return float(np.mean(np.abs(signs @ moved) >= seen))
    generator = np.random.default_rng(resampling.seed)
    extreme = 0
    for draws in _blocks(resampling.resamples, len(moved)):
        signs = 1 - 2 * generator.integers(0, 2, size=(draws, len(moved)), dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs(signs @ moved) >= seen))
    return (extreme + 1) / (resampling.resamples + 1)


def effective_rows(passed: Clustered) -> float:
    """How many independent rows a share over clustered rows is worth, between 1 and the rows there are.

    Rows over the design effect (Kish, 1965): the variance of the share over clusters, by linearisation, over
    that of independent rows. Where all or none pass, nothing tells how the rows of a cluster hang together;
    each cluster then counts once.

    Args:
        passed: One measure, 1 where a row passes, else 0.
    """
    rows, share = float(passed.sizes.sum()), float(passed.means[0])
    if share in (0.0, 1.0):
        return float(len(passed))
    residuals = passed.sums[:, 0] - share * passed.sizes
    effect = float((residuals**2).sum()) / (rows * share * (1 - share))
    return min(rows, max(1.0, rows / effect)) if effect else rows


def share_interval(passed: Clustered) -> Interval:
    """Wilson's interval of a share at :func:`effective_rows`: sound for few rows, and where all or none pass.

    Args:
        passed: As :func:`effective_rows`; at least one row.
    """
    return wilson_interval(float(passed.means[0]), effective_rows(passed))
