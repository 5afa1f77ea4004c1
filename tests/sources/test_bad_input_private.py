"""The catalogue of bad input: rows of your own kinds, each stopping the stage or going to the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sources.catalogue import BadLine, Row, among, check_drops, check_stops, jsonl, pulled, without

SYSTEM = {"role": "system", "content": "Be kind."}
USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Yes."}


def pair(number: int, **fields: Any) -> Row:
    own = {"prompt": f"q{number}", "chosen": f"good {number}", "rejected": f"bad {number}"}
    return {**own, "chosen_score": 8.0, "rejected_score": 2.0, **fields}


def scored(number: int, **fields: Any) -> Row:
    return {"prompt": f"q{number}", "responses": [f"a{number}", "b"], "scores": [4.0, 1.0], **fields}


def ranked(number: int, **fields: Any) -> Row:
    labels = ("A", "B", "tie")
    own = {"prompt": f"q{number}", "response_a": f"a{number}", "response_b": "b"}
    return {**own, "winner": labels[number % 3], **fields}


def rated(number: int, **fields: Any) -> Row:
    return {"prompt": f"q{number // 2}", "response": f"a{number}", "rating": float(number % 5), **fields}


KINDS: dict[str, Callable[..., Row]] = {
    "pairs": pair,
    "completions": scored,
    "ranking": ranked,
    "rated_single": rated,
}
ROWS: dict[str, list[BadLine]] = {
    "pairs": [
        BadLine(
            "no_chosen", without(pair(1), "chosen"), "missing_field", "chosen", "the fields", "the chosen"
        ),
        BadLine("null_prompt", pair(1, prompt=None), "null_value", "prompt", "null", "the prompt"),
        BadLine("chosen_number", pair(1, chosen=7), "wrong_type", "chosen", "int 7", "text"),
        BadLine(
            "word_for_a_score",
            pair(1, chosen_score="good"),
            "bad_value",
            "chosen_score",
            "str 'good'",
            "a finite number",
        ),
        BadLine(
            "boolean_score", pair(1, chosen_score=True), "wrong_type", "chosen_score", "bool True", "a number"
        ),
        BadLine(
            "blank_prompt",
            pair(1, prompt=" "),
            "bad_conversation",
            "prompt",
            "an empty prompt",
            "a prompt with some text",
        ),
        BadLine(
            "two_systems",
            pair(1, prompt=[SYSTEM, SYSTEM, USER]),
            "bad_conversation",
            "prompt",
            "2 system messages",
            "one system",
        ),
        BadLine(
            "late_system",
            pair(1, prompt=[USER, SYSTEM, USER]),
            "bad_conversation",
            "prompt",
            "a system message between",
            "first",
        ),
        BadLine(
            "ends_with_assistant",
            pair(1, prompt=[USER, ANSWER]),
            "bad_conversation",
            "prompt",
            "a prompt that ends with the assistant",
            "user",
        ),
        BadLine(
            "unknown_role",
            pair(1, prompt=[{"role": "judge", "content": "x"}, USER]),
            "unknown_role",
            "prompt[0].role",
            "str 'judge'",
            "system, user or assistant",
        ),
        BadLine(
            "tool",
            pair(1, prompt=[USER, {"role": "tool", "content": "x"}, USER]),
            "unknown_role",
            "prompt[1].role",
            "str 'tool'",
            "tool calls are not supported",
        ),
        BadLine(
            "picture",
            pair(1, prompt=[{"role": "user", "content": [{"type": "image"}]}]),
            "wrong_type",
            "prompt[0].content",
            "list [",
            "the text of the message",
        ),
        BadLine(
            "null_content",
            pair(1, prompt=[{"role": "user", "content": None}]),
            "null_value",
            "prompt[0]",
            "null",
            "the text",
        ),
        BadLine(
            "repeated_key",
            b'{"prompt": "a", "chosen": "b", "rejected": "c", "chosen": "d"}',
            "repeated_key",
            "chosen",
            "the key 'chosen' twice",
            "",
        ),
    ],
    "completions": [
        BadLine(
            "no_responses",
            without(scored(1), "responses"),
            "missing_field",
            "responses",
            "the fields",
            "a list",
        ),
        BadLine("one_text", scored(1, responses="a"), "wrong_type", "responses", "str 'a'", "a list"),
        BadLine(
            "fewer_scores",
            scored(1, scores=[1.0]),
            "bad_value",
            "scores",
            "1 scores for 2 responses",
            "one for each response",
        ),
        BadLine(
            "nested_null_score",
            scored(1, scores=[1.0, "x"]),
            "bad_value",
            "scores[1]",
            "str 'x'",
            "a finite number",
        ),
        BadLine(
            "infinite_score",
            b'{"prompt": "q", "responses": ["a", "b"], "scores": [1e999, 1]}',
            "not_finite",
            "scores[0]",
            "float inf",
            "a finite number",
        ),
    ],
    "ranking": [
        BadLine("unknown_label", ranked(1, winner="C"), "bad_value", "winner", "str 'C'", "source.labels"),
        BadLine("null_label", ranked(1, winner=None), "null_value", "winner", "null", "source.labels"),
        BadLine(
            "list_for_a_label", ranked(1, winner=["A"]), "bad_value", "winner", "list ['A']", "source.labels"
        ),
        BadLine(
            "no_response", without(ranked(1), "response_b"), "missing_field", "response_b", "the fields", ""
        ),
    ],
    "rated_single": [
        BadLine("no_response", without(rated(1), "response"), "missing_field", "response", "the fields", ""),
        BadLine(
            "odd_rating", rated(1, rating="soso"), "bad_value", "rating", "str 'soso'", "thumbs up or down"
        ),
        BadLine("rating_list", rated(1, rating=[1]), "bad_value", "rating", "list [1]", "a finite number"),
    ],
}
EACH = [(kind, case) for kind, cases in ROWS.items() for case in cases]


def written(tmp_path: Path, kind: str, cases: list[BadLine]) -> tuple[Path, list[int]]:
    """A file whose first rows show its layout, with the bad ones behind them."""
    content, rows = among(KINDS[kind], cases)
    first = [KINDS[kind](100 + number) for number in range(20)]
    path = tmp_path / "mine.jsonl"
    path.write_bytes(jsonl(first) + content)
    return path, [len(first) + row for row in rows]


@pytest.mark.parametrize("kind", ROWS)
def test_bad_rows_of_your_own_go_to_the_ledger(tmp_path: Path, kind: str) -> None:
    path, rows = written(tmp_path, kind, ROWS[kind])
    found = pulled(tmp_path, path, kind=kind, on_bad_row="drop", max_bad_share=0.99)
    told = dict(found.ledger.select(found.ledger["detail"].str.split(":").list.first(), "reason").rows())
    for case, row in zip(ROWS[kind], rows, strict=True):
        column = "" if case.column is None else f", column {case.column}"
        assert told[f"mine.jsonl row {row}{column}"] == case.reason, case.name


@pytest.mark.parametrize(("kind", "case"), EACH, ids=[f"{kind}-{case.name}" for kind, case in EACH])
def test_a_bad_row_of_your_own_stops_the_stage(tmp_path: Path, kind: str, case: BadLine) -> None:
    path, (row,) = written(tmp_path, kind, [case])
    check_stops(tmp_path, case, kind, path, row)


def test_a_field_missing_far_down_is_found_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(jsonl(without(pair(n), "chosen") if n == 4711 else pair(n) for n in range(1, 5001)))
    case = BadLine(
        "far", b"", "missing_field", "chosen", "the fields prompt, rejected", "the chosen response"
    )
    check_stops(tmp_path, case, "pairs", path, 4711)
    assert check_drops(tmp_path, [case], "pairs", path, [4711]).metrics["kept"] == 4999
