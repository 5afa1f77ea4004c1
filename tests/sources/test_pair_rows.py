"""Rows that are pairs already, under the names of HuggingFaceH4's and under Argilla's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.sources import argilla_binarized
from pipeline.sources.faults import RowFault
from pipeline.sources.fields import Parsed, Place
from pipeline.sources.jsonl import Repeated
from pipeline.sources.pair_rows import PROMPTS_DIFFER
from pipeline.sources.ultrafeedback_binarized import ADAPTER

PLACE = Place(Path("pairs.jsonl"), 3)
USER = [{"role": "user", "content": "Hi"}]
SYSTEM = [{"role": "system", "content": "Be kind."}]


def parse(row: dict[str, Any], place: Place = PLACE) -> Parsed:
    return ADAPTER.parse(row, place)


def says(text: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}]


def test_strings_become_two_labelled_completions() -> None:
    row = {"prompt": "Hi", "chosen": "Hello", "rejected": "No", "score_chosen": 9, "score_rejected": None}
    shared = {"source": "ultrafeedback_binarized", "prompt": USER, "model": None, "constraint": None}
    assert parse(row, PLACE).completions == [
        {**shared, "completion": "Hello", "overall_score": 9.0, "label": "chosen"},
        {**shared, "completion": "No", "overall_score": None, "label": "rejected"},
    ]


@pytest.mark.parametrize("before", [USER, SYSTEM + USER, [*USER, *says("Yes?"), *USER]])
def test_conversations_hold_their_prompt(before: list[dict[str, str]]) -> None:
    row = {"prompt": "Hi", "chosen": before + says("Hello"), "rejected": before + says("No")}
    parsed = parse(row, PLACE).completions
    assert [item["prompt"] for item in parsed] == [before, before]
    assert [item["completion"] for item in parsed] == ["Hello", "No"]
    del row["prompt"]
    assert parse(row, PLACE).completions == parsed


@pytest.mark.parametrize("prompt", ["Hi", USER, [{**USER[0], "name": "left out"}]])
def test_a_lone_assistant_message_takes_the_rows_prompt(prompt: Any) -> None:
    row = {"prompt": prompt, "chosen": says("Hello"), "rejected": says("No")}
    assert [item["prompt"] for item in parse(row, PLACE).completions] == [USER, USER]


def test_source_and_constraint_of_the_row() -> None:
    row = {
        "prompt": "Hi",
        "chosen": "a",
        "rejected": "b",
        "source": "mine",
        "constraint": {"kind": "no_commas"},
    }
    parsed = parse(row, PLACE).completions
    assert [item["source"] for item in parsed] == ["mine", "mine"]
    assert parsed[0]["constraint"] == '{"kind":"no_commas"}'


@pytest.mark.parametrize("blank", [None, "", " "])
def test_a_blank_response_is_kept(blank: str | None) -> None:
    assert parse({"prompt": "Hi", "chosen": blank, "rejected": "b"}, PLACE).completions[0]["completion"] == (
        blank
    )
    row = {"chosen": USER + says(blank), "rejected": USER + says("b")}
    assert parse(row, PLACE).completions[0]["completion"] == blank


def test_different_prompts_give_a_reason() -> None:
    row = {"chosen": USER + says("a"), "rejected": [{"role": "user", "content": "Ho"}, *says("b")]}
    parsed = parse(row, PLACE)
    assert (parsed.reason, parsed.detail) == (PROMPTS_DIFFER, "chosen and rejected answer different prompts")
    # What its id is made of.
    assert [(item["prompt"][0]["content"], item["completion"]) for item in parsed.completions] == [
        ("Hi", "a"),
        ("Ho", "b"),
    ]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"chosen": "a", "rejected": "b"}, "prompt"),
        ({"prompt": None, "chosen": "a", "rejected": "b"}, "prompt"),
        ({"prompt": [], "chosen": "a", "rejected": "b"}, "prompt"),
        (
            {"prompt": [{"role": "user", "content": None}], "chosen": "a", "rejected": "b"},
            "prompt[0].content",
        ),
        ({"prompt": "Hi", "rejected": "b"}, "chosen"),
        ({"prompt": "Hi", "chosen": "a"}, "rejected"),
        ({"prompt": "Hi", "chosen": [], "rejected": "b"}, "chosen"),
        ({"prompt": "Hi", "chosen": 3, "rejected": "b"}, "chosen"),
        ({"prompt": "Hi", "chosen": ["a"], "rejected": "b"}, "chosen[0]"),
        ({"prompt": "Hi", "chosen": USER, "rejected": "b"}, "chosen[0].role"),
        ({"prompt": "Hi", "chosen": [{"content": "a"}], "rejected": "b"}, "chosen[0].role"),
        ({"prompt": "Hi", "chosen": [{"role": "assistant"}], "rejected": "b"}, "chosen[0].content"),
        (
            {"prompt": "Hi", "chosen": [{"role": "tool", "content": ""}, *says("a")], "rejected": "b"},
            "chosen[0].role",
        ),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "score_chosen": "9"}, "score_chosen"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "source": 1}, "source"),
    ],
)
def test_a_fault_is_named(row: dict[str, Any], column: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse(row, PLACE)
    assert (caught.value.file, caught.value.row, caught.value.column) == ("pairs.jsonl", 3, column)


@pytest.mark.parametrize(
    ("before", "place", "found"),
    [
        (SYSTEM + SYSTEM + USER, 1, "system"),
        (USER + SYSTEM + USER, 1, "system"),
        (USER + says("Yes?"), 1, "assistant"),
        (says("Yes?"), 0, "assistant"),
        (SYSTEM, 0, "system"),
    ],
    ids=["two_systems", "late_system", "ends_with_assistant", "only_assistant", "only_system"],
)
def test_a_prompt_that_no_chat_has_is_refused(before: list[Any], place: int, found: str) -> None:
    rows: dict[str, dict[str, Any]] = {
        "prompt": {"prompt": before, "chosen": "a", "rejected": "b"},
        "chosen": {"chosen": before + says("a"), "rejected": before + says("b")},
        "rejected": {"prompt": "Hi", "chosen": "a", "rejected": before + says("b")},
    }
    for column, row in rows.items():
        with pytest.raises(RowFault) as caught:
            parse(row)
        error = caught.value
        assert (error.reason, error.column) == ("bad_conversation", f"{column}[{place}].role")
        assert error.found == f"str '{found}'"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"chosen": "a", "rejected": "b"}, "missing_field"),
        ({"prompt": None, "chosen": "a", "rejected": "b"}, "null_value"),
        ({"prompt": Repeated("prompt"), "chosen": "a", "rejected": "b"}, "repeated_key"),
        ({"prompt": [], "chosen": "a", "rejected": "b"}, "bad_conversation"),
        ({"prompt": "Hi", "chosen": [], "rejected": "b"}, "bad_conversation"),
        ({"prompt": "Hi", "chosen": 3, "rejected": "b"}, "wrong_type"),
        ({"prompt": "Hi", "chosen": USER, "rejected": "b"}, "bad_conversation"),
        ({"prompt": [{"role": "tool", "content": ""}], "chosen": "a", "rejected": "b"}, "unknown_role"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "score_chosen": float("inf")}, "not_finite"),
    ],
)
def test_a_fault_has_a_reason(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowFault) as caught:
        parse(row)
    assert caught.value.reason == reason


# --- Argilla's names ------------------------------------------------------------------------------------

FIRST = {
    "source": "flan",
    "instruction": "Hi",
    "chosen_response": "Hello",
    "rejected_response": "No",
    "chosen_avg_rating": 4.75,
    "rejected_avg_rating": 2,
    "chosen_model": "gpt-4",
}
CLEANED = {
    "source": "flan",
    "prompt": "Hi",
    "chosen": USER + says("Hello"),
    "chosen-rating": 4.75,
    "chosen-model": "gpt-4",
    "rejected": USER + says("No"),
    "rejected-rating": 2,
    "rejected-model": "bard",
}


@pytest.mark.parametrize(("row", "loser"), [(FIRST, None), (CLEANED, "bard")])
def test_both_of_argillas_shapes_are_read(row: dict[str, Any], loser: str | None) -> None:
    shared = {"source": "flan", "prompt": USER, "constraint": None}
    assert argilla_binarized.parse(row, PLACE) == Parsed(
        [
            {**shared, "completion": "Hello", "model": "gpt-4", "overall_score": 4.75, "label": "chosen"},
            {**shared, "completion": "No", "model": loser, "overall_score": 2.0, "label": "rejected"},
        ]
    )


def test_argillas_rows_without_a_source_have_their_kind() -> None:
    for row in (FIRST, CLEANED):
        parsed = argilla_binarized.parse({**row, "source": None}, PLACE)
        assert {item["source"] for item in parsed.completions} == {"argilla_binarized"}


def test_a_rejected_model_of_the_first_shape_is_read_where_it_is_there() -> None:
    parsed = argilla_binarized.parse({**FIRST, "rejected_model": "bard"}, PLACE)
    assert [item["model"] for item in parsed.completions] == ["gpt-4", "bard"]


def test_a_null_response_of_the_first_shape_stays_null() -> None:
    parsed = argilla_binarized.parse({**FIRST, "chosen_response": None}, PLACE)
    assert [item["completion"] for item in parsed.completions] == [None, "No"]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({**FIRST, "instruction": 1}, "instruction"),
        ({**FIRST, "chosen_avg_rating": "4"}, "chosen_avg_rating"),
        ({**FIRST, "chosen_model": 4}, "chosen_model"),
        ({key: FIRST[key] for key in FIRST if key != "rejected_response"}, "rejected_response"),
        ({**CLEANED, "chosen": says("a") + USER}, "chosen[1].role"),
        ({**CLEANED, "rejected-rating": True}, "rejected-rating"),
        ({"prompt": "Hi"}, "chosen_response"),
    ],
)
def test_a_fault_in_argillas_rows_is_named(row: dict[str, Any], column: str) -> None:
    with pytest.raises(PipelineError) as caught:
        argilla_binarized.parse(row, PLACE)
    assert (caught.value.row, caught.value.column) == (3, column)
