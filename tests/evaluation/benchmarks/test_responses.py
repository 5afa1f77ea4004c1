"""Responses in a file: every way a line can be wrong is named with its number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.responses import Response, read_responses

PROMPTS = {"1": "First?", "2": "Second?"}


def lines(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_by_prompt_by_key_or_both_in_any_order_blank_lines_apart(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        {"key": 2, "response": "two", "model": "m"},
        "",
        {"prompt": "First?", "response": "a\u2028b"},
    )
    assert read_responses(path, PROMPTS) == {"1": Response("a\u2028b", 3), "2": Response("two", 1)}
    both = [{"key": key, "prompt": prompt, "response": ""} for key, prompt in PROMPTS.items()]
    assert list(read_responses(lines(tmp_path, *both), PROMPTS)) == ["1", "2"]


@pytest.mark.parametrize(
    ("second", "column", "message"),
    [
        ("{not json", None, "Expected: one JSON object per line"),
        ("[1]", None, "Found: list"),
        ({"response": "x"}, None, "Found: the fields response. Expected: response, and prompt or key"),
        (
            {"prompt": "Third?", "response": "x"},
            "prompt",
            "Found: 'Third\\?'. Expected: one of the 2 prompts",
        ),
        ({"prompt": None, "response": "x"}, "prompt", "Found: None"),
        ({"key": 3, "response": "x"}, "key", "Found: 3"),
        ({"key": 1, "prompt": "Second?", "response": "x"}, "key", "Found: 1. Expected: 2, whose prompt"),
        ({"key": 2}, "response", "the model's text"),
        ({"key": 2, "response": None}, "response", "Found: None"),
        ({"key": 1, "response": "y"}, None, "a second response to prompt 1, after line 1"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, second: object, column: str | None, message: str) -> None:
    path = lines(tmp_path, {"key": 1, "response": "x"}, second)
    with pytest.raises(PipelineError, match=message) as caught:
        read_responses(path, PROMPTS)
    assert (caught.value.file, caught.value.row, caught.value.column) == (str(path), 2, column)


def test_missing_responses_are_an_error_unless_a_part_is_asked_for(tmp_path: Path) -> None:
    path = lines(tmp_path, {"key": 2, "response": "x"})
    with pytest.raises(PipelineError, match=r"1 of 2 prompts have no response.*prompts 1\. .*--partial"):
        read_responses(path, PROMPTS)
    assert read_responses(path, PROMPTS, partial=True) == {"2": Response("x", 1)}
    with pytest.raises(PipelineError, match="2 of 2 prompts have no response"):
        read_responses(lines(tmp_path), PROMPTS, partial=True)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="The responses cannot be read"):
        read_responses(tmp_path / "none.jsonl", PROMPTS)
