from __future__ import annotations

import numpy as np

from pipeline.tokens.shards import TokenPair


def make_pair(name: str, prompt: int, chosen: int, rejected: int) -> TokenPair:
    """A pair of the given lengths with tokens drawn from its name."""
    random = np.random.default_rng(sum(name.encode()))
    ids = [random.integers(3, 250, size).astype(np.int32) for size in (prompt, chosen, rejected)]
    masks = [np.zeros(prompt, bool), np.ones(chosen, bool), np.ones(rejected, bool)]
    return TokenPair(name, ids[0], ids[1], ids[2], masks[0], masks[1], masks[2])


def make_pairs(count: int) -> list[TokenPair]:
    random = np.random.default_rng(count)
    sizes = random.integers(1, 24, (count, 3))
    return [make_pair(f"pair{number}", *(int(n) for n in row)) for number, row in enumerate(sizes)]
