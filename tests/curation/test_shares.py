"""Wish lists made into one queue: the shares, overlaps and ends worked out by hand."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.curation.shares import interleave


def test_lists_take_turns_by_their_weight() -> None:
    wishes = {"a": ["a1", "a2", "a3", "a4"], "b": ["b1", "b2"]}
    # (taken + 1/2) / weight: a at 1/6, b at 1/2, a at 3/6 (b first is no tie-break: a is listed first), ...
    found = interleave(wishes, {"a": 3.0, "b": 1.0}, 4)
    assert found == {"a1": ["a"], "a2": ["a"], "b1": ["b"], "a3": ["a"]}
    assert list(found) == ["a1", "a2", "b1", "a3"]


def test_a_pair_of_several_lists_carries_all_their_names_and_fills_one_place() -> None:
    wishes = {"a": ["x", "a2", "a3"], "b": ["x", "b2", "b3"]}
    assert interleave(wishes, {"a": 1.0, "b": 1.0}, 3) == {"x": ["a", "b"], "a2": ["a"], "b2": ["b"]}


def test_a_list_at_its_end_leaves_the_rest_to_the_others() -> None:
    wishes: dict[str, list[str]] = {"a": ["a1"], "b": ["b1", "b2", "b3"], "none": []}
    found = interleave(wishes, {"a": 9.0, "b": 1.0, "none": 5.0}, 10)
    assert list(found) == ["a1", "b1", "b2", "b3"]


def test_a_list_of_weight_zero_is_not_asked() -> None:
    assert interleave({"a": ["x"], "b": ["y"]}, {"a": 0.0, "b": 1.0}, 5) == {"y": ["b"]}
    assert interleave({"a": ["x"]}, {}, 5) == {}


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=4),
    st.integers(1, 60),
)
def test_without_overlap_every_list_gets_its_share_to_within_one(weights: list[float], size: int) -> None:
    names = [f"list{number}" for number in range(len(weights))]
    wishes = {name: [f"{name}-{place}" for place in range(size)] for name in names}
    found = interleave(wishes, dict(zip(names, weights, strict=True)), size)
    assert len(found) == size
    counted = Counter(chosen[0] for chosen in found.values())
    # Webster's method breaks the quota only where there are four lists or more, and then by one.
    for name, weight in zip(names, weights, strict=True):
        assert abs(counted[name] - size * weight / sum(weights)) < (1 if len(names) < 4 else 2)
