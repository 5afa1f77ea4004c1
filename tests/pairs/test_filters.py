"""Each rule drops what it says, with its own name and evidence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.pairs import filters
from pipeline.pairs.filters import RULES, apply_filters
from pipeline.params import FilterParams
from pipeline.schema import PAIRS
from pipeline.tables import write_table

Frame = Callable[..., pl.DataFrame]


def dropped(params: FilterParams, pairs: pl.DataFrame) -> list[tuple[Any, ...]]:
    _, ledger = apply_filters(params, pairs)
    rows: list[tuple[Any, ...]] = (
        ledger.frame().select("row_id", "reason", "value", "threshold", "detail").sort("row_id").rows()
    )
    return rows


def test_the_rules_and_their_order() -> None:
    assert list(RULES) == [
        "excluded_source",
        "response_too_short",
        "response_too_long",
        "prompt_too_long",
        "constant_response",
    ]
    assert all(inspect.getdoc(getattr(filters, name)) for name in RULES)


def test_defaults_keep_ordinary_pairs(pairs: Frame) -> None:
    frame = pairs({}, {}, {})
    kept, ledger = apply_filters(FilterParams(), frame)
    assert kept.equals(frame.sort("pair_id"))
    assert ledger.counts() == {}


def test_excluded_source(pairs: Frame) -> None:
    frame = pairs({"source": "a"}, {"source": "ab"}, {"source": "b"})
    params = FilterParams(exclude_sources=["a", "b", "c"])
    assert dropped(params, frame) == [
        ("r0", "excluded_source", None, None, "a"),
        ("r2", "excluded_source", None, None, "b"),
    ]


def test_response_too_short_leaves_outer_whitespace_out(pairs: Frame) -> None:
    frame = pairs({"chosen": " ab\n"}, {"rejected": "  \u3000 "}, {"chosen": "é", "rejected": "ü"}, {})
    assert dropped(FilterParams(min_response_chars=3), frame) == [
        ("r0", "response_too_short", 2, 3, "chosen"),
        ("r1", "response_too_short", 0, 3, "rejected"),
        ("r2", "response_too_short", 1, 3, "chosen, rejected"),
    ]


def test_response_too_long_counts_characters(pairs: Frame) -> None:
    frame = pairs({"chosen": "é" * 8}, {"chosen": "é" * 9}, {"rejected": "y" * 12, "chosen": "x" * 10})
    assert dropped(FilterParams(max_response_chars=8), frame) == [
        ("r1", "response_too_long", 9, 8, "chosen"),
        ("r2", "response_too_long", 12, 8, "chosen, rejected"),
    ]


def test_prompt_too_long_counts_all_turns(pairs: Frame) -> None:
    turns = [{"role": "system", "content": "12345"}, {"role": "user", "content": "678"}]
    frame = pairs({"prompt": turns}, {"prompt": "1234567"})
    assert dropped(FilterParams(max_prompt_chars=7), frame) == [("r0", "prompt_too_long", 8, 7, None)]
    assert dropped(FilterParams(max_prompt_chars=8), frame) == []


def test_constant_response_counts_distinct_prompts_on_either_side(pairs: Frame) -> None:
    constant = ["I cannot.", "i  CANNOT.", "I cannot.\n"]
    frame = pairs(
        {"rejected": constant[0]},
        {"chosen": constant[1]},
        {"rejected": constant[2]},
        {"rejected": constant[2], "prompt": "prompt 0", "chosen": "another"},
        {"chosen": "I cannot say."},
    )
    reason = ("constant_response", 3, 2)
    assert dropped(FilterParams(max_prompts_per_response=2), frame) == [
        ("r0", *reason, "rejected"),
        ("r1", *reason, "chosen"),
        ("r2", *reason, "rejected"),
        ("r3", *reason, "rejected"),
    ]
    assert dropped(FilterParams(max_prompts_per_response=3), frame) == []


def test_the_first_rule_broken_is_the_reason(pairs: Frame) -> None:
    frame = pairs({"source": "a", "chosen": "x" * 30}, {"chosen": "x" * 30, "prompt": "y" * 30})
    params = FilterParams(exclude_sources=["a"], max_response_chars=20, max_prompt_chars=20)
    assert [entry[:2] for entry in dropped(params, frame)] == [
        ("r0", "excluded_source"),
        ("r1", "response_too_long"),
    ]


ROW = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["a", "b"]),
        "prompt": st.sampled_from(["p", "pp", "ppp", "q" * 9]),
        "chosen": st.sampled_from(["x", "yy", "Z" * 9, "w"]),
        "rejected": st.sampled_from(["u", "UU", "v" * 9, "t"]),
    }
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROW, max_size=12, unique_by=lambda row: (row["prompt"], row["chosen"], row["rejected"])),
    most=st.integers(1, 3),
    longest=st.sampled_from([5, 9]),
)
def test_conserved_idempotent_and_blind_to_order(
    pairs: Frame, rows: list[dict[str, Any]], most: int, longest: int
) -> None:
    frame = pairs(*rows)
    params = FilterParams(
        max_prompts_per_response=most, exclude_sources=["b"], max_response_chars=longest, max_prompt_chars=8
    )
    kept, ledger = apply_filters(params, frame)
    out = kept["pair_id"].to_list() + ledger.frame()["pair_id"].to_list()
    assert sorted(out) == sorted(frame["pair_id"])
    again, second = apply_filters(params, kept)
    assert again.equals(kept) and second.counts() == {}
    shuffled, other = apply_filters(params, frame.sample(fraction=1, shuffle=True, seed=2))
    assert shuffled.equals(kept) and other.frame().equals(ledger.frame())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_does_not_change_a_byte(pairs: Frame, tmp_path: Path, seed: int) -> None:
    frame = pairs(*({"chosen": f"text {number % 90}"} for number in range(400)))
    params = FilterParams(max_prompts_per_response=4)
    for name, rows in (("a", frame), ("b", frame.sample(fraction=1, shuffle=True, seed=seed))):
        write_table(apply_filters(params, rows)[0], tmp_path / name, PAIRS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
