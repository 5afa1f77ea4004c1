"""The report over what evaluate, benchmark and compare really write, not over what a fixture says they do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.checks import Constraint
from pipeline.evaluation.benchmarks.contamination import contamination
from pipeline.evaluation.benchmarks.ifeval import summarise
from pipeline.evaluation.benchmarks.interface import (
    BenchmarkAnswer,
    BenchmarkPrompt,
    BenchmarkScore,
    ScoringPlace,
)
from pipeline.evaluation.benchmarks.run import run_benchmarks
from pipeline.evaluation.outcomes import compare_outcomes
from pipeline.evaluation.side_by_side import write_comparison
from pipeline.evaluation.statistics import Resampling
from pipeline.evaluation.variant_results import (
    CURVE_SCHEMA,
    VariantResult,
    evaluated_rows,
    training_cost,
    training_curves,
)
from pipeline.files import read_json, write_json
from pipeline.params import Params, ReportParams
from pipeline.report import answers, benchmarks, evaluation, variants, words
from pipeline.report.build import build_report
from pipeline.report.grid import Grid
from pipeline.results import read_scores
from pipeline.schema import GENERATIONS, IFEVAL_VERDICTS, SPLIT_PAIRS
from pipeline.tables import HeldTable, read_table, write_table
from pipeline.tokens.tokenize import tokenize_splits
from stages import evaluate as stage
from tests.conftest import make_model
from tests.report.conftest import make_project, split_pairs

ONE_WORD = Constraint("max_words", {"count": 1}, ()).to_json()
PARAMS = Params.model_validate(
    {
        "tokenize": {"max_length": 1024},
        "evaluate": {
            "max_new_tokens": 6,
            "samples": 2,
            "sample_prompts": 3,
            "score_dtype": "float32",
            "generate_dtype": "float32",
            "models": {"other": "models/other"},
            "intervals": {"resamples": 200},
        },
    }
)


class Fixed:
    """A benchmark whose score is IFEval's of verdicts made up by the answers' lengths."""

    name = "a_benchmark"
    max_new_tokens = 3
    files: Sequence[Path] = ()

    def prompts(self) -> Sequence[BenchmarkPrompt]:
        return [BenchmarkPrompt(text, (text,)) for text in ("a", "b", "c")]

    def score(self, answers: Sequence[BenchmarkAnswer], place: ScoringPlace) -> BenchmarkScore:
        passed = [[len(answer.key) == 1, place.model == "base"] for answer in answers]
        kinds = ["one", "two"]
        rows = [
            (answer.key, answer.turns[0], answer.responses[0], kinds, both, both, all(both), all(both))
            for answer, both in zip(answers, passed, strict=True)
        ]
        return summarise(pl.DataFrame(rows, schema=IFEVAL_VERDICTS.schema(), orient="row"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A project where the evaluation's files are made by the code that makes them in a run."""
    root = tmp_path_factory.mktemp("produced")
    make_project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        _evaluate(tokenizer)
        _benchmark()
        _compare(root)
        build_report(root, ReportParams(), root / "reports")
    return root


def _evaluate(tokenizer: PreTrainedTokenizerFast) -> None:
    for place, name in enumerate(("base", "trained", "other")):
        model = make_model(seed=place)
        with torch.no_grad():
            # The greater this is, the more answers are one word: "aaaaaa".
            model.lm_head.weight[tokenizer.convert_tokens_to_ids("a")] *= 50 * place + 1
        model.save_pretrained(f"models/{name}")
        tokenizer.save_pretrained(f"models/{name}")
    checked = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit(ONE_WORD))
    pairs = split_pairs(8, 200, "test").with_columns(constraint=checked)
    write_table(pairs, Path("data/split/test.parquet"), SPLIT_PAIRS)
    train = split_pairs(2, 0, "train")
    tables = {"train": HeldTable(train), "test": HeldTable(pairs)}
    shutil.rmtree("data/tokenize/train")
    tokenize_splits(tables, tokenizer, PARAMS.tokenize, Path("data/tokenize"))
    stage.main(PARAMS)


def _benchmark() -> None:
    """As stage benchmark, with a benchmark that needs no further package."""
    lists = [{"benchmark": "A-Benchmark", "name": "list.jsonl", "sha256": "0", "items": 26}]
    counts = {"A-Benchmark": {"items": 26, "items_found": 1, "contaminated_pairs": 1}}
    metrics = run_benchmarks(
        [Fixed()],
        {name: Path("models", name) for name in ("base", "trained")},
        PARAMS.benchmarks,
        {"a_benchmark": contamination("a_benchmark", [], lists, counts)},
        Path("data/benchmark"),
        Path("data/benchmark.work"),
    )
    write_json(Path("metrics/benchmark.json"), metrics)


def _compare(root: Path) -> None:
    """Two trained variants, and a model that was loaded and so has no curves."""
    results = []
    for name, model in (("sft", "base"), ("orpo", "trained")):
        curves = training_curves(root, name)
        rows = evaluated_rows(root, model, name)
        cost = training_cost(root, curves)
        results.append(VariantResult(name, "test", *rows, curves, settings={"train.lr": 0.5}, cost=cost))
    loaded = evaluated_rows(root, "other", "published")
    results.append(VariantResult("published", "test", *loaded, CURVE_SCHEMA.to_frame(), model="models/other"))
    write_comparison(root / "data/compare", results, Resampling(200, 0))


def texts(grid: Grid) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in grid.rows}


