"""Annotations to decisions: by hand, and laws for any annotations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.curation.aggregate import Aggregated, aggregate
from pipeline.curation.blinding import unblind
from pipeline.params import ArgillaParams, CurateParams
from pipeline.schema import ANNOTATIONS
from pipeline.validation import validate

IDS = [f"{number:016x}" for number in range(4)]
HASHES = [f"{number:064x}" for number in range(4)]
TEXTS = pl.DataFrame(
    {
        "pair_id": IDS,
        "texts_sha256": HASHES,
        "chosen": [f"good {number}" for number in range(4)],
        "rejected": [f"bad {number}" for number in range(4)],
    }
)
AT = datetime(2025, 1, 1, tzinfo=UTC)


def said(number: int, annotator: str, preferred: str | None, day: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation; ``chosen`` stands as A."""
    choice = {"chosen": "A", "rejected": "B"}.get(preferred or "", preferred)
    return {
        "pair_id": IDS[number],
        "texts_sha256": HASHES[number],
        "annotator": annotator,
        "status": "discarded" if preferred is None else "submitted",
        "choice": choice,
        "preferred": preferred,
        "correction": None,
        "rating": None,
        "when": AT.replace(day=day),
        "where": "dataset",
        **more,
    }


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=ANNOTATIONS.schema())
    validate(frame, ANNOTATIONS)
    return frame


def aggregated(*rows: dict[str, Any], min_submitted: int = 1, **params: Any) -> Aggregated:
    argilla = ArgillaParams(min_submitted=min_submitted)
    return aggregate(table(list(rows)), TEXTS, CurateParams(argilla=argilla, **params))


def lines(found: Aggregated) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_none=True, exclude={"texts_sha256"}) for item in found.decisions]


def line(number: int, action: str, who: str, reason: str, day: int = 1, **more: Any) -> dict[str, Any]:
    when = f"2025-01-{day:02}T00:00:00+00:00"
    base = {"pair_id": IDS[number], "action": action, "annotators": list(who), "reason": reason}
    return {**base, "when": when, **more}


def test_each_preference_has_its_action() -> None:
    found = aggregated(
        said(3, "a", "both_bad"), said(2, "a", "tie"), said(1, "a", "rejected"), said(0, "a", "chosen", 5)
    )
    assert lines(found) == [
        line(0, "keep", "a", "chosen is better", 5),
        line(1, "swap", "a", "rejected is better"),
        line(2, "drop", "a", "tie"),
        line(3, "drop", "a", "both bad"),
    ]
    assert [item.texts_sha256 for item in found.decisions] == HASHES
    assert (found.decided, found.contested, found.waiting) == (4, [], [])


def test_who_votes_alike_decides_together_and_each_side_is_a_line() -> None:
    found = aggregated(
        said(0, "b", "tie", 2), said(0, "a", "both_bad", 3), said(0, "c", "rejected", 4), resolve="majority"
    )
    assert lines(found) == [
        line(0, "swap", "c", "rejected is better", 4, agreement=1 / 3),
        line(0, "drop", "ab", "tie, both bad", 3, agreement=2 / 3),
    ]
    assert (found.decided, found.contested) == (1, [])


@pytest.mark.parametrize(("rule", "contested"), [("latest", 0), ("majority", 1), ("unanimous", 1)])
def test_a_tie_of_votes_is_contested(rule: str, contested: int) -> None:
    found = aggregated(said(0, "a", "chosen"), said(0, "b", "rejected", 2), resolve=rule)
    assert [item.agreement for item in found.decisions] == [0.5, 0.5]
    assert (found.decided, found.contested) == (1 - contested, [IDS[0]] * contested)


def test_drafts_and_discards_are_no_votes() -> None:
    found = aggregated(
        said(0, "a", "chosen"), said(0, "b", None, status="draft"), said(0, "c", None), said(1, "a", None)
    )
    assert lines(found) == [line(0, "keep", "a", "chosen is better")]
    assert set(found.agreement.annotators) == {"a"}


def test_too_few_votes_wait() -> None:
    rows = [said(0, "a", "chosen"), said(0, "b", "chosen"), said(1, "a", "chosen"), said(1, "b", None)]
    found = aggregated(*rows, min_submitted=2)
    assert lines(found) == [line(0, "keep", "ab", "chosen is better", agreement=1.0)]
    assert (found.decided, found.waiting) == (1, [IDS[1]])


def test_an_annotator_has_one_vote_the_latest() -> None:
    found = aggregated(
        said(0, "a", "chosen", 1, where="file"), said(0, "a", "rejected", 2), said(0, "b", "chosen", 3)
    )
    assert [(item.action, item.annotators) for item in found.decisions] == [("keep", ["b"]), ("swap", ["a"])]


def test_other_texts_of_a_pair_are_judged_apart() -> None:
    found = aggregated(said(0, "a", "chosen"), said(0, "b", "rejected", texts_sha256=HASHES[3]))
    assert [(item.action, item.texts_sha256, item.agreement) for item in found.decisions] == [
        ("keep", HASHES[0], None),
        ("swap", HASHES[3], None),
    ]


