"""Intervals and tests beside scipy's and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.evaluation import statistics
from pipeline.evaluation.statistics import (
    Clustered,
    Resampling,
    bootstrap_intervals,
    by_cluster,
    effective_rows,
    share_interval,
    sign_flip_p_value,
)
from pipeline.intervals import wilson_interval

RESAMPLING = Resampling(2000, seed=5)


def clusters(count: int, seed: int = 0) -> Clustered:
    """Clusters of one to four rows, of two skewed measures and of right or wrong."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, 5, count)
    sums = np.stack([draw.gamma(2.0, sizes), draw.normal(sizes), draw.binomial(sizes, 0.7)], axis=1)
    return Clustered(sums.astype(float), sizes.astype(float))


def test_values_are_added_up_by_cluster_whatever_the_order() -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    found = by_cluster(values, ["q", "p", "q"])
    assert found.sums.tolist() == [[2.0, 20.0], [5.0, 50.0]]
    assert found.sizes.tolist() == [1.0, 2.0]
    assert found.means.tolist() == [7 / 3, 70 / 3]
    turned = by_cluster(values[[2, 1, 0]], ["q", "p", "q"])
    assert turned.sums.tolist() == found.sums.tolist()


@pytest.mark.parametrize("block", [1 << 20, 1000], ids=["at once", "in blocks"])
def test_bca_is_scipys(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_BLOCK", block)
    data = clusters(40)
    low, high = bootstrap_intervals(data, RESAMPLING)

    def ratio(sums: np.ndarray, sizes: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(sums.sum(axis) / sizes.sum(axis))

    for place in range(3):
        peer = stats.bootstrap(
            (data.sums[:, place], data.sizes),
            ratio,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLING.resamples,
            confidence_level=0.95,
            method="BCa",
            rng=np.random.default_rng(RESAMPLING.seed),
        ).confidence_interval
        assert (low[place], high[place]) == pytest.approx((peer.low, peer.high), rel=1e-9)


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """Clusters whose rows are one draw: resampled by row, half the intervals would miss."""
    covered = {"clusters": 0, "rows": 0}
    for trial in range(200):
        draw = np.random.default_rng(trial)
        rows = np.repeat(draw.normal(size=30), 8)[:, None]
        for name, ids in (("clusters", np.repeat(np.arange(30), 8)), ("rows", np.arange(240))):
            low, high = bootstrap_intervals(by_cluster(rows, [f"{i:03d}" for i in ids]), Resampling(300, 1))
            covered[name] += bool(low[0] <= 0 <= high[0])
    assert 0.90 <= covered["clusters"] / 200 <= 0.98
    assert covered["rows"] / 200 < 0.7


def test_a_constant_has_an_interval_of_no_width() -> None:
    data = Clustered(np.full((5, 1), 0.25), np.ones(5))
    low, high = bootstrap_intervals(data, RESAMPLING)
    assert (low[0], high[0]) == (0.25, 0.25)


def test_one_cluster_has_no_interval() -> None:
    with pytest.raises(ValueError, match="needs two"):
        bootstrap_intervals(Clustered(np.ones((1, 1)), np.ones(1)), RESAMPLING)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=9))
def test_few_sign_flips_are_all_listed_as_scipy_lists_them(sums: list[int]) -> None:
    found = sign_flip_p_value(np.array(sums, dtype=float), RESAMPLING)
    peer = stats.permutation_test(
        (np.array(sums, dtype=float),),
        lambda x, axis: x.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert found == pytest.approx(peer.pvalue, abs=1e-12)


@pytest.mark.parametrize(("gained", "lost"), [(5, 0), (7, 2), (3, 3), (1, 0), (0, 0)])
def test_on_right_or_wrong_it_is_mcnemars_exact_test(gained: int, lost: int) -> None:
    sums = np.array([1.0] * gained + [-1.0] * lost + [0.0] * 200)
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert sign_flip_p_value(sums, RESAMPLING) == pytest.approx(expected)


def test_many_sign_flips_are_drawn() -> None:
    sums = np.random.default_rng(3).normal(0.25, 1.0, 60)
    found = sign_flip_p_value(sums, Resampling(20_000, 1))
    peer = stats.permutation_test(
        (sums,),
        lambda x, axis: x.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(9),
    ).pvalue
    # Two independent draws of the same share: four standard errors of their difference.
    assert 0.01 < peer < 0.5
    assert found == pytest.approx(peer, abs=4 * math.sqrt(2 * peer * (1 - peer) / 20_000))


def test_a_p_value_is_never_0() -> None:
    assert sign_flip_p_value(np.ones(100), Resampling(999, 0)) == 1 / 1000


def test_draws_are_those_of_the_seed() -> None:
    data, sums = clusters(30), np.random.default_rng(0).normal(0.3, 1, 40)
    first, again, other = (Resampling(500, seed) for seed in (1, 1, 2))
    assert np.array_equal(bootstrap_intervals(data, first), bootstrap_intervals(data, again))
    assert not np.array_equal(bootstrap_intervals(data, first), bootstrap_intervals(data, other))
    assert sign_flip_p_value(sums, first) == sign_flip_p_value(sums, again)


@pytest.mark.parametrize(("passed", "total"), [(8, 10), (0, 5), (5, 5), (1, 1), (76, 100)])
def test_wilson_is_scipys(passed: int, total: int) -> None:
    peer = stats.binomtest(passed, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(passed / total, total) == pytest.approx((peer.low, peer.high), abs=1e-12)


@given(st.integers(1, 400).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_a_share_lies_in_its_interval(counts: tuple[int, int]) -> None:
    passed, rows = counts
    low, high = wilson_interval(passed / rows, rows)
    assert 0 <= low <= passed / rows <= high <= 1


def test_effective_rows_by_hand() -> None:
    def worth(sums: list[float], sizes: list[float]) -> float:
        return effective_rows(Clustered(np.array(sums)[:, None], np.array(sizes)))

    # A row a cluster: as many as there are.
    assert worth([1, 0, 1, 1], [1, 1, 1, 1]) == pytest.approx(4)
    # Rows of a cluster all alike: as many as there are clusters.
    assert worth([3, 0, 3, 0], [3, 3, 3, 3]) == pytest.approx(4)
    # Residuals of p = 5/8: 1 - 1.25, 2 - 1.25 twice, 0 - 1.25; squares 2.75 over 8 * 15/64 = 1.875.
    assert worth([1, 2, 2, 0], [2, 2, 2, 2]) == pytest.approx(8 / (2.75 / 1.875))
    # Clusters that balance within tell more than rows would, but are counted as rows.
    assert worth([1, 1], [2, 2]) == 4
    # All or none right: each cluster once.
    assert worth([2, 2, 2], [2, 2, 2]) == 3 == worth([0, 0, 0], [2, 2, 2])


def test_the_interval_of_a_clustered_share() -> None:
    data = Clustered(np.array([[3.0], [0.0], [3.0], [3.0]]), np.full(4, 3.0))
    peer = stats.binomtest(3, 4).proportion_ci(0.95, method="wilson")
    assert share_interval(data) == pytest.approx((peer.low, peer.high))