def shown(project: Path) -> str:
    """The words of the page."""
    html = (project / "reports/report.html").read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index('<section id="evaluation">') :]).split())


def test_every_model_has_its_metrics_intervals_and_differences(project: Path) -> None:
    values = read_json(project / "metrics/evaluate.json")
    grid = evaluation.evaluation_grid(values)
    labels = ["Metric", "base", "trained", "other", "Trained less base", "Other less base"]
    assert [head.label for head in grid.columns] == labels
    assert [row[0].text for row in grid.rows] == list(evaluation.LABELS.values())
    for row, metric in zip(grid.rows, evaluation.LABELS, strict=True):
        for cell, model in zip(row[1:4], ("base", "trained", "other"), strict=True):
            assert cell.sort == values[model][metric] and bool(cell.note) == (metric[:1] != "p")
        for cell, versus in zip(row[4:], ("trained_vs_base", "other_vs_base"), strict=True):
            found = values["comparison"][versus].get(metric, {})
            assert cell.sort == found.get("difference") and ("p = " in cell.note or "p <" in cell.note) == (
                "p_value" in found
            )
    longer = values["length_baseline"]["choose_longer"]
    assert f"right for {words.share(longer)} of the pairs" in shown(project)
    assert read_scores(project).outcomes["trained_vs_base"].keys() == {"win", "tie", "loss"}


def test_outcomes_are_those_of_the_answers(project: Path) -> None:
    generations = read_table(project / "data/evaluate/generations.parquet", GENERATIONS)
    counted = compare_outcomes(generations)
    found = answers.outcomes(read_json(project / "metrics/evaluate.json"))
    both = ["trained_vs_base", "other_vs_base"]
    assert [(one.versus, one.won, one.tied, one.lost) for one in found if "base" in one.versus] == [
        (words.title(name), *(counted[name]["outcomes"][kind] for kind in ("win", "tie", "loss")))
        for name in both
    ]
    assert all(one.won + one.tied + one.lost == 4 and one.p_value for one in found)
    assert f"{found[0].won} won, {found[0].tied} tied, {found[0].lost} lost of 4; p" in shown(project)


def test_lengths_and_success_of_greedy_and_sampled_answers(project: Path) -> None:
    values = read_json(project / "metrics/evaluate.json")
    generations = read_table(project / "data/evaluate/generations.parquet", GENERATIONS)
    grid = answers.answer_grid(values)
    assert grid is not None
    rows = texts(grid)
    assert list(rows) == [
        f"{model}, {decoding}" for model in ("base", "trained", "other") for decoding in ("greedy", "sampled")
    ]
    for name, cells in rows.items():
        model, decoding = name.split(", ")
        own = generations.filter(model=model, decoding=decoding)
        assert cells[0] == str(own.height) == {"greedy": "8", "sampled": "6"}[decoding]
        passed = own["success"].drop_nulls().to_list()
        assert cells[1] == words.share(passed.count(True) / len(passed))
        assert cells[2] == words.number(sum(own["tokens"].to_list()) / own.height, 1)
        assert cells[4] == words.share(own["finished"].to_list().count(True) / own.height)
    assert " ".join(rows["base, sampled"][:2]) in shown(project)


def test_diversity_names_its_method_and_which_way_it_runs(project: Path) -> None:
    values = read_json(project / "metrics/evaluate.json")
    found = answers.diversity(values)
    assert found is not None and found.method == "word n-grams, 1 to 3"
    keys = ("per_input", "across_input", "across_input_greedy")
    for model, cells in texts(found.grid).items():
        measured = values[model]["generation"]["diversity"]
        assert cells == [words.number(measured[key]) for key in keys]
    assert "(word n-grams, 1 to 3), as in section 6.4 of arXiv 2403.07691: higher is less" in shown(project)


def test_benchmarks_with_contamination_and_details(project: Path) -> None:
    (found,) = benchmarks.benchmark_tables(read_json(project / "metrics/benchmark.json"), {})
    assert found.clean and found.contamination == (
        "1 of its 26 items were found in the data, and the 1 pairs that hold them were dropped."
    )
    scores = texts(found.grid)
    # Of two instructions base follows both, trained the first.
    assert scores["prompt level strict acc"] == ["1.000", "0.000"]
    assert scores["inst level strict acc"] == ["1.000", "0.500"]
    assert scores["average"] == ["1.000", "0.250"]
    details = texts(found.details)
    assert details["prompts"] == ["3", "3"] and details["instructions"] == ["6", "6"]
    assert details["by instruction.two.strict"] == ["1", "0"]
    assert found.contamination in shown(project)


def test_variants_stand_side_by_side_with_their_curves(project: Path) -> None:
    comparison = variants.read_comparison(project / "data/compare")
    assert comparison is not None
    values = read_json(project / "metrics/evaluate.json")
    rows = texts(variants.variant_grid(comparison))
    own = {"sft": "base", "orpo": "trained", "published": "other"}
    assert [cells[0] for cells in rows.values()] == [
        words.share(values[own[name]]["accuracy"]) for name in rows
    ]
    charts = variants.variant_charts(comparison.curves)
    assert [chart.title for chart in charts] == ["Log-probability under sft", "Log-probability under orpo"]
    html = (project / "reports/report.html").read_text(encoding="utf-8")
    side_by_side = html[html.index("<h3>Variants</h3>") : html.index('<section id="training">')]
    assert side_by_side.count("<svg") == 2
    for chart in charts:
        assert side_by_side.count(f'aria-label="{chart.title}"') == 1
