"""Section 6.4's numbers, by n-grams."""

from __future__ import annotations

import math
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.diversity import NgramSimilarity, bag_of_ngrams, diversity
from pipeline.schema import GENERATIONS

TEXTS = st.lists(st.sampled_from(["", "...", "a", "a b", "A, b.", "b a", "a b c d", "c d c d c"]))


def test_a_bag_by_hand() -> None:
    assert bag_of_ngrams("The tea. The tea") == {
        ("the",): 2,
        ("tea",): 2,
        ("the", "tea"): 2,
        ("tea", "the"): 1,
        ("the", "tea", "the"): 1,
        ("tea", "the", "tea"): 1,
    }


@pytest.mark.parametrize(
    ("texts", "cosine"),
    [
        (["a b", "a c"], 1 / 3),  # {a, b, ab} and {a, c, ac} share one of three
        (["a b", "A, b!"], 1.0),
        (["a", "b"], 0.0),
        (["a a", "a"], 2 / math.sqrt(5)),  # {a: 2, aa: 1} and {a: 1}
        (["a b", "a c", "a b"], (1 / 3 + 1 / 3 + 1) / 3),
        (["", "?!"], 1.0),
        (["", "a"], 0.0),
        (["", "", "a"], 1 / 3),
    ],
)
def test_cosines_by_hand(texts: list[str], cosine: float) -> None:
    assert NgramSimilarity().mean_cosines([texts]) == [pytest.approx(cosine)]


@given(TEXTS.filter(lambda texts: len(texts) > 1))
def test_the_mean_is_that_over_all_pairs(texts: list[str]) -> None:
    def cosine(one: str, two: str) -> float:
        left, right = bag_of_ngrams(one), bag_of_ngrams(two)
        if not left or not right:
            return float(not left and not right)
        product = sum(left[gram] * right[gram] for gram in left)
        return product / math.sqrt(sum(n * n for n in left.values()) * sum(n * n for n in right.values()))

    pairs = [cosine(one, two) for one, two in combinations(texts, 2)]
    assert NgramSimilarity().mean_cosines([texts]) == [pytest.approx(sum(pairs) / len(pairs), abs=1e-12)]


def table(rows: list[tuple[str, str, int, str]]) -> pl.DataFrame:
    columns = ("prompt_id", "decoding", "sample", "response")
    schema = {name: GENERATIONS.columns[name].dtype for name in columns}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_within_and_across_inputs_by_hand() -> None:
    answers = table(
        [
            ("q", "sampled", 1, "a b"),
            ("p", "sampled", 0, "a b"),
            ("p", "sampled", 1, "a c"),
            ("q", "sampled", 0, "a b"),
            ("r", "sampled", 1, "e"),
            ("r", "sampled", 0, "d"),
            ("p", "greedy", 0, "a b"),
            ("q", "greedy", 0, "a c"),
        ]
    )
    for found in (answers, answers.reverse()):
        assert diversity(found, NgramSimilarity()) == {
            "method": "word n-grams, 1 to 3",
            "per_input": pytest.approx((1 / 3 + 1 + 0) / 3),
            # First samples: a b, a b, d.
            "across_input": pytest.approx((1 + 0 + 0) / 3),
            "across_input_greedy": pytest.approx(1 / 3),
        }


def test_one_answer_has_nothing_to_compare_with() -> None:
    one = table([("p", "sampled", 0, "a"), ("p", "greedy", 0, "a")])
    for found in (one, one.clear()):
        assert diversity(found, NgramSimilarity()) == {
            "method": "word n-grams, 1 to 3",
            "per_input": None,
            "across_input": None,
            "across_input_greedy": None,
        }
