"""Which pairs share a forward pass: planned from lengths alone, so that every run and rank plans the same."""

from __future__ import annotations

from collections.abc import Sequence


def plan_bins(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Places of items, in bins whose lengths add up to at most ``room``.

    First-fit decreasing (Johnson 1973): the longest first, each into the first bin that still has room, so
    that at most 11/9 of the fewest bins plus one are used. An item longer than ``room`` is alone in its bin.

    Args:
        lengths: Tokens of each item.
        room: Tokens a bin may have.

    Returns:
        Every place once; within a bin in the order of the places.
    """
    bins: list[list[int]] = []
    left: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        fitting = (number for number, free in enumerate(left) if lengths[place] <= free)
        number = next(fitting, len(bins))
        if number == len(bins):
            bins.append([])
            left.append(room)
        bins[number].append(place)
        left[number] -= lengths[place]
    return [sorted(places) for places in bins]


def plan_rows(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Places of items, in groups that padded to their longest have at most ``room`` tokens.

    Args:
        lengths: Tokens of each item's row (or rows).
        room: Tokens a group may have, padding included.

    Returns:
        Every place once, the longest first: like lengths lie together.
    """
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        last = groups[-1] if groups else []
        if last and lengths[last[0]] * (len(last) + 1) <= room:
            last.append(place)
        else:
            groups.append([place])
    return groups
