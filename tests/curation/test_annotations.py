"""Annotations kept: merged by key, written once, turned into lines of the decisions file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.annotations import AUDIT, merge_annotations, read_annotations, record_annotations
from pipeline.curation.decisions import read_decisions
from pipeline.errors import PipelineError
from pipeline.params import CurateParams
from pipeline.schema import ANNOTATIONS

PAIR, OTHER, HASH = "0" * 16, "1" * 16, "0" * 64
TEXTS = pl.DataFrame(
    {
        "pair_id": [PAIR, OTHER],
        "texts_sha256": [HASH, HASH],
        "chosen": ["good", "good"],
        "rejected": ["bad", "bad"],
    }
)
PARAMS = CurateParams()


def submitted(*rows: tuple[str, str, str, int]) -> pl.DataFrame:
    """Submitted ones: pair, annotator, preferred, day; chosen stands as A."""
    choices = {"chosen": "A", "rejected": "B", "tie": "tie"}
    made: list[dict[str, Any]] = [
        {
            "pair_id": pair_id,
            "texts_sha256": HASH,
            "annotator": annotator,
            "status": "submitted",
            "choice": choices[preferred],
            "preferred": preferred,
            "when": datetime(2025, 1, day, tzinfo=UTC),
            "where": "dataset",
        }
        for pair_id, annotator, preferred, day in rows
    ]
    return pl.DataFrame(made, schema=ANNOTATIONS.schema())


def test_the_later_of_two_with_one_key_stays_and_of_equally_late_ones_the_new() -> None:
    earlier = submitted((PAIR, "a", "chosen", 2), (PAIR, "b", "chosen", 2), (PAIR, "c", "chosen", 2))
    new = submitted(
        (PAIR, "d", "tie", 1), (PAIR, "a", "tie", 1), (PAIR, "b", "tie", 2), (PAIR, "c", "tie", 3)
    )
    merged = merge_annotations(earlier, new)
    assert merged.select("annotator", "preferred").rows() == [
        ("a", "chosen"),
        ("b", "tie"),
        ("c", "tie"),
        ("d", "tie"),
    ]


def test_recording_writes_the_audit_and_the_lines_once(tmp_path: Path) -> None:
    new = submitted((PAIR, "a", "rejected", 1), (OTHER, "a", "chosen", 1))
    first = record_annotations(new, TEXTS, PARAMS, tmp_path)
    assert (first.written, first.annotations, first.aggregated.decided) == (2, 2, 2)
    files = [tmp_path / AUDIT, tmp_path / PARAMS.decisions]
    before = [path.read_bytes() for path in files]
    again = record_annotations(new.reverse(), TEXTS, PARAMS, tmp_path)
    assert (again.written, [path.read_bytes() for path in files]) == (0, before)
    assert read_annotations(tmp_path).height == 2


def test_a_further_annotator_adds_a_line_that_takes_the_others_place(tmp_path: Path) -> None:
    record_annotations(submitted((PAIR, "a", "rejected", 1)), TEXTS, PARAMS, tmp_path)
    found = record_annotations(submitted((PAIR, "b", "rejected", 2)), TEXTS, PARAMS, tmp_path)
    assert (found.written, found.annotations) == (1, 2)
    lines = read_decisions(tmp_path / PARAMS.decisions)
    assert [(item.action, item.annotators, item.agreement) for item in lines.values()] == [
        ("swap", ["a"], None),
        ("swap", ["a", "b"], 1.0),
    ]


def test_nothing_recorded_makes_no_decisions_file(tmp_path: Path) -> None:
    assert read_annotations(tmp_path).height == 0
    assert record_annotations(submitted(), TEXTS, PARAMS, tmp_path).written == 0
    assert not (tmp_path / PARAMS.decisions).exists()


def test_annotations_that_break_the_schema_are_refused(tmp_path: Path) -> None:
    wrong = submitted((PAIR, "a", "chosen", 1)).with_columns(choice=pl.lit("C"))
    with pytest.raises(PipelineError, match="choice is known"):
        record_annotations(wrong, TEXTS, PARAMS, tmp_path)
    assert not (tmp_path / AUDIT).exists()
