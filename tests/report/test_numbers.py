"""The numbers behind the page's new sections, derived by hand, and the same numbers as JSON."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.files import read_json, write_text
from pipeline.report import (
    answers,
    benchmarks,
    duplicates,
    evaluation,
    examples,
    lineage,
    token_stats,
    variants,
)
from pipeline.report.artifacts import read_artifacts
from pipeline.report.distributions import read_distributions
from pipeline.report.document import report_document
from pipeline.report.grid import Grid
from pipeline.runs import read_runs


def texts(grid: Grid) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in grid.rows}


def test_distributions_before_and_after_each_stage(made: Path) -> None:
    stages = {stage.stage: stage for stage in read_distributions(made)}
    assert list(stages) == ["pull", "binarize", "filter", "decontaminate", "dedupe", "curate", "split"]
    assert stages["pull"].kept["score"].quantiles == (4.0,) * 5  # twelve completions, all scored 4
    assert stages["binarize"].kept["margin"].count == 152 and stages["binarize"].dropped == {}
    # pair 4: 10 less 4; its prompt is "Tell me about honey in one paragraph, number 4."
    gone = stages["decontaminate"].dropped
    assert (gone["margin"].count, gone["margin"].mean) == (1, 6.0)
    assert gone["prompt_chars"].quantiles == (47.0,) * 5
    assert gone["score"].count == 2 and gone["score"].mean == 7.0
    assert stages["dedupe"].dropped["margin"].count == 2 and stages["curate"].dropped == {}


def test_a_table_of_another_form_names_its_file(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "data", tmp_path / "data")
    pl.DataFrame({"pair_id": ["a"]}).write_parquet(tmp_path / "data/filter/pairs.parquet")
    with pytest.raises(PipelineError, match=r"lacks a column \(file .*filter/pairs.parquet"):
        read_distributions(tmp_path)


def test_evaluation_with_intervals_and_differences(full: Path) -> None:
    values = read_json(full / "metrics/evaluate.json")
    assert evaluation.model_names({"x": {}, "trained": {}, "base": {}, "comparison": {}}) == [
        "base",
        "trained",
        "x",
    ]
    grid = evaluation.evaluation_grid(values)
    assert [head.label for head in grid.columns] == [
        "Metric",
        "base",
        "trained",
        "published",
        "Trained less base",
    ]
    rows = {row[0].text: row for row in grid.rows}
    accuracy, nll = rows["Preference accuracy"], rows["Chosen NLL"]
    assert (accuracy[1].text, accuracy[1].note) == ("50.0%", "41.0% to 59.0%")
    assert (accuracy[4].text, accuracy[4].note) == ("+30.0 points", "+20.0 to +40.0, p < 0.001")
    assert accuracy[4].tone == "better"
    assert (nll[4].text, nll[4].tone) == ("-0.627", "")  # p = 0.21: may be chance
    assert (
        evaluation.verdict(-0.1, "chosen_nll") == "better" and evaluation.verdict(-0.1, "rejected_nll") == ""
    )
    assert answers.outcomes(values) == [answers.Outcome("trained vs base", 11, 6, 3, "p = 0.057")]
    assert "62.0% of the pairs, choosing the shorter one for 38.0%" in evaluation.length_baseline(values)


def test_evaluation_without_the_newer_keys(made: Path) -> None:
    values = read_json(made / "metrics/evaluate.json")
    assert texts(evaluation.evaluation_grid(values))["Preference accuracy"] == ["50.0%", "80.0%"]
    assert answers.outcomes(values) == [] and evaluation.length_baseline(values) == ""


def test_benchmarks_say_what_is_known_of_contamination(full: Path) -> None:
    found = benchmarks.benchmark_tables(read_json(full / "metrics/benchmark.json"), {})
    assert [(table.name, table.clean) for table in found] == [("ifeval", True), ("mt_bench", False)]
    assert texts(found[0].grid) == {"prompt strict": ["0.299", "0.299"]}
    assert texts(found[0].details) == {"prompts": ["541", "541"], "judge": ["a-judge", "a-judge"]}
    assert found[1].contamination == benchmarks.NOT_CHECKED
    clean = {"items": 80, "items_found": 0, "contaminated_pairs": 0}
    assert benchmarks.contamination_words(clean) == ("No training pair holds any of its 80 items.", True)


def test_variants(full: Path, tmp_path: Path) -> None:
    comparison = variants.read_comparison(full / "data/compare")
    assert comparison is not None
    rows = texts(variants.variant_grid(comparison))
    assert rows["orpo"] == ["70.0%", "1.400", "+10.0 points", "13 min 32 s", "5.0 GiB", "310"]
    assert rows["base"][-1] == "–"
    assert [chart.title for chart in variants.variant_charts(comparison.curves)] == [
        "Log-probability under sft",
        "Log-probability under orpo",
    ]
    assert variants.read_comparison(tmp_path) is None
    write_text(tmp_path / "summary.json", '{"against": "a"}')
    with pytest.raises(PipelineError, match="variants"):
        variants.read_comparison(tmp_path)


def test_token_lengths_are_those_of_the_longer_response(made: Path, tmp_path: Path) -> None:
    lengths, longest = token_stats.read_lengths(made / "data/tokenize", "train")
    assert (lengths.tolist(), longest) == ([9, 12, 15], 64)
    shutil.copytree(made / "data/tokenize", tmp_path / "t")
    (tmp_path / "t/train/shard-00000.arrow").write_bytes(b"not Arrow")
    with pytest.raises(PipelineError, match="token shard cannot be read"):
        token_stats.read_lengths(tmp_path / "t", "train")


def test_words_that_differ_are_marked_and_escaped() -> None:
    left, right = duplicates.marked_differences("Say <b> now.", "Say <b> today please.")
    assert left == "Say &lt;b&gt; <mark>now</mark>."
    assert right == "Say &lt;b&gt; <mark>today please</mark>."


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_marking_changes_no_word(left: str, right: str) -> None:
    for text, marked in zip((left, right), duplicates.marked_differences(left, right), strict=True):
        assert marked.replace("<mark>", "").replace("</mark>", "").unescape() == text


def test_extreme_pairs_are_the_ends() -> None:
    rows = [
        {"pair_id": f"p{index}", "model": "trained", "log_odds_margin": float(index)} for index in range(9)
    ]
    frame = pl.DataFrame([*rows, {"pair_id": "p0", "model": "base", "log_odds_margin": 99.0}])
    found = examples.extreme_pairs(frame)
    assert found.filter(~pl.col("best"))["pair_id"].to_list() == ["p0", "p1", "p2", "p3"]
    assert found.filter("best")["pair_id"].to_list() == ["p8", "p7", "p6", "p5"]
    assert examples.extreme_pairs(frame.head(1)).height == 0


def test_lock_commit_and_runs(full: Path, tmp_path: Path) -> None:
    write_text(
        tmp_path / "dvc.lock",
        "stages:\n  pull:\n    cmd: x\n    outs:\n    - path: data/pull\n      md5: ab.dir\n      size: 7\n",
    )
    assert lineage.read_lock(tmp_path / "dvc.lock") == [lineage.Output("pull", "data/pull", "ab.dir", 7)]
    for broken in ("", "- a", "stages: 3"):
        write_text(tmp_path / "dvc.lock", broken)
        assert lineage.read_lock(tmp_path / "dvc.lock") == []
    assert lineage.read_commit(tmp_path) == lineage.Commit(None, [])
    grid = lineage.run_grid(read_runs(full / "data/runs"), ["pull", "train"])
    assert texts(grid)["train"][:2] == ["3 min 41 s", "3.0 GiB"]
    assert [row[0].text for row in grid.rows] == ["pull", "train"] and texts(grid)["pull"][1] == "–"


def test_the_numbers_as_json(full: Path) -> None:
    document: dict[str, Any] = json.loads(json.dumps(report_document(read_artifacts(full)), allow_nan=False))
    assert document["version"] == 1
    assert document["funnel"]["dedupe"]["dropped"] == {"leaked": 1, "near_duplicate": 1}
    assert document["distributions"]["decontaminate"]["dropped"]["margin"]["mean"] == 6.0
    assert document["evaluation"] == read_json(full / "metrics/evaluate.json")
    assert document["benchmarks"] == read_json(full / "metrics/benchmark.json")
    assert document["variants"] == read_json(full / "data/compare/summary.json")
    assert document["turned"] == {"right": 16, "wrong": 4}
    assert len(document["slices"]) == 9 and document["lineage"]["runs"]["train"]["seconds"] == 221.4
    assert document["training"]["curves"]["validation/accuracy"] == {
        "steps": [29, 59],
        "values": [0.61, 0.72],
    }


def test_a_diverged_run_is_null_in_json(full: Path, tmp_path: Path) -> None:
    shutil.copytree(full, tmp_path / "p")
    write_text(tmp_path / "p/metrics/train/plots/metrics/loss.tsv", "step\tloss\n0\t1.5\n1\tnan\n")
    document = report_document(read_artifacts(tmp_path / "p"))
    assert document["training"]["curves"]["loss"]["values"] == [1.5, None]
