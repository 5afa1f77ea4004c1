"""Several ordered wish lists made into one queue, each list given its share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def interleave(
    wishes: Mapping[str, Sequence[str]], weights: Mapping[str, float], size: int
) -> dict[str, list[str]]:
    """Take from the lists in turn, so that at every moment each has had its share, until the queue is full.

    The next to choose is the list with the least ``(taken + 1/2) / weight`` (Webster's method of
    apportionment; equal ones in the lists' order). A list that wishes for what another has taken adds its
    name to it, and that counts as its turn. A list at its end leaves the rest to the others.

    Args:
        wishes: For each list its ids, the most wanted first, each once.
        weights: Relative shares; a list whose weight is 0 or missing is not asked.
        size: Ids in the queue at most.

    Returns:
        id to the names of the lists that chose it, in the order of choosing.
    """
    asked = {name: ids for name, ids in wishes.items() if weights.get(name, 0) > 0}
    taken = dict.fromkeys(asked, 0)
    queue: dict[str, list[str]] = {}
    while len(queue) < size:
        open_lists = [name for name in asked if taken[name] < len(asked[name])]
        if not open_lists:
            break
        name = min(open_lists, key=lambda name: (taken[name] + 0.5) / weights[name])
        queue.setdefault(asked[name][taken[name]], []).append(name)
        taken[name] += 1
    return queue
