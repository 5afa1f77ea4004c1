"""Pairs out of scored completions: exact results by hand, then the laws."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.files import canonical_json, content_id
from pipeline.pairs.binarize import binarize
from pipeline.pairs.scoring import count_scores
from pipeline.params import BinarizeParams
from pipeline.schema import PAIRS
from pipeline.tables import validate, write_table

Frame = Callable[..., pl.DataFrame]
DEFAULT = BinarizeParams()


def entries(ledger: Any, *columns: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = ledger.frame().select("row_id", "reason", *columns).rows()
    return rows


def texts(pairs: pl.DataFrame) -> list[tuple[str, str]]:
    return pairs.select("chosen", "rejected").rows()


# --- best against worst ---------------------------------------------------------------------------------


def test_best_against_worst(completions: Frame) -> None:
    frame = completions({"a": [("mid", 5.0), ("low", 2.0), ("high", 8.5), ("none", None)]})
    pairs, ledger = binarize(DEFAULT, frame)
    prompt = [{"role": "user", "content": "prompt of a"}]
    key = canonical_json(prompt)
    assert pairs.to_dicts() == [
        {
            "pair_id": content_id(key, "high", "low"),
            "prompt_id": content_id(key),
            "row_id": "a",
            "source": "s",
            "prompt": prompt,
            "chosen": "high",
            "rejected": "low",
            "chosen_score": 8.5,
            "rejected_score": 2.0,
            "margin": 6.5,
            "chosen_model": "m2",
            "rejected_model": "m1",
            "constraint": None,
        }
    ]
    assert ledger.counts() == {}
    validate(pairs, PAIRS)


def test_fine_grained_scores_rank_when_asked(completions: Frame) -> None:
    frame = completions({"a": [("x", 9.0, 1.0), ("y", 1.0, 4.0), ("z", 5.0, None)]})
    pairs, _ = binarize(BinarizeParams(score="fine_grained"), frame)
    assert texts(pairs) == [("y", "x")]
    assert pairs["margin"].to_list() == [3.0]


def test_the_pair_id_does_not_depend_on_which_is_chosen(completions: Frame) -> None:
    one, _ = binarize(DEFAULT, completions({"a": [("x", 9.0), ("y", 1.0)]}, {"a": "p"}))
    other, _ = binarize(DEFAULT, completions({"b": [("x", 1.0), ("y", 9.0)]}, {"b": "p"}))
    assert one["pair_id"].to_list() == other["pair_id"].to_list()
    assert texts(one) == [("x", "y")] and texts(other) == [("y", "x")]


def test_equal_best_scores_are_told_apart_by_hash_not_by_place(completions: Frame) -> None:
    rows = {f"row{number}": [("a", 9.0), ("b", 9.0), ("c", 1.0), ("d", 1.0)] for number in range(40)}
    pairs, _ = binarize(DEFAULT, completions(rows))
    for side, places in (("chosen", {"a": "0", "b": "1"}), ("rejected", {"c": "2", "d": "3"})):
        assert set(pairs[side]) == set(places)
        for row_id, text in pairs.select("row_id", side).rows():
            assert text == min(places, key=lambda name: content_id(row_id, places[name]))


def test_blank_completions_are_passed_over(completions: Frame) -> None:
    frame = completions({"a": [("", 10.0), (None, 9.0), ("x", 5.0), (" \u3000\n", 0.0), ("y", 3.0)]})
    pairs, _ = binarize(DEFAULT, frame)
    assert texts(pairs) == [("x", "y")]
    assert count_scores(DEFAULT, frame)["blank_completions"] == 3


@pytest.mark.parametrize(
    ("items", "usable", "detail"),
    [
        ([("x", 5.0)], 1, "1 completions: 1 scored, 0 empty"),
        ([("x", 5.0), ("", 3.0), ("y", None)], 1, "3 completions: 2 scored, 1 empty"),
        ([("x", None), ("y", None)], 0, "2 completions: 0 scored, 0 empty"),
    ],
)
def test_too_few_completions(
    completions: Frame, items: list[tuple[Any, ...]], usable: int, detail: str
) -> None:
    pairs, ledger = binarize(DEFAULT, completions({"a": items}))
    assert pairs.height == 0
    assert entries(ledger, "value", "threshold") == [("a", "too_few_completions", usable, 2)]
    assert ledger.frame()["detail"][0].startswith(detail)


def test_a_tie_is_dropped_whatever_the_minimum(completions: Frame) -> None:
    frame = completions({"a": [("x", 4.0), ("y", 4.0), ("z", 4.0)]})
    for minimum in (0.0, 2.0):
        _, ledger = binarize(BinarizeParams(min_margin=minimum), frame)
        assert entries(ledger, "value", "detail") == [("a", "tie", 0.0, "chosen 4.0, rejected 4.0")]


@pytest.mark.parametrize(("minimum", "kept"), [(0.5, True), (0.51, False), (0.0, True)])
def test_margin_below_minimum(completions: Frame, minimum: float, kept: bool) -> None:
    params = BinarizeParams(min_margin=minimum)
    pairs, ledger = binarize(params, completions({"a": [("x", 4.5), ("y", 4.0)]}))
    assert pairs.height == kept
    if not kept:
        assert entries(ledger, "value", "threshold") == [("a", "margin_below_minimum", 0.5, minimum)]


def test_float_rounding_is_no_smaller_margin(completions: Frame) -> None:
    pairs, _ = binarize(BinarizeParams(min_margin=0.1), completions({"a": [("x", 0.3), ("y", 0.2)]}))
    assert pairs.height == 1 and pairs["margin"][0] < 0.1


@pytest.mark.parametrize("other", ["Straße No 1", "STRASSE  no １\n", " strasse no 1"])
def test_identical_responses_apart_from_folding(completions: Frame, other: str) -> None:
    pairs, ledger = binarize(DEFAULT, completions({"a": [("Straße No 1", 9.0), (other, 1.0)]}))
    assert pairs.height == 0
    assert entries(ledger, "value") == [("a", "identical_responses", 8.0)]


# --- rows the source paired -----------------------------------------------------------------------------


def labelled(chosen: Any, rejected: Any, scores: tuple[Any, Any] = (None, None)) -> list[tuple[Any, ...]]:
    return [(chosen, scores[0], None, "chosen"), (rejected, scores[1], None, "rejected")]


def test_labels_stand(completions: Frame) -> None:
    frame = completions(
        {
            "scored": labelled("x", "y", (9.0, 3.0)),
            "plain": labelled("x", "y"),
            "half": labelled("x", "y", (2.0, None)),
            "ten": labelled("x", "y", (10.0, 3.0)),
            "reverse": labelled("x", "y")[::-1],
        }
    )
    pairs, ledger = binarize(BinarizeParams(overall_repair="drop", score="fine_grained"), frame)
    assert ledger.counts() == {}
    assert set(texts(pairs)) == {("x", "y")}
    assert dict(pairs.select("row_id", "margin").rows()) == {
        "scored": 6.0,
        "plain": None,
        "half": None,
        "ten": 7.0,
        "reverse": None,
    }


def test_why_a_labelled_row_gives_no_pair(completions: Frame) -> None:
    frame = completions(
        {
            "blank": labelled("x", "  "),
            "null": labelled(None, "", (9.0, 1.0)),
            "against": labelled("x", "y", (3.0, 4.0)),
            "tie": labelled("x", "y", (3.0, 3.0)),
            "small": labelled("x", "y", (3.25, 3.0)),
            "same": labelled("x", "X"),
        }
    )
    pairs, ledger = binarize(DEFAULT, frame)
    assert pairs.height == 0
    assert set(entries(ledger, "value", "detail")) == {
        ("blank", "empty_response", None, "rejected"),
        ("null", "empty_response", None, "chosen, rejected"),
        ("against", "label_contradicts_score", -1.0, "chosen 3.0, rejected 4.0"),
        ("tie", "tie", 0.0, "chosen 3.0, rejected 3.0"),
        ("small", "margin_below_minimum", 0.25, "chosen 3.25, rejected 3.0"),
        ("same", "identical_responses", None, "apart from letter case, width or whitespace"),
    }


@pytest.mark.parametrize("labels", [("chosen", "chosen"), ("chosen", None), ("rejected",)])
def test_labels_that_are_no_pair_are_a_fault(completions: Frame, labels: tuple[Any, ...]) -> None:
    frame = completions({"ok": [("x", 2.0), ("y", 1.0)], "a": [("x", None, None, label) for label in labels]})
    with pytest.raises(PipelineError, match="not one chosen and one rejected") as caught:
        binarize(DEFAULT, frame)
    assert (caught.value.file, caught.value.row, caught.value.column) == ("raw.jsonl", 2, "label")


# --- the same pair from several rows --------------------------------------------------------------------


def test_a_repeated_pair_keeps_the_larger_margin_then_the_smaller_row_id(completions: Frame) -> None:
    rows = {
        "c": [("x", 9.0), ("y", 2.0)],
        "b": [("x", 9.0), ("y", 2.0)],
        "a": [("x", 3.0), ("y", 2.0)],
        "d": [("y", 6.0), ("x", 2.0)],
        "e": labelled("x", "y"),
    }
    pairs, ledger = binarize(DEFAULT, completions(rows, dict.fromkeys(rows, "p")))
    assert pairs["row_id"].to_list() == ["b"]
    assert set(entries(ledger, "match_id", "value", "detail")) == {
        ("c", "repeated_pair", "b", 7.0, "the same preference"),
        ("a", "repeated_pair", "b", 1.0, "the same preference"),
        ("d", "repeated_pair", "b", 4.0, "the opposite preference"),
        ("e", "repeated_pair", "b", None, "the same preference"),
    }
    assert set(ledger.frame()["pair_id"]) == {pairs["pair_id"][0]}


# --- laws -----------------------------------------------------------------------------------------------

SCORES = st.one_of(st.none(), st.sampled_from([1.0, 2.0, 2.5, 4.0, 10.0]))
FREE_ROW = st.lists(
    st.tuples(st.sampled_from([None, "", " ", "x", "X", "y", "z"]), SCORES, SCORES), min_size=1, max_size=4
)
PAIRED_ROW = st.tuples(st.sampled_from([None, "x", "y", "X"]), st.sampled_from(["x", "y"]), SCORES, SCORES)
ROWS = st.lists(st.one_of(FREE_ROW, PAIRED_ROW.map(lambda r: labelled(r[0], r[1], (r[2], r[3])))), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    repair=st.sampled_from(["none", "drop", "by_fine_grained"]),
    score=st.sampled_from(["overall", "fine_grained"]),
)
def test_every_row_gives_one_pair_or_one_entry(
    completions: Frame, rows: list[Any], repair: Any, score: Any
) -> None:
    named = {f"r{index}": items for index, items in enumerate(rows)}
    frame = completions(named, {row_id: f"p{int(row_id[1:]) % 3}" for row_id in named})
    params = BinarizeParams(overall_repair=repair, score=score)
    pairs, ledger = binarize(params, frame)
    validate(pairs, PAIRS)
    out = pairs["row_id"].to_list() + ledger.frame()["row_id"].to_list()
    assert sorted(out) == sorted(named)
    assert (pairs["margin"].drop_nulls() >= params.min_margin).all()
    assert (pairs["chosen"].str.to_lowercase() != pairs["rejected"].str.to_lowercase()).all()
    shuffled, other = binarize(params, frame.sample(fraction=1, shuffle=True, seed=1))
    assert shuffled.equals(pairs) and other.frame().equals(ledger.frame())


def test_the_order_of_rows_does_not_change_a_byte(completions: Frame, tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = {
        f"r{number}": [(rng.choice("abcdef"), rng.choice([1.0, 5.0, 5.0, 9.0])) for _ in range(4)]
        for number in range(300)
    }
    frame = completions(rows, {row_id: f"p{int(row_id[1:]) % 40}" for row_id in rows})
    written = []
    for seed in range(3):
        pairs, ledger = binarize(DEFAULT, frame.sample(fraction=1, shuffle=True, seed=seed))
        write_table(pairs, tmp_path / f"{seed}.parquet", PAIRS)
        written.append(((tmp_path / f"{seed}.parquet").read_bytes(), ledger.frame().rows()))
    assert written[0] == written[1] == written[2]