# --- corrections ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preferred", "texts", "reason"),
    [
        ("chosen", {"chosen": "best"}, "chosen is better; corrected by a"),
        ("rejected", {"chosen": "best", "rejected": "good 0"}, "rejected is better; corrected by a"),
        ("tie", {"chosen": "best"}, "tie; corrected by a"),
        ("both_bad", {"chosen": "best"}, "both bad; corrected by a"),
    ],
)
def test_a_correction_becomes_chosen(preferred: str, texts: dict[str, Any], reason: str) -> None:
    row = said(0, "a", preferred, correction="best")
    assert lines(aggregated(row)) == [line(0, "edit", "a", reason, **texts)]
    (plain,) = lines(aggregated(row, corrections="ignore"))
    assert plain["action"] in ("keep", "swap", "drop") and "chosen" not in plain


@pytest.mark.parametrize("correction", ["", "  \n", " GOOD  0", "bad 0"])
def test_a_correction_that_corrects_nothing_is_passed_over(correction: str) -> None:
    for preferred, action in (("chosen", "keep"), ("rejected", "swap"), ("tie", "drop")):
        (found,) = aggregated(said(0, "a", preferred, correction=correction)).decisions
        assert found.action == action


def test_the_latest_correction_of_those_who_vote_alike_is_taken() -> None:
    found = aggregated(
        said(0, "a", "chosen", 2, correction="one"),
        said(0, "b", "chosen", 3, correction="two"),
        said(0, "c", "chosen", 4),
        said(0, "d", "rejected", 5),
    )
    assert lines(found) == [
        line(0, "edit", "abc", "chosen is better; corrected by b", 4, chosen="two", agreement=0.75),
        line(0, "swap", "d", "rejected is better", 5, agreement=0.25),
    ]


def test_nothing_is_written_of_corrected_texts_that_are_not_known() -> None:
    gone: dict[str, Any] = {"texts_sha256": HASHES[1]}
    corrected = said(0, "a", "rejected", correction="best", **gone)
    found = aggregated(corrected, said(0, "b", "chosen", **gone), said(2, "b", "chosen"))
    assert lines(found) == [line(2, "keep", "b", "chosen is better")]
    assert (found.unknown, found.decided, found.contested) == ([IDS[0]], 1, [])
    # Where nobody corrects anything, or corrections do not count, the texts need not be known.
    plain = [line(0, "swap", "a", "rejected is better")]
    assert lines(aggregated({**corrected, "correction": " "})) == plain
    assert lines(aggregated(corrected, corrections="ignore")) == plain


def test_a_note_goes_into_the_reason_in_one_line() -> None:
    found = aggregated(
        said(0, "a", "rejected", correction="best", note=" rude,\n and wrong "),
        said(0, "b", "rejected", note="  "),
        said(0, "c", "rejected", note="as a says"),
        said(0, "d", "chosen", note="fine"),
    )
    assert [decision.reason for decision in found.decisions] == [
        "chosen is better; d: fine",
        "rejected is better; corrected by a; a: rude, and wrong; c: as a says",
    ]


def test_no_annotations_come_to_nothing() -> None:
    found = aggregated()
    assert (found.decisions, found.decided, found.agreement.alpha) == ([], 0, None)


# --- laws -----------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.builds(
        said,
        number=st.integers(0, 3),
        annotator=st.sampled_from("abc"),
        preferred=st.sampled_from(["chosen", "rejected", "tie", "both_bad", None]),
        day=st.integers(1, 4),
        correction=st.sampled_from([None, "one", "two"]),
        where=st.sampled_from(["dataset", "file"]),
    ),
    max_size=12,
    unique_by=lambda row: (row["pair_id"], row["annotator"], row["where"]),
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_the_order_of_annotations_does_not_matter(rows: list[dict[str, Any]], data: Any) -> None:
    moved = data.draw(st.permutations(rows))
    one, other = aggregated(*rows), aggregated(*moved)
    assert one == other


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_which_response_stood_as_a_does_not_matter(rows: list[dict[str, Any]], data: Any) -> None:
    """Show A as B and B as A on any pairs, annotators preferring the same texts: the same decisions."""
    turned = data.draw(st.sets(st.sampled_from(IDS)))
    other = {"A": "B", "B": "A"}
    shown = []
    for row in rows:
        first, choice = "chosen", row["choice"]
        if row["pair_id"] in turned:
            first, choice = "rejected", other.get(choice, choice)
        preferred = None if choice is None else unblind(choice, first)
        shown.append({**row, "choice": choice, "preferred": preferred})
    assert aggregated(*shown) == aggregated(*rows)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_every_vote_stands_in_one_decision(rows: list[dict[str, Any]]) -> None:
    votes = {(row["pair_id"], row["annotator"]) for row in rows if row["preferred"] is not None}
    found = aggregated(*rows)
    stood = [(item.pair_id, name) for item in found.decisions for name in item.annotators]
    assert sorted(stood) == sorted(votes)
    assert found.decided + len(found.contested) == len({pair_id for pair_id, _ in votes})


# --- un-blinding ----------------------------------------------------------------------------------------


def test_unblind() -> None:
    assert [unblind("A", "chosen"), unblind("B", "chosen")] == ["chosen", "rejected"]
    assert [unblind("A", "rejected"), unblind("B", "rejected")] == ["rejected", "chosen"]
    assert [unblind("tie", "chosen"), unblind("both_bad", "rejected")] == ["tie", "both_bad"]
    for choice, first in (("C", "chosen"), ("A", "A"), ("", "rejected")):
        with pytest.raises(ValueError, match="cannot un-blind"):
            unblind(choice, first)
