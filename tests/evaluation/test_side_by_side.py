"""Variants side by side: what is written, on which pairs, and how it is shown."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from pipeline.errors import PipelineError
from pipeline.evaluation.side_by_side import write_comparison
from pipeline.evaluation.side_by_side_figure import _panel, write_curves
from pipeline.evaluation.side_by_side_table import comparison_table
from pipeline.evaluation.statistics import Resampling
from pipeline.evaluation.variant_results import (
    CURVE_SCHEMA,
    VariantResult,
    evaluated_rows,
    training_cost,
    training_curves,
)
from pipeline.files import read_json, write_json
from pipeline.schema import EVALUATED_PAIRS, GENERATIONS
from pipeline.tables import read_table, write_table

DRAWS = Resampling(500, 0)


def result(name: str, margins: dict[str, float], passed: dict[str, bool] | None = None) -> VariantResult:
    """A variant with these log odds margins by pair, each of a prompt of its own, and checked answers."""
    pairs = []
    for pair_id, margin in margins.items():
        row: dict[str, Any] = {column: 1 for column in EVALUATED_PAIRS.columns}
        row |= {"pair_id": pair_id, "model": name, "prompt_id": f"of {pair_id}", "source": "s"}
        row |= {"log_odds_margin": margin, "correct": margin > 0, "chosen_logp": -2.0, "rejected_logp": -3.0}
        row |= {"odds_ratio_term": 0.5, "margin": 1.0, "chosen_model": "a", "rejected_model": "b"}
        pairs.append({column: row[column] for column in EVALUATED_PAIRS.columns})
    answers = []
    for prompt_id, success in (passed or {}).items():
        answer: dict[str, Any] = dict.fromkeys(GENERATIONS.columns) | {"decoding": "greedy", "sample": 0}
        answer |= {"prompt_id": prompt_id, "model": name, "prompt": [{"role": "user", "content": "?"}]}
        answers.append(answer | {"response": "!", "tokens": 1, "finished": True, "success": success})
    curve = [(name, "chosen_logp", 0, -2.0), (name, "chosen_logp", 1, -1.5), (name, "loss", 1, 0.5)]
    return VariantResult(
        name,
        "test",
        pl.DataFrame(pairs, schema=EVALUATED_PAIRS.schema()),
        pl.DataFrame(answers, schema=GENERATIONS.schema()),
        pl.DataFrame(curve, schema=CURVE_SCHEMA, orient="row"),
        settings={"train.objective": name},
    )


FIRST = result("sft", {"a": 1.0, "b": -1.0, "c": 2.0, "d": -0.5, "x": 9.0}, {"p": True, "q": False})
SECOND = result("orpo", {"d": 1.5, "c": 3.0, "b": 1.0, "a": 2.0}, {"p": True, "q": True})


def test_metrics_and_differences_by_hand_on_the_pairs_all_have(tmp_path: Path) -> None:
    summary = write_comparison(tmp_path / "compare", [FIRST, SECOND], DRAWS)
    assert summary == read_json(tmp_path / "compare/summary.json")
    assert (summary["split"], summary["pairs"], summary["prompts"], summary["against"]) == (
        "test",
        4,
        4,
        "sft",
    )
    sft, orpo = summary["variants"]
    assert sft["set"] == {"train.objective": "sft"} and sft["difference"] == {}
    assert sft["metrics"]["accuracy"]["value"] == 0.5 and orpo["metrics"]["accuracy"]["value"] == 1.0
    assert sft["metrics"]["log_odds_margin"]["value"] == 1.5 / 4
    assert orpo["metrics"]["chosen_nll"]["value"] == 2.0
    assert orpo["metrics"]["instruction_success"]["value"] == 1.0
    for metric in orpo["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    # Margins rise by 1, 2, 1 and 2; of 16 sign flips two are as far out.
    change = orpo["difference"]["log_odds_margin"]
    assert change["difference"] == 1.5 and change["p_value"] == 2 / 16
    assert 1.0 <= change["low"] <= 1.5 <= change["high"] <= 2.0
    # Two pairs and one answer turn right.
    assert orpo["difference"]["accuracy"]["difference"] == 0.5
    assert orpo["difference"]["accuracy"]["p_value"] == 0.5
    assert orpo["difference"]["instruction_success"]["difference"] == 0.5
    pairs = read_table(tmp_path / "compare/pairs.parquet", EVALUATED_PAIRS)
    assert pairs["model"].to_list() == ["sft"] * 4 + ["orpo"] * 4
    assert pairs["pair_id"].to_list() == ["a", "b", "c", "d"] * 2
    curves = pl.read_parquet(tmp_path / "compare/curves.parquet")
    assert curves.schema == CURVE_SCHEMA and curves["variant"].to_list() == ["sft"] * 3 + ["orpo"] * 3


def test_variants_without_a_pair_in_common(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no held-out pair in common"):
        write_comparison(tmp_path / "compare", [FIRST, result("far", {"z": 1.0})], DRAWS)
    assert not (tmp_path / "compare").exists()


def test_a_single_prompt_has_no_interval(tmp_path: Path) -> None:
    [only] = write_comparison(tmp_path / "one", [result("sft", {"a": 1.0})], DRAWS)["variants"]
    assert only["metrics"]["log_odds_margin"] == {"value": 1.0, "low": None, "high": None}
    assert "instruction_success" not in only["metrics"]


def test_the_table_shows_every_variant_and_marks_what_differs(tmp_path: Path) -> None:
    many = {f"{place:02}": float(place % 3) for place in range(30)}
    better = {pair_id: margin + 1.0 for pair_id, margin in many.items()}
    results = [result("sft", many), result("orpo", better)]
    summary = write_comparison(tmp_path / "compare", results, DRAWS)
    summary["variants"][1]["cost"]["train_seconds"] = 1234.4
    shown = io.StringIO()
    Console(file=shown, width=100).print(comparison_table(summary))
    lines = {line.partition("  ")[0].strip(): line.split() for line in shown.getvalue().splitlines()}
    assert lines["log odds margin"][-2:] == ["1.000", "2.000*"]
    assert lines["training, seconds"][-2:] == ["–", "1,234"]
    assert "tokens per second" not in lines and "30 pairs; * differs from sft" in shown.getvalue()


def test_the_figure_has_a_panel_for_each_trained_variant(tmp_path: Path) -> None:
    steps = range(40)
    trained = [
        replace(
            result(name, {"a": 1.0}),
            curves=pl.DataFrame(
                [
                    (name, side, step, -step / 10)
                    for side in ("chosen_logp", "rejected_logp")
                    for step in steps
                ],
                schema=CURVE_SCHEMA,
                orient="row",
            ),
            epochs=2,
        )
        for name in ("sft", "orpo")
    ]
    untrained = replace(result("base", {"a": 1.0}), curves=CURVE_SCHEMA.to_frame())
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        assert write_curves(path, [*trained, untrained])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    texts = [element.text for element in ElementTree.parse(paths[0]).iter("{http://www.w3.org/2000/svg}text")]
    assert {"sft", "orpo", "chosen", "rejected", "step"} <= set(texts) and "base" not in texts
    assert not write_curves(tmp_path / "none.svg", [untrained])
    assert not (tmp_path / "none.svg").exists()


def test_the_mean_runs_over_an_epoch(tmp_path: Path) -> None:
    """Two pairs of unlike likelihood, in turns, four times: the mean of each two steps is the same."""
    rows = [("sft", "chosen_logp", step, -1.0 - 2.0 * (step % 2)) for step in range(8)]
    curves = pl.DataFrame(rows, schema=CURVE_SCHEMA, orient="row")
    panel = Figure().subplots()
    _panel(panel, replace(result("sft", {"a": 1.0}), curves=curves, epochs=4))
    mean = np.asarray(panel.lines[1].get_ydata(), dtype=float)
    assert mean[~np.isnan(mean)].tolist() == [-2.0] * 7


def test_a_variant_is_read_from_what_the_stages_wrote(tmp_path: Path) -> None:
    both = pl.concat([FIRST.pairs, SECOND.pairs])
    write_table(both, tmp_path / "data/evaluate/pairs.parquet", EVALUATED_PAIRS)
    write_table(FIRST.answers, tmp_path / "data/evaluate/generations.parquet", GENERATIONS)
    pairs, answers = evaluated_rows(tmp_path, "sft", "renamed")
    assert set(pairs["model"]) == set(answers["model"]) == {"renamed"}
    assert pairs["pair_id"].to_list() == ["a", "b", "c", "d", "x"]
    folder = tmp_path / "metrics/train/plots/metrics"
    (folder / "validation").mkdir(parents=True)
    (folder / "loss.tsv").write_text("step\tloss\n1\t0.5\n2\t0.25\n")
    (folder / "validation/loss.tsv").write_text("step\tloss\n2\t0.75\n")
    (folder / "tokens_per_second.tsv").write_text("step\ttokens_per_second\n1\t10\n2\t30\n3\t20\n")
    curves = training_curves(tmp_path, "v")
    assert curves.filter(pl.col("metric").str.contains("loss")).rows() == [
        ("v", "loss", 1, 0.5),
        ("v", "loss", 2, 0.25),
        ("v", "validation/loss", 2, 0.75),
    ]
    assert set(training_cost(tmp_path, curves).values()) == {None, 20.0, 2}
    write_json(tmp_path / "data/runs/train.json", {"seconds": 8.5, "peak_memory_bytes": 7})
    write_json(tmp_path / "data/runs/reference.json", {"seconds": 1.5, "peak_memory_bytes": 9})
    assert training_cost(tmp_path, curves) == {
        "train_seconds": 8.5,
        "reference_seconds": 1.5,
        "peak_memory_bytes": 7,
        "tokens_per_second": 20.0,
        "steps": 2,
    }
