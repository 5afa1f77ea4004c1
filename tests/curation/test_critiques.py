"""What critiques say, in scores: the worth of words worked out by hand."""

from __future__ import annotations

import polars as pl
import pytest

from pipeline.curation.critiques import PRIOR, critique_scores
from pipeline.files import content_id
from pipeline.schema import COMPLETIONS
from pipeline.tables import HeldTable


def completions(*rows: tuple[str, str | None, float | None, str | None]) -> HeldTable:
    """A completions table of (row_id, completion, overall score, critique)."""
    names = ["row_id", "completion", "overall_score", "critique"]
    frame = pl.DataFrame(rows, schema={name: COMPLETIONS.columns[name].dtype for name in names}, orient="row")
    rest = {name: column.dtype for name, column in COMPLETIONS.columns.items() if name not in names}
    others = [pl.lit(None, dtype).alias(name) for name, dtype in rest.items()]
    return HeldTable(frame.with_columns(others).select(list(COMPLETIONS.columns)))


def test_a_critique_is_worth_the_mean_of_its_words_without_its_own_score() -> None:
    found = critique_scores(
        completions(
            ("r1", "one", 9.0, "Good."),
            ("r1", "two", 3.0, "bad, BAD!"),
            ("r2", "three", 6.0, "good bad"),
        )
    )
    said = dict(found.iter_rows())
    mean = 6.0  # of 9, 3 and 6
    good_but_first = (6.0 + PRIOR * mean) / (1 + PRIOR)
    bad_but_second = (6.0 + PRIOR * mean) / (1 + PRIOR)
    good_but_third = (9.0 + PRIOR * mean) / (1 + PRIOR)
    bad_but_third = (3.0 + PRIOR * mean) / (1 + PRIOR)
    assert said == pytest.approx(
        {
            content_id("r1", "one"): good_but_first,
            content_id("r1", "two"): bad_but_second,
            content_id("r2", "three"): (good_but_third + bad_but_third) / 2,
        }
    )


def test_words_that_come_with_high_scores_say_more() -> None:
    kinds = [(1.0, "dreadful"), (9.0, "splendid")]
    rows = [(f"r{n}", f"text {n}", *kinds[n % 2]) for n in range(20)]
    said = dict(critique_scores(completions(*rows)).iter_rows())
    # Nine others at 9, and ten more at the mean of 5.
    assert said[content_id("r1", "text 1")] == pytest.approx((9 * 9 + 10 * 5) / 19)
    assert said[content_id("r0", "text 0")] == pytest.approx((9 * 1 + 10 * 5) / 19)


def test_what_has_no_critique_or_score_or_text_is_left_out() -> None:
    rows = [("r", "a", 5.0, None), ("r", "b", None, "fine"), ("r", None, 5.0, "fine"), ("r", "c", 5.0, "12!")]
    assert critique_scores(completions(*rows)).is_empty()
    assert critique_scores(completions()).is_empty()


def test_the_same_response_twice_in_a_row_counts_once() -> None:
    found = critique_scores(completions(("r", "a", 5.0, "fine"), ("r", "a", 6.0, "fine")))
    assert found.height == 1
