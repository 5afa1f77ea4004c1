"""Small tables by hand, as the tests of pairs make them."""

from tests.pairs.conftest import completions, pairs

__all__ = ["completions", "pairs"]
