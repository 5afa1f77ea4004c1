"""The engine: blocks in order, both ways of reading alike on rows of every kind, errors as they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources import (
    argilla_binarized,
    hh_rlhf,
    sample,
    typed_lines,
    ultrafeedback,
    ultrafeedback_binarized,
)
from pipeline.sources.reading import Adapter, read_file

Read = Callable[..., Any]

# --- rows as they should be -----------------------------------------------------------------------------

TEXT = st.text(max_size=6)
MAYBE_TEXT = st.none() | TEXT
SCORE = st.none() | st.integers(-3, 12) | st.floats(-3, 12)
RATING = st.sampled_from(["1", "5", "N/A", "4.5", None]).map(
    lambda rating: {"Rating": rating, "Rationale": ""}
)
ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")

COMPLETION = st.fixed_dictionaries(
    {"response": MAYBE_TEXT, "model": TEXT, "overall_score": SCORE},
    optional={
        "fine-grained_score": SCORE,
        "critique": MAYBE_TEXT,
        "my score": SCORE,
        "annotations": st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(ASPECTS, RATING)),
    },
)
RAW = st.fixed_dictionaries(
    {"source": TEXT, "instruction": TEXT, "completions": st.lists(COMPLETION, max_size=3)},
    optional={
        "constraint": st.none() | st.fixed_dictionaries({"kind": TEXT, "args": st.dictionaries(TEXT, SCORE)}),
        "models": st.lists(TEXT, max_size=2),
    },
)

MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT})
ANSWER = st.fixed_dictionaries({"role": st.just("assistant"), "content": MAYBE_TEXT})


@st.composite
def pairs(draw: st.DrawFn, names: dict[str, str]) -> dict[str, Any]:
    """A pair with its fields under these names: texts, or conversations of one prompt or two."""
    kind = draw(st.sampled_from(["texts", "answers", "conversations", "mixed"]))
    before = draw(st.lists(MESSAGE, min_size=1, max_size=2))
    others = draw(st.lists(MESSAGE, max_size=1)) if draw(st.booleans()) else before

    def response(prompt: list[Any]) -> Any:
        if kind == "texts" or (kind == "mixed" and draw(st.booleans())):
            return draw(MAYBE_TEXT)
        return [*(prompt if kind == "conversations" else []), draw(ANSWER)]

    row = {
        "prompt": draw(TEXT | st.lists(MESSAGE, min_size=1, max_size=2)),
        "chosen": response(before),
        "rejected": response(others),
        "score_chosen": draw(SCORE),
        "score_rejected": draw(SCORE),
        "model_chosen": draw(MAYBE_TEXT),
        "source": draw(MAYBE_TEXT),
    }
    return {names.get(name, name): value for name, value in row.items() if draw(st.integers(0, 9))}


FIRST = {
    "prompt": "instruction",
    "chosen": "chosen_response",
    "rejected": "rejected_response",
    "score_chosen": "chosen_avg_rating",
    "score_rejected": "rejected_avg_rating",
    "model_chosen": "chosen_model",
}
CLEANED = {
    "score_chosen": "chosen-rating",
    "score_rejected": "rejected-rating",
    "model_chosen": "chosen-model",
}
BOTH = st.tuples(pairs(FIRST), pairs(CLEANED)).map(lambda both: {**both[0], **both[1]})

TURNS = st.lists(
    st.sampled_from(
        ["\n\nHuman: ", "\n\nAssistant: ", "\n\nHuman:", "\n\nAssistant:", "\n\n", "Human:", "é "]
    )
    | st.text(max_size=3),
    max_size=8,
).map("".join)
TALK = st.sampled_from(["a", "", " b", "c\n"]).flatmap(
    lambda text: st.sampled_from(["", "\n\nHuman: x\n\nAssistant: y"]).map(
        lambda middle: (
            f"\n\nHuman: q{middle}\n\nAssistant: {text}"
            if not middle
            else f"\n\nHuman: p\n\nAssistant: o{middle}{text}"
        )
    )
)
TRANSCRIPTS = st.fixed_dictionaries({"chosen": TALK | TURNS, "rejected": TALK | TURNS})

KINDS: dict[str, tuple[st.SearchStrategy[dict[str, Any]], Adapter]] = {
    "ultrafeedback": (RAW, ultrafeedback.adapter()),
    "scored": (RAW, ultrafeedback.adapter("my score")),
    "overall again": (RAW, ultrafeedback.adapter("overall_score")),
    "responses as scores": (RAW, ultrafeedback.adapter("response")),
    "binarized": (pairs({}), ultrafeedback_binarized.ADAPTER),
    "argilla": (pairs(FIRST) | pairs(CLEANED) | BOTH, argilla_binarized.ADAPTER),
    "hh": (TRANSCRIPTS, hh_rlhf.ADAPTER),
}

# --- and what may be wrong with them --------------------------------------------------------------------

SCALARS = [None, True, 0, -1, 3, 2.5, 10**25, "", "x", "3", "N/A", " 4 ", "1_0", "5.5", "5.0", "\u0663"]
LISTS = [[], [None], ["3"], [{"Rating": "2"}], [[]], [{"role": "tool", "content": "x"}], [{"content": "x"}]]
OBJECTS = [{}, {"Rating": 4}, {"Rating": [1]}, {"a": {"b": {"c": {}}}}]
JUNK = st.sampled_from([*SCALARS, *LISTS, *OBJECTS]).map(deepcopy)  # Damaged once more, it must not be ours.


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a row."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def damage(draw: st.DrawFn, row: dict[str, Any]) -> None:
    """Take a value out of a row, or put another one in its place."""
    paths = list(places(row))
    if not paths:
        return
    *way, last = draw(st.sampled_from(paths))
    holder: Any = row
    for step in way:
        holder = holder[step]
    if draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = draw(JUNK)


@st.composite
def files(draw: st.DrawFn, rows: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """Some rows as JSON Lines, a few of them damaged."""
    drawn = json.loads(json.dumps(draw(st.lists(rows, min_size=1, max_size=8))))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        damage(draw, draw(st.sampled_from(drawn)))
    ascii_only = draw(st.booleans())
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in drawn]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(["", " ", "\r"])))
    return "\n".join(lines).encode()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(data=st.data(), block_bytes=st.sampled_from([1, 200, 1000, 1 << 20]))
def test_both_ways_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, read_both_ways: Read, kind: str, data: Any, block_bytes: int
) -> None:
    rows, adapter = KINDS[kind]
    path = tmp_path_factory.getbasetemp() / "kind.jsonl"
    path.write_bytes(data.draw(files(rows)))
    read_both_ways(path, adapter, block_bytes)


@pytest.mark.parametrize(
    ("name", "adapter", "rows", "singly"),
    [
        ("alpaca_uf_dev.jsonl.gz", ultrafeedback.adapter("alpaca_eval_preference"), 2416, 0),
        ("uf_raw_2rows.jsonl", ultrafeedback.adapter(), 2, 2),
        ("ultrafeedback_binarized_1000.jsonl.gz", ultrafeedback_binarized.ADAPTER, 1000, 0),
        ("hh_rlhf_helpful_base_test.jsonl.gz", hh_rlhf.ADAPTER, 2354, 0),
    ],
)
def test_both_ways_read_real_files_alike(
    real_file: Callable[[str], Path],
    read_both_ways: Read,
    name: str,
    adapter: Adapter,
    rows: int,
    singly: int,
) -> None:
    outcome = read_both_ways(real_file(name), adapter, 100_000)
    assert (len(outcome.lines), outcome.read_singly) == (rows, singly)


def test_both_ways_read_the_sample_alike(tmp_path: Path, read_both_ways: Read) -> None:
    path = tmp_path / "sample.jsonl"
    path.write_text(
        "".join(json.dumps(row.raw, ensure_ascii=False) + "\n" for row in sample.generate(400, 7))
    )
    outcome = read_both_ways(path, ultrafeedback.adapter(), 100_000)
    assert (len(outcome.lines), outcome.read_singly) == (400, 0)
    assert outcome.completions["constraint"].null_count() == 0


def test_only_the_rows_that_need_it_are_read_singly(tmp_path: Path, read_both_ways: Read) -> None:
    good = {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}
    lines = [json.dumps(good)] * 1000
    for place in (3, 500, 501):
        lines[place] = " " + lines[place]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    for block_bytes in (500, 5000, 1 << 20):
        assert read_both_ways(path, hh_rlhf.ADAPTER, block_bytes).read_singly == 3


@pytest.mark.parametrize(("fewest", "singly"), [(2, 1), (256, 250)])
def test_a_row_of_another_type_costs_few_others_the_fast_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fewest: int, singly: int
) -> None:
    monkeypatch.setattr(typed_lines, "FEWEST_HALVED", fewest)
    row = {"source": "s", "instruction": "i", "completions": []}
    item = {"response": "r", "model": "m", "overall_score": 1, "annotations": {"honesty": {"Rating": "3"}}}
    listed = {**item, "annotations": {"honesty": [{"Rating": "4"}]}}
    rows = [{**row, "completions": [listed if place == 77 else item]} for place in range(1000)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (block,) = read_file(path, ultrafeedback.adapter())
    # Halves of 1,000 rows: 500, and 250, which are too few to be halved.
    assert block.read_singly == singly
    assert block.records["honesty"].to_list() == [3.0] * 77 + [4.0] + [3.0] * 922


@pytest.mark.parametrize("rating", ["3", 3, {"Rating": "3"}, {"Rating": 3}, {"Rating": 3.0, "Rationale": ""}])
def test_every_plain_form_of_a_rating_is_read_at_once(
    tmp_path: Path, read_both_ways: Read, rating: Any
) -> None:
    item = {"response": "r", "model": "m", "overall_score": 1, "annotations": {"honesty": rating}}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"source": "s", "instruction": "i", "completions": [item]}))
    outcome = read_both_ways(path, ultrafeedback.adapter())
    assert (outcome.completions["honesty"].to_list(), outcome.read_singly) == ([3.0], 0)
