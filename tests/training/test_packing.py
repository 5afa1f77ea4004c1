from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.packing import plan_bins, plan_rows


def test_bins_by_hand() -> None:
    # Longest first, each into the first bin with room: 7 | 6 | 4 joins the 6 | 3 joins the 7 | 2 opens.
    assert plan_bins([4, 7, 2, 6, 3], 10) == [[1, 4], [0, 3], [2]]
    # Equal lengths keep their order.
    assert plan_bins([5, 5, 5], 10) == [[0, 1], [2]]


def test_an_item_longer_than_the_room_is_alone() -> None:
    assert plan_bins([3, 40, 7], 10) == [[1], [0, 2]]
    assert plan_bins([40, 50], 10) == [[1], [0]]


def test_nothing_needs_no_bin() -> None:
    assert plan_bins([], 10) == plan_rows([], 10) == []


LENGTHS = st.lists(st.integers(1, 30), max_size=40)
ROOM = st.integers(1, 60)


@given(lengths=LENGTHS, room=ROOM)
def test_laws_of_bins(lengths: list[int], room: int) -> None:
    bins = plan_bins(lengths, room)
    assert sorted(place for places in bins for place in places) == list(range(len(lengths)))
    filled = [sum(lengths[place] for place in places) for places in bins]
    for places, tokens in zip(bins, filled, strict=True):
        assert places == sorted(places)
        assert tokens <= room or len(places) == 1
    # Two bins at most half full would have been one.
    assert sum(2 * tokens <= room for tokens in filled) <= 1
    assert plan_bins(tuple(lengths), room) == bins


def fewest_bins(lengths: list[int], room: int) -> int:
    """The fewest bins, by trying every way to place the items."""
    best = len(lengths)

    def place(number: int, left: tuple[int, ...]) -> None:
        nonlocal best
        if len(left) >= best:
            return
        if number == len(lengths):
            best = len(left)
            return
        length = lengths[number]
        for free in set(left):
            if length <= free:
                rest = list(left)
                rest[rest.index(free)] -= length
                place(number + 1, tuple(rest))
        place(number + 1, (*left, room - length))

    place(0, ())
    return best


@given(lengths=st.lists(st.integers(1, 10), min_size=1, max_size=7), room=st.integers(10, 20))
def test_bins_are_few(lengths: list[int], room: int) -> None:
    """First-fit decreasing never needs more than 11/9 of the fewest bins and 6/9 more (Dosa 2007)."""
    assert 9 * len(plan_bins(lengths, room)) <= 11 * fewest_bins(lengths, room) + 6


def test_rows_by_hand() -> None:
    # Beside 8 the 6 would make 16; beside 6 one 5 makes 12, another 18; beside 5 there is room for 2 and 1.
    assert plan_rows([5, 2, 8, 6, 5, 1], 15) == [[2], [3, 0], [4, 1, 5]]
    # Padded to the longest: 9 leaves no room for 1.
    assert plan_rows([9, 1], 10) == [[0], [1]]
    assert plan_rows([30, 4, 4], 10) == [[0], [1, 2]]


@given(lengths=LENGTHS, room=ROOM)
def test_laws_of_rows(lengths: list[int], room: int) -> None:
    groups = plan_rows(lengths, room)
    assert sorted(place for places in groups for place in places) == list(range(len(lengths)))
    ordered = [lengths[place] for places in groups for place in places]
    assert ordered == sorted(ordered, reverse=True)
    for number, places in enumerate(groups):
        longest = lengths[places[0]]
        assert longest * len(places) <= room or len(places) == 1
        if number + 1 < len(groups):  # the next item would not have fitted
            assert longest * (len(places) + 1) > room
