"""What init reads from rows: margins, labels and lengths, and the values that follow."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.authoring.suggestions import RowFacts, Suggestion, _round_down, remarks, row_facts, suggest

PROMPT = [{"role": "user", "content": "1234"}]


def one(completion: str, score: float | None = None, label: str | None = None) -> dict[str, Any]:
    return {"prompt": PROMPT, "completion": completion, "overall_score": score, "label": label}


def pair(chosen: float | None, rejected: float | None) -> list[dict[str, Any]]:
    return [one("abc", chosen, "chosen"), one("defgh", rejected, "rejected")]


def facts(*margins: float, rows: int = 0, labelled: int = 0) -> RowFacts:
    return RowFacts(rows or len(margins), labelled, margins, ())


def test_facts_of_rows_of_each_kind() -> None:
    found = row_facts(
        [pair(2.0, 1.5), pair(None, None), pair(1.0, 3.0), [one("a", 5.0), one("b", 1.0), one("", 7.0)]]
    )
    assert found == RowFacts(rows=4, labelled=3, margins=(0.5, -2.0, 6.0), characters=(9, 9, 9, 5))


def test_a_single_scored_response_has_no_margin() -> None:
    assert row_facts([[one("abcdef", 3.0)]]) == RowFacts(1, 0, (), (10,))


def test_labels_without_scores_ask_no_margin() -> None:
    why = "rows say which response won, and have no scores to ask a margin of"
    assert list(suggest(facts(rows=3, labelled=3))) == [Suggestion("binarize.min_margin", 0.0, why)]


def test_small_margins_lower_the_least_to_what_nine_in_ten_reach() -> None:
    margins = [0.07, *[0.126] * 2, *[0.2] * 5, 0.9, 0.9, 0.9, 0.0]
    [found] = suggest(facts(*margins))
    assert (found.key, found.value) == ("binarize.min_margin", 0.12)
    assert found.why.startswith("8 of 11 rows have scores less than 0.5 apart")


@pytest.mark.parametrize("margins", [(1.0, 2.0, 3.0, 4.0, 5.0, 0.4), (1.0,), ()], ids=str)
def test_margins_that_suit_the_default_change_nothing(margins: tuple[float, ...]) -> None:
    """A sixth of them is small."""
    assert list(suggest(facts(*margins))) == []


def test_equal_scores_beside_labels_are_kept() -> None:
    found = list(suggest(facts(0.0, 1.0, 1.0, 1.0, 1.0, labelled=5)))
    assert [(each.key, each.value) for each in found] == [("binarize.ties", "keep")]
    assert found[0].why.startswith("1 of 5 rows have equal scores")
    assert list(suggest(facts(0.0, 1.0, 1.0, 1.0, 1.0))) == []


def test_long_rows_are_remarked() -> None:
    """A token is taken for four characters: 8 tokens are 32 of them."""
    assert list(remarks(RowFacts(3, 0, (), (32, 33, 400)), max_length=8)) == [
        "2 of 3 rows look longer than tokenize.max_length 8 (at 4 characters a token) and would go to the "
        "ledger: raise it, or set tokenize.truncation."
    ]
    assert list(remarks(RowFacts(3, 0, (), (32, 31, 4)), max_length=8)) == []


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.126, 0.12), (0.3, 0.3), (0.29, 0.29), (12.9, 12.0), (0.000259, 0.00025), (1.0, 1.0), (99.9, 99.0)],
)
def test_two_digits_and_never_more(value: float, rounded: float) -> None:
    assert _round_down(value) == pytest.approx(rounded, rel=1e-12)
    assert _round_down(value) <= value * (1 + 1e-12)
