"""Private rows understood by their names alone: what a row of each shape becomes, derived by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import SourceParams
from pipeline.sources.fields import Parsed, Place
from pipeline.sources.layout import Layout, detect_layout, layout_adapter

FILE = Path("mine.jsonl")
Row = dict[str, Any]
Turns = list[tuple[str, str]]
Expected = list[tuple[Turns, str | None, float | None, str | None]]
"""Of each completion: the prompt's turns (u, a or s, and the text), the response, its score, its label."""

ROLES = {"u": "user", "a": "assistant", "s": "system"}
HI: Turns = [("u", "Hi")]
ASKED = [{"role": "user", "content": "Hi"}]
HUMAN = [{"from": "human", "value": "Hi"}]
MULTI: Turns = [("u", "Hi"), ("a", "Yes?"), ("u", "Go")]
LONG = [*ASKED, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go"}]


def says(text: str) -> Row:
    return {"role": "assistant", "content": text}


def gpt(text: str) -> Row:
    return {"from": "gpt", "value": text}


def understood(rows: list[Row], **source: Any) -> tuple[Layout, list[Parsed]]:
    params = SourceParams(**source)
    layout = detect_layout(rows, params, FILE)
    adapter = layout_adapter(layout, params)
    return layout, [adapter.parse(row, Place(FILE, number)) for number, row in enumerate(rows, 1)]


def shown(parsed: Parsed) -> Expected:
    short = {role: letter for letter, role in ROLES.items()}
    return [
        (
            [(short[message["role"]], message["content"]) for message in item["prompt"]],
            item["completion"],
            item.get("overall_score"),
            item.get("label"),
        )
        for item in parsed.completions
    ]


def pair(prompt: Turns, chosen: float | None = None, rejected: float | None = None) -> Expected:
    return [(prompt, "good", chosen, "chosen"), (prompt, "bad", rejected, "rejected")]


def won(first: bool, prompt: Turns = HI, *scores: float) -> Expected:
    labels = ("chosen", "rejected") if first else ("rejected", "chosen")
    given = scores or (None, None)
    return [(prompt, text, score, label) for text, score, label in zip("xy", given, labels, strict=True)]


def scored(prompt: Turns, *scores: float | None) -> Expected:
    return [(prompt, text, score, None) for text, score in zip("xyz", scores, strict=False)]


TEXTS = {"chosen": "good", "rejected": "bad"}
XY = {"prompt": "Hi", "response_a": "x", "response_b": "y"}

SHAPES: dict[str, tuple[str, Row, Expected]] = {
    # --- pairs
    "texts": ("pairs", {"prompt": "Hi", **TEXTS}, pair(HI)),
    "question": ("pairs", {"question": "Hi", **TEXTS}, pair(HI)),
    "input": ("pairs", {"input": "Hi", **TEXTS}, pair(HI)),
    "camel": ("pairs", {"userPrompt": "Hi", "chosenResponse": "good", "rejectedResponse": "bad"}, pair(HI)),
    "kebab": (
        "pairs",
        {"Prompt": "Hi", **TEXTS, "chosen-rating": 4, "rejected-rating": 2},
        pair(HI, 4.0, 2.0),
    ),
    "response_chosen": (
        "pairs",
        {"query": "Hi", "response_chosen": "good", "response_rejected": "bad"},
        pair(HI),
    ),
    "winner": (
        "pairs",
        {
            "problem": "Hi",
            "winner_response": "good",
            "loser_response": "bad",
            "winner_score": 1,
            "loser_score": 0,
        },
        pair(HI, 1.0, 0.0),
    ),
    "preferred": ("pairs", {"prompt": "Hi", "preferred": "good", "dispreferred": "bad"}, pair(HI)),
    "accepted": ("pairs", {"prompt": "Hi", "accepted": "good", "rejected": "bad"}, pair(HI)),
    "positive": ("pairs", {"prompt": "Hi", "positive": "good", "negative": "bad"}, pair(HI)),
    "better": ("pairs", {"prompt": "Hi", "better": "good", "worse": "bad"}, pair(HI)),
    "messages inside": (
        "pairs",
        {"chosen": [*LONG, says("good")], "rejected": [*LONG, says("bad")]},
        pair(MULTI),
    ),
    "messages inside and beside": (
        "pairs",
        {"prompt": "Hi", "chosen": [*ASKED, says("good")], "rejected": [*ASKED, says("bad")]},
        pair(HI),
    ),
    "messages beside": (
        "pairs",
        {"messages": LONG, "chosen": [says("good")], "rejected": [says("bad")]},
        pair(MULTI),
    ),
    "sharegpt": ("pairs", {"conversations": HUMAN, "chosen": gpt("good"), "rejected": gpt("bad")}, pair(HI)),
    "sharegpt with a system message": (
        "pairs",
        {"conversations": [{"from": "system", "value": "S"}, *HUMAN], "chosen": "good", "rejected": "bad"},
        pair([("s", "S"), *HI]),
    ),
    "alpaca": (
        "pairs",
        {"instruction": "Add", "input": "1 and 2", **TEXTS},
        pair([("u", "Add\n\n1 and 2")]),
    ),
    "alpaca with history and system": (
        "pairs",
        {"instruction": "Go", "input": "", "system": "S", "history": [["Hi", "Yes?"]], **TEXTS},
        pair([("s", "S"), *MULTI]),
    ),
    "system column": ("pairs", {"system": "S", "question": "Hi", **TEXTS}, pair([("s", "S"), *HI])),
    "transcripts": (
        "pairs",
        {
            "chosen": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Go\n\nAssistant: good",
            "rejected": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Go\n\nAssistant: bad",
        },
        pair(MULTI),
    ),
    "a transcript as prompt": (
        "pairs",
        {"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": " good", "rejected": " bad"},
        pair(HI),
    ),
    "the prompt before each text": (
        "pairs",
        {
            "prompt": "A question of some length?",
            "chosen": "A question of some length? good",
            "rejected": "A question of some length? bad",
        },
        pair([("u", "A question of some length?")]),
    ),
    "a common beginning": (
        "pairs",
        {"chosen": "The sky is good", "rejected": "The sky is bad"},
        pair([("u", "The sky is")]),
    ),
    "JSON in cells": (
        "pairs",
        {
            "chosen": json.dumps([*ASKED, says("good")]),
            "rejected": json.dumps([*ASKED, says("bad")]),
            "score_chosen": "4.5",
            "score_rejected": "N/A",
        },
        pair(HI, 4.5, None),
    ),
    "parts": (
        "pairs",
        {"prompt": [{"role": "User", "content": [{"type": "text", "text": "Hi"}]}], **TEXTS},
        pair(HI),
    ),
    "an object that holds the prompt's messages": (
        "pairs",
        {
            "input": {"messages": LONG, "tools": []},
            "preferred_output": [says("good")],
            "non_preferred_output": [says("bad")],
        },
        pair(MULTI),
    ),
    # --- ranking
    "letters": ("ranking", {**XY, "label": "B"}, won(False)),
    "words": ("ranking", {**XY, "winner": "model_a"}, won(True)),
    "0 and 1": (
        "ranking",
        {"prompt": "Hi", "answer_0": "x", "answer_1": "y", "better_response_id": 0},
        won(True),
    ),
    "1 and 2": (
        "ranking",
        {"instruction": "Do", "input": "it", "output_1": "x", "output_2": "y", "preference": 2},
        won(False, [("u", "Do\n\nit")]),
    ),
    "numbers as text": ("ranking", {**XY, "label": "2"}, won(False)),
    "arena": (
        "ranking",
        {
            "model_a": "one",
            "model_b": "two",
            "winner": "model_b",
            "conversation_a": [*ASKED, says("x")],
            "conversation_b": [*ASKED, says("y")],
        },
        won(False),
    ),
    "turn lists in cells": (
        "ranking",
        {
            "prompt": '["Hi"]',
            "response_a": '["x"]',
            "response_b": '["y"]',
            "winner_model_a": "0",
            "winner_model_b": "1",
            "winner_tie": "0",
        },
        won(False),
    ),
    "one truth value": (
        "ranking",
        {"prompt": "Hi", "text_1": "x", "text_2": "y", "text_1_is_better": True},
        won(True),
    ),
    "a model's name": (
        "ranking",
        {**XY, "model_a": "gpt-x", "model_b": "llama y", "winner": "Llama-Y"},
        won(False),
    ),
    "signed": (
        "ranking",
        {"context": ASKED, "response1": "x", "response2": "y", "overall_preference": -2},
        won(True),
    ),
    "label and scores": (
        "ranking",
        {**XY, "label": "a", "score_a": 3, "score_b": 1},
        won(True, HI, 3.0, 1.0),
    ),
    "ranks": (
        "ranking",
        {"prompt": "Hi", "responses": ["x", "y", "z"], "ranks": [2, 1, 3]},
        scored(HI, -2.0, -1.0, -3.0),
    ),
    "best of three": (
        "ranking",
        {"prompt": "Hi", "responses": ["x", "y", "z"], "best": 0},
        scored(HI, 1.0, 0.0, 0.0),
    ),
    # --- completions
    "scores a and b": (
        "completions",
        {**XY, "score_a": 3, "b_score": 0, "score_b": 1.5},
        scored(HI, 3.0, 1.5),
    ),
    "ratings": (
        "completions",
        {"prompt": "Hi", "completion1": "x", "completion2": "y", "rating1": "4", "rating2": ""},
        scored(HI, 4.0, None),
    ),
    "objects": (
        "completions",
        {"question": "Hi", "candidates": [{"text": "x", "reward": 0.5}, {"text": "y", "reward": -2}]},
        scored(HI, 0.5, -2.0),
    ),
    "parallel lists": (
        "completions",
        {"prompt": "Hi", "responses": ["x", "y", "z"], "scores": [1, None, 3]},
        scored(HI, 1.0, None, 3.0),
    ),
    "lists in cells": (
        "completions",
        {"prompt": "Hi", "generations": '["x", "y"]', "ratings": "[1, 2]"},
        scored(HI, 1.0, 2.0),
    ),
    # --- rated_single
    "a rating": ("rated_single", {"prompt": "Hi", "response": "x", "rating": 4}, scored(HI, 4.0)),
    "thumbs": (
        "rated_single",
        {"question": "Hi", "answer": "x", "thumbs": "\N{THUMBS UP SIGN}"},
        scored(HI, 1.0),
    ),
    "thumbs in words": (
        "rated_single",
        {"query": "Hi", "output": "x", "feedback": "thumbs_down"},
        scored(HI, 0.0),
    ),
    "kto": ("rated_single", {"prompt": "Hi", "completion": "x", "label": False}, scored(HI, 0.0)),
    "kto messages": ("rated_single", {"messages": [*LONG, says("x")], "label": True}, scored(MULTI, 1.0)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("asked", [True, False], ids=["named", "found"])
def test_a_row_of_each_shape(shape: str, asked: bool) -> None:
    kind, row, expected = SHAPES[shape]
    layout, (parsed,) = understood([row], **({"kind": kind} if asked else {}))
    assert layout.kind == kind
    assert parsed.reason is None
    assert shown(parsed) == expected


def test_models_and_sources_stand_beside() -> None:
    row = {**XY, "model_a": "one", "model_b": "two", "label": "A", "dataset": "part", "id": 7}
    layout, (parsed,) = understood([row], kind="ranking")
    assert [(item["source"], item["model"]) for item in parsed.completions] == [
        ("part", "one"),
        ("part", "two"),
    ]
    assert layout.fields == {
        "responses": ("response_a", "response_b"),
        "models": ("model_a", "model_b"),
        "label": "label",
        "prompt": "prompt",
        "source": "dataset",
    }
    assert layout.notes == ("Columns that are not read: id.",)
    assert layout.why["responses"] == "fields that differ by a letter or a number alone"
    assert layout.why["label"] == "`label` is a usual name for it; `label` names the winner in words"


def test_raw_ultrafeedback_is_read_by_its_own_reader() -> None:
    item = {
        "response": "x",
        "model": "m",
        "overall_score": 10.0,
        "fine-grained_score": 1.5,
        "annotations": {"honesty": {"Rating": "2"}},
    }
    row = {"source": "s", "instruction": "Hi", "models": ["m"], "completions": [item]}
    layout, (parsed,) = understood([row])
    assert layout.forms == {"responses": "raw UltraFeedback"}
    (completion,) = parsed.completions
    assert (completion["fine_grained_score"], completion["honesty"]) == (1.5, 2.0)


@pytest.mark.parametrize("label", ["tie", "Tie (bothbad)", "draw", "both_bad", "[[tie]]"])
def test_a_tie_goes_to_the_ledger(label: str) -> None:
    _, (parsed,) = understood([{**XY, "winner": label}], kind="ranking")
    assert (parsed.reason, parsed.detail) == ("labelled_tie", f"winner: {label}")


def test_what_is_empty_in_the_first_rows_is_read_where_it_is_not() -> None:
    """A column that only later rows fill is known by its name."""
    first = {
        "instruction": "Add",
        "input": None,
        "system": None,
        "history": None,
        **TEXTS,
        "score_chosen": None,
    }
    later = {**first, "input": "1", "system": "S", "history": [["Hi", "Yes?"]], "score_chosen": 3}
    layout, _ = understood([first])
    parsed = layout_adapter(layout, SourceParams()).parse(later, Place(FILE, 2))
    assert shown(parsed) == pair([("s", "S"), ("u", "Hi"), ("a", "Yes?"), ("u", "Add\n\n1")], 3.0)


def test_responses_numbered_from_0_say_how_a_label_counts() -> None:
    _, (parsed,) = understood(
        [{"prompt": "Hi", "answer_0": "x", "answer_1": "y", "label": 1}], kind="ranking"
    )
    assert shown(parsed) == won(False)


def test_0_1_and_2_count_from_0_and_2_is_a_tie() -> None:
    layout, parsed = understood([{**XY, "label": label} for label in (0, 1, 2)], kind="ranking")
    assert [item.reason for item in parsed] == [None, None, "labelled_tie"]
    assert [shown(item) for item in parsed[:2]] == [won(True), won(False)]
    assert layout.why["label"].endswith("`label` holds 0, 1, 2: 0 is the first, 1 the second, 2 a tie")


def test_labels_of_the_users_own() -> None:
    labels = {"first": ["L", 1], "second": ["R", 0], "tie": ["="]}
    rows = [{**XY, "verdict": verdict} for verdict in ("L", 1, "R", 0, "0", "=")]
    _, parsed = understood(rows, kind="ranking", labels=labels)
    assert [shown(item)[0][3] for item in parsed[:5]] == ["chosen", "chosen", *["rejected"] * 3]
    assert parsed[5].reason == "labelled_tie"


def test_a_mapping_stands_before_names() -> None:
    row = {"prompt": "no", "ask": {"text": "Hi"}, "y": [{"t": "x", "r": 1}, {"t": "y", "r": 2}]}
    columns = {"prompt": "ask.text", "responses": "y.t", "ranks": "y.r"}
    layout, (parsed,) = understood([row], kind="ranking", columns=columns)
    assert shown(parsed) == scored(HI, -1.0, -2.0)
    assert layout.why["prompt"] == "named in source.columns"


def test_a_text_that_is_json_stays_a_text() -> None:
    row = {"prompt": "Hi", "chosen": '["good"]', "rejected": '{"role": 1}'}
    _, (parsed,) = understood([row], kind="pairs")
    assert [item["completion"] for item in parsed.completions] == ['["good"]', '{"role": 1}']


def test_answers_to_different_turns_go_to_the_ledger() -> None:
    row = {"prompt": ["Hi", "Go"], "response_a": ["1", "x"], "response_b": ["2", "y"], "winner": "a"}
    _, (parsed,) = understood([row], kind="ranking")
    assert parsed.reason == "prompts_differ"


def test_close_scores_are_noted() -> None:
    rows = [{"prompt": "Hi", "responses": ["x", "y"], "scores": [0, gap]} for gap in (0.1, 0.2, 0.3, 1)]
    layout, _ = understood(rows, kind="completions")
    assert layout.notes == (
        "3 of 4 margins of the first rows are below binarize.min_margin (0.5), which would drop them; the "
        "median margin is 0.25. Set binarize.min_margin lower.",
    )
