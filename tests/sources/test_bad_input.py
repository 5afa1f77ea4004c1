"""The catalogue of bad input: rows of every known kind, each stopping the stage or going to the ledger.

A new case is a line in a table. Files as a whole: ``test_bad_input_files.py``; your own kinds:
``test_bad_input_private.py``.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.sources.catalogue import (
    BadLine,
    Row,
    among,
    check_drops,
    check_stops,
    jsonl,
    names,
    pulled,
    without,
)

USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be kind."}
ANSWER = {"role": "assistant", "content": "Yes."}
DEEP = 400

# --- good rows ------------------------------------------------------------------------------------------


def raw(number: int, **fields: Any) -> Row:
    item = {"response": f"a{number}", "model": "m", "overall_score": 7.0, **fields}
    return {"source": "s", "instruction": f"q{number}", "completions": [item]}


def pair(number: int, **fields: Any) -> Row:
    return {"prompt": f"q{number}", "chosen": f"good {number}", "rejected": f"bad {number}", **fields}


def argilla(number: int, **fields: Any) -> Row:
    return {
        "source": "s",
        "instruction": f"q{number}",
        "chosen_response": f"good {number}",
        "rejected_response": f"bad {number}",
        "chosen_avg_rating": 4.5,
        "rejected_avg_rating": 2.0,
        **fields,
    }


def transcript(number: int, **fields: Any) -> Row:
    prompt = f"\n\nHuman: q{number}\n\nAssistant: "
    return {"chosen": f"{prompt}good", "rejected": f"{prompt}bad", **fields}


KINDS: dict[str, Callable[..., Row]] = {
    "ultrafeedback": raw,
    "ultrafeedback_binarized": pair,
    "argilla_binarized": argilla,
    "hh_rlhf": transcript,
}

# --- lines that are no row of any kind ------------------------------------------------------------------

OBJECT = "one JSON object per line"
LINES = [
    BadLine("truncated", b'{"prompt": "q', "not_json", None, "Unterminated string", OBJECT),
    BadLine("half_a_line", b'"chosen": "a"}', "not_json", None, "Extra data", OBJECT),
    BadLine("list", b'["a", "b"]', "not_an_object", None, 'list: ["a", "b"]', OBJECT),
    BadLine("text", b'"prompt"', "not_an_object", None, 'str: "prompt"', OBJECT),
    BadLine("number", b"3", "not_an_object", None, "int: 3", OBJECT),
    BadLine("null", b"null", "not_an_object", None, "NoneType: null", OBJECT),
    BadLine("two_objects", b"{} {}", "not_json", None, "Extra data", OBJECT),
    BadLine("pythons_dict", b"{'prompt': 'q'}", "not_json", None, "Expecting property name", OBJECT),
    BadLine("nan", b'{"score": NaN}', "not_json", None, "the constant NaN", OBJECT),
    BadLine("infinity", b'{"score": -Infinity}', "not_json", None, "the constant -Infinity", OBJECT),
    BadLine("nul_in_text", b'{"prompt": "a\x00b"}', "not_json", None, "a NUL byte at 14", OBJECT),
    BadLine("nul_bytes", b"\x00" * 9, "not_json", None, "a NUL byte at 1", OBJECT),
    BadLine("late_mark", b"\xef\xbb\xbf{}", "not_json", None, "Unexpected UTF-8 BOM", OBJECT),
    BadLine("merge_conflict", b"<<<<<<< HEAD", "not_json", None, "Expecting value", OBJECT),
    BadLine("csv", b"prompt,chosen,rejected", "not_json", None, "Expecting value", OBJECT),
    BadLine("deep", b'{"a": ' + b"[" * 100_000, "not_json", None, "maximum recursion depth", OBJECT),
    BadLine("latin_1", b'{"prompt": "\xe4"}', "not_utf8", None, "byte 0xe4 at 13", "text in UTF-8"),
    BadLine("overlong", b'{"prompt": "\xc0\x80"}', "not_utf8", None, "byte 0xc0 at 13", "text in UTF-8"),
    BadLine(
        "surrogate_bytes", b'{"prompt": "\xed\xa0\x80"}', "not_utf8", None, "byte 0xed at 13", "text in UTF-8"
    ),
    BadLine(
        "half_a_pair", b'{"prompt": "\\ud800"}', "lone_surrogate", "prompt", "\\ud800", "whole characters"
    ),
    BadLine(
        "half_a_pair_as_key", b'{"\\udfff": 1}', "lone_surrogate", "\\udfff", "\\udfff", "whole characters"
    ),
]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "jsonl": bytes,
    "jsonl.gz": gzip.compress,
    "jsonl.zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize(
    ("kind", "packing"),
    [*((kind, "jsonl") for kind in KINDS), ("hh_rlhf", "jsonl.gz"), ("hh_rlhf", "jsonl.zst")],
)
def test_lines_that_are_no_rows_go_to_the_ledger(tmp_path: Path, kind: str, packing: str) -> None:
    content, rows = among(KINDS[kind], LINES)
    path = tmp_path / f"mine.{packing}"
    path.write_bytes(PACKINGS[packing](content))
    found = check_drops(tmp_path, LINES, kind, path, rows)
    assert found.metrics["kept"] == len(LINES) + 1


@pytest.mark.parametrize("case", LINES, ids=names(LINES))
def test_a_line_that_is_no_row_stops_the_stage(tmp_path: Path, case: BadLine) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(among(pair, [case])[0])
    check_stops(tmp_path, case, "ultrafeedback_binarized", path, 2)


# --- rows of a kind -------------------------------------------------------------------------------------

NUMBER, FINITE, TEXT = "a number or null", "a finite number or null", "a string or null"
SIDE = "a string, or a list of messages (role, content) that ends in the assistant's"
RATING = 'a rating from "1" to "5", "N/A" or null'
ITEM = "completions[0]"
COMPLETIONS = "a list of completions"
RATED = f"{ITEM}.annotations.honesty"
SPEAKER = "system, user or assistant"
SCORE = f"{ITEM}.overall_score"


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


ROWS: dict[str, list[BadLine]] = {
    "ultrafeedback": [
        BadLine("empty", {}, "missing_field", "source", "the fields none", "the name of the part"),
        BadLine(
            "no_instruction",
            without(raw(1), "instruction"),
            "missing_field",
            "instruction",
            "the fields s",
            "",
        ),
        BadLine(
            "null_instruction",
            {**raw(1), "instruction": None},
            "null_value",
            "instruction",
            "null",
            "a string",
        ),
        BadLine(
            "null_completions",
            {**raw(1), "completions": None},
            "null_value",
            "completions",
            "null",
            COMPLETIONS,
        ),
        BadLine(
            "one_object",
            {**raw(1), "completions": {"response": "a"}},
            "wrong_type",
            "completions",
            "dict {'resp",
            COMPLETIONS,
        ),
        BadLine(
            "nested_null",
            {**raw(1), "completions": [None]},
            "null_value",
            ITEM,
            "null",
            "an object with response",
        ),
        BadLine("response_number", raw(1, response=3), "wrong_type", f"{ITEM}.response", "int 3", TEXT),
        BadLine(
            "no_model",
            {**raw(1), "completions": [{"response": "a"}]},
            "missing_field",
            f"{ITEM}.model",
            "",
            "",
        ),
        BadLine("quoted_score", raw(1, overall_score="7"), "wrong_type", SCORE, "str '7'", NUMBER),
        BadLine("boolean_score", raw(1, overall_score=True), "wrong_type", SCORE, "bool True", NUMBER),
        BadLine(
            "infinite_score",
            b'{"source": "s", "instruction": "q", "completions": ['
            b'{"response": "a", "model": "m", "overall_score": 1e999}]}',
            "not_finite",
            SCORE,
            "float inf",
            FINITE,
        ),
        BadLine(
            "rating_6",
            raw(1, annotations={"honesty": {"Rating": "6"}}),
            "bad_value",
            f"{RATED}.Rating",
            "str '6'",
            RATING,
        ),
        BadLine(
            "rating_nan", raw(1, annotations={"honesty": "nan"}), "bad_value", RATED, "str 'nan'", RATING
        ),
        BadLine(
            "rating_boolean", raw(1, annotations={"honesty": True}), "wrong_type", RATED, "bool True", RATING
        ),
        BadLine(
            "ratings_list",
            raw(1, annotations=[3]),
            "wrong_type",
            f"{ITEM}.annotations",
            "list [3]",
            "an object",
        ),
        BadLine(
            "deep_response", raw(1, response=deep(DEEP)), "wrong_type", f"{ITEM}.response", "list ", TEXT
        ),
        BadLine(
            "repeated_key",
            b'{"source": "s", "instruction": "q", "completions": [], "source": "t"}',
            "repeated_key",
            "source",
            "the key 'source' twice",
            "a string",
        ),
    ],
    "ultrafeedback_binarized": [
        BadLine(
            "no_chosen",
            without(pair(1), "chosen"),
            "missing_field",
            "chosen",
            "the fields prompt, rejected",
            SIDE,
        ),
        BadLine("null_prompt", pair(1, prompt=None), "null_value", "prompt", "null", "a string or a list"),
        BadLine("chosen_number", pair(1, chosen=7), "wrong_type", "chosen", "int 7", SIDE),
        BadLine("chosen_boolean", pair(1, chosen=False), "wrong_type", "chosen", "bool False", SIDE),
        BadLine("chosen_deep", pair(1, chosen=deep(DEEP)), "wrong_type", "chosen[0]", "list ", "a message"),
        BadLine("quoted_score", pair(1, score_chosen="9"), "wrong_type", "score_chosen", "str '9'", NUMBER),
        BadLine(
            "boolean_score", pair(1, score_chosen=True), "wrong_type", "score_chosen", "bool True", NUMBER
        ),
        BadLine(
            "huge_score", pair(1, score_chosen=10**400), "not_finite", "score_chosen", "int 1000", FINITE
        ),
        BadLine("source_number", pair(1, source=1), "wrong_type", "source", "int 1", TEXT),
        BadLine(
            "constraint_text",
            pair(1, constraint="x"),
            "wrong_type",
            "constraint",
            "str 'x'",
            "an object or null",
        ),
        BadLine(
            "no_messages", pair(1, prompt=[]), "bad_conversation", "prompt", "list []", "at least one message"
        ),
        BadLine("null_message", pair(1, prompt=[None]), "null_value", "prompt[0]", "null", "a message"),
        BadLine(
            "null_content",
            pair(1, prompt=[{"role": "user", "content": None}]),
            "null_value",
            "prompt[0].content",
            "null",
            "a string",
        ),
        BadLine(
            "no_role",
            pair(1, prompt=[{"content": "x"}]),
            "missing_field",
            "prompt[0].role",
            "the fields content",
            "who speaks",
        ),
        BadLine(
            "unknown_role",
            pair(1, prompt=[{"role": "tool", "content": "x"}, USER]),
            "unknown_role",
            "prompt[0].role",
            "str 'tool'",
            SPEAKER,
        ),
        BadLine(
            "role_in_capitals",
            pair(1, prompt=[{"role": "User", "content": "x"}]),
            "unknown_role",
            "prompt[0].role",
            "str 'User'",
            SPEAKER,
        ),
        BadLine(
            "two_systems",
            pair(1, prompt=[SYSTEM, SYSTEM, USER]),
            "bad_conversation",
            "prompt[1].role",
            "str 'system'",
            "a system message can only be the first",
        ),
        BadLine(
            "ends_with_assistant",
            pair(1, prompt=[USER, ANSWER]),
            "bad_conversation",
            "prompt[1].role",
            "str 'assistant'",
            "user, as the message that the response answers",
        ),
        BadLine(
            "two_assistants",
            pair(1, chosen=[USER, ANSWER, ANSWER]),
            "bad_conversation",
            "chosen[1].role",
            "str 'assistant'",
            "user",
        ),
        BadLine(
            "chosen_ends_with_user",
            pair(1, chosen=[USER]),
            "bad_conversation",
            "chosen[0].role",
            "str 'user'",
            "assistant, as the last message",
        ),
        BadLine(
            "repeated_key",
            b'{"prompt": "a", "chosen": "b", "rejected": "c", "chosen": "d"}',
            "repeated_key",
            "chosen",
            "the key 'chosen' twice",
            SIDE,
        ),
        BadLine(
            "repeated_inner_key",
            b'{"prompt": [{"role": "user", "content": "a", "content": "b"}], "chosen": "b", "rejected": "c"}',
            "repeated_key",
            "prompt[0].content",
            "the key 'content' twice",
            "a string",
        ),
    ],
    "argilla_binarized": [
        BadLine("empty", {}, "missing_field", "chosen_response", "the fields none", SIDE),
        BadLine(
            "no_rejected",
            without(argilla(1), "rejected_response"),
            "missing_field",
            "rejected_response",
            "the fields s",
            SIDE,
        ),
        BadLine(
            "quoted_rating",
            argilla(1, chosen_avg_rating="4.5"),
            "wrong_type",
            "chosen_avg_rating",
            "str '4.5'",
            NUMBER,
        ),
        BadLine("model_number", argilla(1, chosen_model=4), "wrong_type", "chosen_model", "int 4", TEXT),
        BadLine(
            "two_systems",
            {"prompt": "q", "chosen": [SYSTEM, SYSTEM, USER, ANSWER], "rejected": "b"},
            "bad_conversation",
            "chosen[1].role",
            "str 'system'",
            "a system message can only be the first",
        ),
    ],
    "hh_rlhf": [
        BadLine(
            "no_chosen",
            without(transcript(1), "chosen"),
            "missing_field",
            "chosen",
            "the fields rejected",
            "a transcript",
        ),
        BadLine("null_chosen", transcript(1, chosen=None), "null_value", "chosen", "null", "a string"),
        BadLine(
            "messages",
            transcript(1, chosen=[USER, ANSWER]),
            "wrong_type",
            "chosen",
            "list [{'role'",
            "a string",
        ),
        BadLine(
            "repeated_key",
            b'{"chosen": "a", "chosen": "a", "rejected": "b"}',
            "repeated_key",
            "chosen",
            "the key 'chosen' twice",
            "a string",
        ),
    ],
}
EACH = [(kind, case) for kind, cases in ROWS.items() for case in cases]


@pytest.mark.parametrize("kind", ROWS)
def test_bad_rows_of_a_kind_go_to_the_ledger(tmp_path: Path, kind: str) -> None:
    content, rows = among(KINDS[kind], ROWS[kind])
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    found = check_drops(tmp_path, ROWS[kind], kind, path, rows)
    assert found.metrics["kept"] == len(rows) + 1


@pytest.mark.parametrize(("kind", "case"), EACH, ids=[f"{kind}-{case.name}" for kind, case in EACH])
def test_a_bad_row_of_a_kind_stops_the_stage(tmp_path: Path, kind: str, case: BadLine) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(among(KINDS[kind], [case])[0])
    check_stops(tmp_path, case, kind, path, 2)


def test_a_field_missing_far_down_is_found_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(jsonl(without(pair(n), "chosen") if n == 4711 else pair(n) for n in range(1, 5001)))
    case = BadLine("far", b"", "missing_field", "chosen", "the fields prompt, rejected", SIDE)
    check_stops(tmp_path, case, "ultrafeedback_binarized", path, 4711)
    found = check_drops(tmp_path, [case], "ultrafeedback_binarized", path, [4711])
    assert (found.metrics["in"], found.metrics["kept"]) == (5000, 4999)


# --- typed files ----------------------------------------------------------------------------------------

TYPED = [
    BadLine("null_prompt", pair(1, prompt=None), "null_value", "prompt", "null", "a string or a list"),
    BadLine(
        "nan_score", pair(1, score_chosen=float("nan")), "not_finite", "score_chosen", "float nan", FINITE
    ),
    BadLine(
        "infinite_score",
        pair(1, score_chosen=float("inf")),
        "not_finite",
        "score_chosen",
        "float inf",
        FINITE,
    ),
]
TALKS = [
    BadLine("null_message", {"chosen": [None, ANSWER]}, "null_value", "chosen[0]", "null", "a message"),
    BadLine(
        "null_content",
        {"chosen": [{"role": "user", "content": None}, ANSWER]},
        "null_value",
        "chosen[0].content",
        "null",
        "a string",
    ),
    BadLine(
        "unknown_role",
        {"chosen": [{"role": "tool", "content": "x"}, ANSWER]},
        "unknown_role",
        "chosen[0].role",
        "str 'tool'",
        SPEAKER,
    ),
    BadLine(
        "two_systems",
        {"chosen": [SYSTEM, SYSTEM, USER, ANSWER]},
        "bad_conversation",
        "chosen[1].role",
        "str 'system'",
        "the first",
    ),
    BadLine(
        "ends_with_assistant",
        {"chosen": [USER, ANSWER, ANSWER]},
        "bad_conversation",
        "chosen[1].role",
        "str 'assistant'",
        "user",
    ),
    BadLine("empty", {"chosen": []}, "bad_conversation", "chosen", "list []", SIDE),
    BadLine(
        "null",
        {"chosen": None},
        "missing_field",
        "prompt",
        "the fields chosen, rejected",
        "the prompt, a string",
    ),
]


@pytest.mark.parametrize(
    "case", TYPED + TALKS, ids=[*names(TYPED), *(f"talk_{name}" for name in names(TALKS))]
)
def test_bad_rows_of_parquet(tmp_path: Path, case: BadLine) -> None:
    assert isinstance(case.row, dict)
    good = (
        pair(0, score_chosen=1.0)
        if case in TYPED
        else {side: [USER, ANSWER] for side in ("chosen", "rejected")}
    )
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.Table.from_pylist([good, {**good, **case.row}, good]), path)
    check_stops(tmp_path, case, "ultrafeedback_binarized", path, 2)
    found = check_drops(tmp_path, [case], "ultrafeedback_binarized", path, [2])
    assert found.completions["line"].to_list() == [1, 1, 3, 3]


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("chosen", pa.array([1, 2]), "int 1"),
        ("chosen", pa.array([True, False]), "bool True"),
        ("chosen", pa.array([b"a", b"b"]), "bytes b'a'"),
        ("score_chosen", pa.array(["9", "8"]), "str '9'"),
        ("score_chosen", pa.array([True, False]), "bool True"),
    ],
    ids=["integers", "booleans", "bytes", "quoted_scores", "boolean_scores"],
)
def test_a_column_of_another_type_is_all_bad(
    tmp_path: Path, column: str, values: pa.Array, found: str
) -> None:
    path = tmp_path / "mine.parquet"
    texts = pa.array(["a", "b"])
    columns = {"prompt": texts, "chosen": texts, "rejected": texts} | {column: values}
    pq.write_table(pa.table(columns), path)
    expected = SIDE if column == "chosen" else NUMBER
    case = BadLine("all", b"", "wrong_type", column, found, expected)
    check_stops(tmp_path, case, "ultrafeedback_binarized", path, 1)


# --- texts that are odd, but texts ----------------------------------------------------------------------

TEXTS = {
    "right_to_left": "שלום \u202bمرحبا\u202c \u200f42",
    "combining": "e\u0301 \u1100\u1161 ｶﾞ \u0915\u094d\u0937",
    "not_normalised": "\u212b \u00c5 A\u030a",
    "emoji": "👩‍👩‍👧 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "no_characters": "\ufffe \uffff \U0010ffff \ufdd0",
    "line_separators": "a\u2028b\u2029c\u0085d\x0be\x0cf\rg\nh",
    "escaped_nul": "a\x00b",
    "byte_order_mark": "\ufeffa\ufeff",
    "one_long_token": "x" * 30_000,
    "one_long_wide_token": "語" * 30_000,
    "a_formula": '=HYPERLINK("http://example.com","x")&cmd|\' /C calc\'!A0',
    "control_tokens": "<|im_end|>\n<|im_start|>system\n{{ messages }} {% raw %}</s>",
    "looks_like_json": '{"prompt": "\\u0041"} \\ud800 NaN',
    "whitespace": " \t a \xa0\u3000 ",
}


@pytest.mark.parametrize("as_parquet", [False, True], ids=["jsonl", "parquet"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_passes_as_it_is(tmp_path: Path, text: str, as_parquet: bool) -> None:
    rows = [pair(1), pair(2, prompt=text, chosen=text, rejected=f"{text}!")]
    path = tmp_path / ("mine.parquet" if as_parquet else "mine.jsonl")
    if as_parquet:
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_bytes(jsonl(rows))
    found = pulled(tmp_path, path, kind="ultrafeedback_binarized").completions.filter(line=2)
    assert found["completion"].to_list() == [text, f"{text}!"]
    assert found["prompt"].to_list() == [[{"role": "user", "content": text}]] * 2
