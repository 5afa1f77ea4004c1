"""Annotations kept: merged by key, written once, turned into lines of the decisions file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.curation.annotations import AUDIT, merge_annotations, read_annotations, record_annotations
from pipeline.curation.decisions import read_decisions
from pipeline.curation.queue_file import PAIRS_FILE
from pipeline.curation.texts_hash import texts_hash
from pipeline.errors import PipelineError
from pipeline.params import CurateParams
from pipeline.schema import ANNOTATIONS, CLUSTERED_PAIRS
from pipeline.tables import write_table

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
    first = record_annotations(new, PARAMS, tmp_path, TEXTS)
    assert (first.written, first.annotations, first.aggregated.decided) == (2, 2, 2)
    files = [tmp_path / AUDIT, tmp_path / PARAMS.decisions]
    before = [path.read_bytes() for path in files]
    again = record_annotations(new.reverse(), PARAMS, tmp_path, TEXTS)
    assert (again.written, [path.read_bytes() for path in files]) == (0, before)
    assert read_annotations(tmp_path).height == 2


def test_a_further_annotator_adds_a_line_that_takes_the_others_place(tmp_path: Path) -> None:
    record_annotations(submitted((PAIR, "a", "rejected", 1)), PARAMS, tmp_path, TEXTS)
    found = record_annotations(submitted((PAIR, "b", "rejected", 2)), PARAMS, tmp_path, TEXTS)
    assert (found.written, found.annotations) == (1, 2)
    lines = read_decisions(tmp_path / PARAMS.decisions)
    assert [(item.action, item.annotators, item.agreement) for item in lines.values()] == [
        ("swap", ["a"], None),
        ("swap", ["a", "b"], 1.0),
    ]


def stored_pairs(root: Path, **texts: str) -> str:
    """Write the pairs that stage dedupe would, the one pair with these texts; their hash."""
    row = {
        **dict.fromkeys(CLUSTERED_PAIRS.columns),
        **dict.fromkeys(("prompt_id", "row_id", "source", "cluster_id"), "x"),
        "pair_id": PAIR,
        "prompt": [{"role": "user", "content": "Hi"}],
        **texts,
    }
    write_table(pl.DataFrame([row], schema=CLUSTERED_PAIRS.schema()), root / PAIRS_FILE, CLUSTERED_PAIRS)
    return texts_hash([{"role": "user", "content": "Hi"}], texts["chosen"], texts["rejected"])


def test_an_earlier_correction_stays_an_edit_whatever_comes_later(tmp_path: Path) -> None:
    texts = {"chosen": "good", "rejected": "bad"}
    corrected = submitted((PAIR, "a", "rejected", 1)).with_columns(
        texts_sha256=pl.lit(stored_pairs(tmp_path, **texts)), correction=pl.lit("best")
    )
    # Nothing is handed over with it: the texts are those of the pairs.
    assert record_annotations(corrected, PARAMS, tmp_path).written == 1
    before = (tmp_path / PARAMS.decisions).read_bytes()
    (edit,) = read_decisions(tmp_path / PARAMS.decisions).values()
    assert (edit.action, edit.chosen, edit.rejected) == ("edit", "best", "good")

    # Another dataset that knows other texts only, and then pairs that have changed or are gone.
    other = record_annotations(submitted((OTHER, "a", "chosen", 2)), PARAMS, tmp_path, TEXTS)
    after = (tmp_path / PARAMS.decisions).read_bytes()
    assert (other.written, other.aggregated.unknown) == (1, [])
    assert after.startswith(before)
    stored_pairs(tmp_path, chosen="better", rejected="bad")
    changed = record_annotations(submitted(), PARAMS, tmp_path)
    assert (changed.written, changed.aggregated.unknown) == (0, [PAIR])
    (tmp_path / PAIRS_FILE).unlink()
    assert record_annotations(submitted(), PARAMS, tmp_path).written == 0
    assert (tmp_path / PARAMS.decisions).read_bytes() == after


def test_nothing_recorded_makes_no_decisions_file(tmp_path: Path) -> None:
    assert read_annotations(tmp_path).height == 0
    assert record_annotations(submitted(), PARAMS, tmp_path, TEXTS).written == 0
    assert not (tmp_path / PARAMS.decisions).exists()


def test_a_decisions_file_that_is_not_valid_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / PARAMS.decisions
    path.parent.mkdir()
    path.write_text("{\n")
    with pytest.raises(PipelineError, match="not JSON"):
        record_annotations(submitted((PAIR, "a", "chosen", 1)), PARAMS, tmp_path)
    assert not (tmp_path / AUDIT).exists() and path.read_text() == "{\n"


def test_annotations_that_break_the_schema_are_refused(tmp_path: Path) -> None:
    wrong = submitted((PAIR, "a", "chosen", 1)).with_columns(choice=pl.lit("C"))
    with pytest.raises(PipelineError, match="choice is known"):
        record_annotations(wrong, PARAMS, tmp_path, TEXTS)
    assert not (tmp_path / AUDIT).exists()
