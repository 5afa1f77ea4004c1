"""Agreement: Krippendorff's published examples, his definition as an oracle, and each annotator by hand."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.curation.agreement import AnnotatorAgreement, agreement, nominal_alpha


def units(*coders: str) -> list[dict[str, str]]:
    """Each coder's values, one letter per unit, ``.`` where there is none."""
    names = "ABCD"
    return [
        {name: value for name, value in zip(names, values, strict=False) if value != "."}
        for values in zip(*coders, strict=True)
    ]


def test_the_published_example_of_nominal_data_with_missing_values() -> None:
    # Krippendorff (2011), section C: 4 observers, 12 units. n = 40 pairable values, of which 9, 13, 10, 5
    # and 3 are of each kind; 7 + 10 + 8 + 4 + 3 = 32 coincidences agree.
    # alpha = (39 * 32 - S) / (40 * 39 - S) with S = 9*8 + 13*12 + 10*9 + 5*4 + 3*2 = 344: the paper's 0.743.
    data = units("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    assert nominal_alpha(data) == pytest.approx(904 / 1216, abs=1e-12)
    assert round(904 / 1216, 3) == 0.743


def test_the_published_example_of_two_observers() -> None:
    # Section A: 10 units, 14 zeros and 6 ones, 4 units on which they differ: 1 - 19 * 4 / (14 * 6) = 0.095.
    data = units("0100000010", "1110010000")
    assert nominal_alpha(data) == pytest.approx(1 - 19 * 4 / (14 * 6), abs=1e-12)


@pytest.mark.parametrize("data", [[], [{"A": "x"}], [{"A": "x"}, {"B": "y"}], [{"A": "x", "B": "x"}] * 3])
def test_alpha_is_not_defined_without_overlap_or_difference(data: list[dict[str, str]]) -> None:
    assert nominal_alpha(data) is None


def test_perfect_agreement_is_one_and_a_lonely_vote_counts_nothing() -> None:
    data = units("xy", "xy")
    assert nominal_alpha(data) == 1.0
    assert nominal_alpha([*data, {"C": "z"}]) == 1.0


def alpha_by_definition(data: list[dict[str, str]]) -> Fraction | None:
    """1 - observed over expected disagreement, each as a mean over pairs of values."""
    paired = [list(votes.values()) for votes in data if len(votes) > 1]
    values = [value for votes in paired for value in votes]
    differing = sum(a != b for a, b in itertools.permutations(values, 2))
    if not differing:
        return None
    shares = [
        Fraction(sum(a != b for a, b in itertools.permutations(votes, 2)), len(votes) - 1) for votes in paired
    ]
    n = len(values)
    return 1 - (sum(shares, Fraction()) / n) / Fraction(differing, n * (n - 1))


UNITS = st.lists(st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("xyz"), min_size=1), max_size=8)


@given(data=UNITS)
def test_alpha_is_that_of_the_definition(data: list[dict[str, str]]) -> None:
    expected = alpha_by_definition(data)
    found = nominal_alpha(data)
    assert found == (None if expected is None else pytest.approx(float(expected), abs=1e-12))


def test_each_annotator_with_the_majority_of_the_others() -> None:
    found = agreement(units("xxyx", "xyyy", "xyz.", "...."))
    # Of A's four: x with xx, x against yy, y with y and z undecided, x against y.
    # Of B's: x with xx, y with x and y undecided, y with y and z undecided, y against x.
    # Of C's: x with xx, y with x and y undecided, z against yy.
    assert found.annotators == {
        "A": AnnotatorAgreement(votes=4, compared=3, agreed=1, share=1 / 3),
        "B": AnnotatorAgreement(votes=4, compared=2, agreed=1, share=1 / 2),
        "C": AnnotatorAgreement(votes=3, compared=2, agreed=1, share=1 / 2),
    }
    assert found.overlapping == 4
    assert found.to_json()["annotators"]["A"]["share"] == 1 / 3
    assert agreement([{"A": "x"}]).annotators == {"A": AnnotatorAgreement(1, 0, 0, None)}
