"""What of private rows is refused: params and columns together, rows one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.params import SourceParams
from pipeline.sources.fields import Place
from pipeline.sources.layout import detect_layout, layout_adapter, understand

FILE = Path("mine.jsonl")
Row = dict[str, Any]
XY = {"prompt": "Hi", "response_a": "x", "response_b": "y"}
TEXTS = {"prompt": "Hi", "chosen": "good", "rejected": "bad"}
USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "S"}
SAID = {"role": "assistant", "content": "x"}


def refused(rows: list[Row], **source: Any) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        detect_layout(rows, SourceParams(**source), FILE)
    assert caught.value.file == "mine.jsonl"
    return caught.value


def test_two_columns_that_fit_equally_are_both_named() -> None:
    row = {"question": "Hi", "query": "Ho", "chosen": "good", "rejected": "bad"}
    assert (
        "source.columns.prompt: `question` and `query` fit equally well"
        in refused([row], kind="pairs").problem
    )
    same = {**row, "query": "Hi"}
    assert detect_layout([same], SourceParams(kind="pairs"), FILE).fields["prompt"] == "question"
    mapped = SourceParams(kind="pairs", columns={"prompt": "query"})
    assert detect_layout([row], mapped, FILE).fields["prompt"] == "query"


def test_all_faults_of_a_mapping_are_said_together() -> None:
    columns = {"prompt": "promt", "label": "x", "chosen_score": "meta.scor"}
    labels = {"first": ["A"]}
    row = {**TEXTS, "meta": {"score": 1}}
    problem = refused([row], kind="pairs", columns=columns, labels=labels).problem
    assert problem.startswith("The fields of the rows are not clear, 4 faults")
    assert (
        "source.columns.prompt: found 'promt', which no row has, expected one of prompt, chosen, rejected, "
        "meta; did you mean 'prompt'?"
    ) in problem
    assert "did you mean 'meta.score'?" in problem
    assert "source.columns.label: source.kind pairs has no such field" in problem
    assert "source.labels: source.kind pairs has no labels" in problem


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("pairs", {"prompt": "Hi", "a": "x"}, "the preferred and the other response"),
        (
            "pairs",
            {"ask": "Hi", "chosen": "So so", "rejected": "So la"},
            "the prompt; set source.columns.prompt to one of ask",
        ),
        ("ranking", {"prompt": "Hi", "response_a": "x"}, "two or more responses"),
        ("ranking", {**XY, "score_a": 1, "score_b": 2}, "a label that names the winner"),
        ("completions", {**XY, "label": "A"}, "a score for each response"),
        ("rated_single", {"prompt": "Hi", "response": "x"}, "its rating"),
    ],
)
def test_what_is_missing_is_named(kind: str, row: Row, said: str) -> None:
    assert said in refused([row], kind=kind).problem


def test_rows_of_no_kind_are_told_what_each_kind_needs() -> None:
    error = refused([{"text": "x", "n": 1}])
    assert error.found == "the columns text, n"
    assert error.expected is not None and error.expected.startswith(
        "pairs: chosen and rejected with a prompt; "
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, 1], "`label` holds 1 only: it may count from 0 or from 1"),
        ([0, 3], "`label` holds 0, 3, which name no place among 2 responses"),
        ([-1, 1], "`label` holds -1, 1, which name no place among 2 responses"),
        ([True, False], "it holds truth values, and nothing says of which response"),
    ],
)
def test_labels_that_could_mean_either_are_refused(values: list[Any], said: str) -> None:
    problem = refused([{**XY, "label": value} for value in values], kind="ranking").problem
    assert f"source.labels: {said}; write its values into source.labels.first, second and tie" in problem


def test_0_and_2_of_responses_numbered_from_1_are_refused() -> None:
    rows = [{"prompt": "Hi", "output_1": "x", "output_2": "y", "label": label} for label in (0, 1, 2)]
    assert "it may count from 0 or from 1" in refused(rows, kind="ranking").problem


def test_python_lists_as_text_are_refused() -> None:
    row = {"prompt": "Hi", "chosen": "[{'role': 'assistant', 'content': 'x'}]", "rejected": "y"}
    error = refused([row], kind="pairs")
    assert (error.column, error.problem) == (
        "chosen",
        "A column holds Python lists written as text, not JSON",
    )


GOOD: dict[str, list[Row]] = {
    "pairs": [TEXTS],
    "conversations": [{"chosen": [USER, SAID], "rejected": [USER, SAID]}],
    "ranking": [{**XY, "label": 0}, {**XY, "label": 1}],
    "words": [{**XY, "label": "A"}],
    "truths": [{**XY, "winner_a": True, "winner_b": False}],
    "completions": [{**XY, "score_a": 1, "score_b": 2}],
    "lists": [{"prompt": "Hi", "responses": ["x", "y"], "scores": [1, 2]}],
    "rated_single": [{"prompt": "Hi", "response": "x", "rating": 1}],
    "transcripts": [{"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": "x", "rejected": "y"}],
    "cells": [{"chosen": '[{"role": "assistant", "content": "x"}]', "rejected": "y", "prompt": "Hi"}],
    "history": [{**TEXTS, "history": [["Hi", "x"]]}],
}


@pytest.mark.parametrize(
    ("like", "bad", "column", "found"),
    [
        ("pairs", {"prompt": "Hi", "rejected": "bad"}, "chosen", "the fields prompt, rejected"),
        ("pairs", {**TEXTS, "prompt": None}, "prompt", "null"),
        ("pairs", {**TEXTS, "prompt": " "}, "prompt", "an empty prompt"),
        ("pairs", {**TEXTS, "prompt": [SYSTEM]}, "prompt", "no message of the user"),
        ("pairs", {**TEXTS, "prompt": []}, "prompt", "an empty prompt"),
        (
            "pairs",
            {**TEXTS, "prompt": [USER, SAID]},
            "prompt",
            "a prompt that ends with the assistant's turn",
        ),
        ("pairs", {**TEXTS, "prompt": [SYSTEM, SYSTEM, USER]}, "prompt", "2 system messages"),
        ("pairs", {**TEXTS, "prompt": [USER, SYSTEM, USER]}, "prompt", "a system message between turns"),
        (
            "pairs",
            {**TEXTS, "prompt": [{"role": "tool", "content": ""}, USER]},
            "prompt[0].role",
            "str 'tool'",
        ),
        ("pairs", {**TEXTS, "prompt": [{"role": "boss", "content": ""}]}, "prompt[0].role", "str 'boss'"),
        ("pairs", {**TEXTS, "prompt": [{"role": "user"}]}, "prompt[0].content", "the fields role"),
        ("pairs", {**TEXTS, "prompt": [{"role": "user", "content": None}]}, "prompt[0]", "null"),
        (
            "pairs",
            {**TEXTS, "prompt": [{"role": "user", "content": [{"image": 1}]}]},
            "prompt[0].content",
            None,
        ),
        ("pairs", {**TEXTS, "prompt": 3}, "prompt", "int 3"),
        ("pairs", {**TEXTS, "chosen": 3}, "chosen", "int 3"),
        ("pairs", {**TEXTS, "chosen": []}, "chosen", "list []"),
        (
            "conversations",
            {"chosen": [USER], "rejected": [USER, SAID]},
            "chosen",
            "a last message of the user",
        ),
        (
            "conversations",
            {"chosen": [SAID], "rejected": [SAID]},
            "chosen",
            "a response with no conversation before it",
        ),
        ("ranking", {**XY, "label": 3}, "label", "int 3"),
        ("ranking", {**XY, "label": None}, "label", "null"),
        ("ranking", {**XY, "label": "C"}, "label", "str 'C'"),
        ("words", {**XY, "label": "first place"}, "label", "str 'first place'"),
        ("truths", {**XY, "winner_a": True, "winner_b": True}, "winner_a", None),
        ("truths", {**XY, "winner_a": "perhaps", "winner_b": True}, "winner_a", "str 'perhaps'"),
        ("completions", {**XY, "score_a": "high", "score_b": 2}, "score_a", "str 'high'"),
        ("completions", {**XY, "score_a": float("nan"), "score_b": 2}, "score_a", "float nan"),
        ("completions", {**XY, "score_a": "inf", "score_b": 2}, "score_a", "str 'inf'"),
        ("completions", {**XY, "score_a": True, "score_b": 2}, "score_a", "bool True"),
        (
            "lists",
            {"prompt": "Hi", "responses": ["x"], "scores": [1, 2]},
            "scores",
            "2 scores for 1 responses",
        ),
        ("lists", {"prompt": "Hi", "responses": "x", "scores": [1]}, "responses", "str 'x'"),
        ("rated_single", {"prompt": "Hi", "response": "x", "rating": "meh"}, "rating", "str 'meh'"),
        ("rated_single", {"prompt": "Hi", "response": "x"}, "rating", "the fields prompt, response"),
        ("transcripts", {"prompt": "Hi", "chosen": "x", "rejected": "y"}, "prompt", "str 'Hi'"),
        (
            "transcripts",
            {"prompt": "\n\nHuman: Hi\n\nAssistant: x", "chosen": "", "rejected": ""},
            "prompt",
            None,
        ),
        ("cells", {"prompt": "Hi", "chosen": "[{", "rejected": "y"}, "chosen", "str '[{'"),
        ("history", {**TEXTS, "history": [["Hi"]]}, "history[0]", "list ['Hi']"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_keep_to_the_layout_is_a_fault(
    like: str, bad: Row, column: str, found: str | None
) -> None:
    params = SourceParams()
    layout = detect_layout(GOOD[like], params, FILE)
    with pytest.raises(PipelineError) as caught:
        layout_adapter(layout, params).parse(bad, Place(FILE, 4711))
    error = caught.value
    assert (error.file, error.row, error.column) == ("mine.jsonl", 4711, column)
    if found is not None:
        assert error.found == found


def test_tools_are_said_to_be_unsupported() -> None:
    layout = detect_layout(GOOD["pairs"], None, FILE)
    row = {**TEXTS, "prompt": [{"from": "observation", "value": "{}"}, {"from": "human", "value": "Hi"}]}
    with pytest.raises(PipelineError, match="tool calls are not supported"):
        layout_adapter(layout, SourceParams()).parse(row, Place(FILE, 1))


def test_an_unknown_label_names_the_params_that_would_make_it_known() -> None:
    layout = detect_layout(GOOD["words"], None, FILE)
    with pytest.raises(PipelineError, match=r"source\.labels\.first, second or tie"):
        layout_adapter(layout, SourceParams()).parse({**XY, "label": "?"}, Place(FILE, 1))


def test_a_label_that_names_both_models_is_refused() -> None:
    rows = [{**XY, "model_a": "gpt", "model_b": other, "winner": "gpt"} for other in ("llama", "GPT")]
    adapter = layout_adapter(detect_layout(rows, None, FILE), SourceParams())
    assert [item["label"] for item in adapter.parse(rows[0], Place(FILE, 1)).completions] == [
        "chosen",
        "rejected",
    ]
    with pytest.raises(PipelineError, match="the name of a response or of its model") as caught:
        adapter.parse(rows[1], Place(FILE, 2))
    assert (caught.value.row, caught.value.column) == (2, "winner")


def test_a_file_of_another_shape_is_named(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text('{"prompt": "Hi", "chosen": "x", "rejected": "y"}\n')
    two.write_text('{"question": "Hi", "chosen": "x", "rejected": "y"}\n')
    with pytest.raises(PipelineError) as caught:
        understand({"one": one, "two": two}, SourceParams(kind="pairs"))
    assert (caught.value.file, caught.value.column) == (str(two), "prompt")
    assert caught.value.found == "the columns chosen, question, rejected"
