"""The run over benchmarks and models, contamination beside each score, and the stage."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks import run as running
from pipeline.evaluation.benchmarks.contamination import contamination
from pipeline.evaluation.benchmarks.interface import (
    Benchmark,
    BenchmarkAnswer,
    BenchmarkPrompt,
    BenchmarkScore,
    Interval,
    ScoringPlace,
)
from pipeline.evaluation.benchmarks.run import chosen_models, run_benchmarks
from pipeline.files import read_json, sha256_file
from pipeline.params import BenchmarksParams, load_params
from pipeline.schema import PAIRS
from pipeline.tables import write_table
from stages import benchmark as stage

PARAMS = BenchmarksParams(batch_prompts=2, dtype="float32")
NOT_CHECKED = {"status": "not_checked"}


class Lengths:
    """Scores the mean length of the answers; fails on demand."""

    name = "lengths"
    max_new_tokens = 3
    files: Sequence[Path] = ()

    def __init__(self, texts: Sequence[str], broken: bool = False) -> None:
        self._prompts = [BenchmarkPrompt(text, (text,)) for text in texts] + [
            BenchmarkPrompt("2", ("p", "q"))
        ]
        self._broken = broken

    def prompts(self) -> Sequence[BenchmarkPrompt]:
        return self._prompts

    def score(self, answers: Sequence[BenchmarkAnswer], place: ScoringPlace) -> BenchmarkScore:
        assert [answer.key for answer in answers] == [prompt.key for prompt in self._prompts]
        (place.work / "judged").write_text(place.model)
        if self._broken:
            raise PipelineError("The judge broke off")
        (place.folder / "own").write_text(place.model)
        tokens = [sum(answer.tokens) for answer in answers]
        mean = sum(tokens) / len(tokens)
        return BenchmarkScore({"length": mean}, {"length": Interval(0.0, 9.0)}, {"prompts": len(tokens)})


def run_in(tmp_path: Path, model: Path, benchmark: Benchmark, folder: str) -> dict[str, Any]:
    return run_benchmarks(
        [benchmark],
        {"base": model, "trained": model},
        PARAMS,
        {"lengths": NOT_CHECKED},
        tmp_path / folder,
        tmp_path / "work",
    )


def test_scores_files_and_words(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = run_in(tmp_path, model_folder, Lengths(["a", "b", "c"]), "out")
    rows = [
        json.loads(line) for line in (tmp_path / "out/lengths/base/answers.jsonl").read_text().splitlines()
    ]
    mean = sum(sum(row["tokens"]) for row in rows) / 4
    score = {"length": mean, "intervals": {"length": {"low": 0.0, "high": 9.0}}, "counts": {"prompts": 4}}
    assert metrics == {"lengths": {"contamination": NOT_CHECKED, "base": score, "trained": score}}
    assert {"key", "prompt", "response", "tokens", "finished"} == set(rows[0])
    assert {"key", "turns", "responses", "tokens", "finished"} == set(rows[3])
    assert (tmp_path / "out/lengths/trained/own").read_text() == "trained"
    assert f"lengths (base)\n  length  {mean:.4f}  (95%: 0.0000 to 9.0000)\n  4 prompts\n" in (
        said := capsys.readouterr().out
    )
    assert said.count("training data not checked for this benchmark's prompts") == 2


def test_a_run_that_broke_off_is_gone_on_from_without_loading_a_model(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PipelineError, match="broke off"):
        run_in(tmp_path, model_folder, Lengths(["a"], broken=True), "first")
    assert (tmp_path / "work/lengths/base/judged").read_text() == "base"

    def refuse(*_: Any) -> Any:
        raise AssertionError("loaded a model")

    monkeypatch.setattr(running, "load_model", refuse)
    assert (
        run_in(tmp_path, model_folder, Lengths(["a"]), "second")["lengths"]["base"]["counts"]["prompts"] == 2
    )
    with pytest.raises(AssertionError, match="loaded a model"):
        run_in(tmp_path, model_folder, Lengths(["a", "new"]), "third")


def test_models_are_chosen_by_name() -> None:
    models = {"base": Path("b"), "trained": Path("t")}
    assert chosen_models(models, BenchmarksParams()) == models
    assert chosen_models(models, BenchmarksParams(models=["trained"])) == {"trained": Path("t")}
    with pytest.raises(PipelineError, match=r"benchmarks\.models.*Found: other\. Expected: some of base, tr"):
        chosen_models(models, BenchmarksParams(models=["base", "other"]))


def listed(name: str, sha256: str) -> dict[str, Any]:
    return {"benchmark": name, "name": "file.jsonl", "sha256": sha256, "items": 3}


def counted(found: int, pairs: int) -> dict[str, int]:
    return {"items": 3, "items_found": found, "contaminated_pairs": pairs}


def test_contamination_is_known_by_file_then_by_name(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text("prompts")
    lists = [listed("IF-Eval", "other"), listed("mine", sha256_file(file))]
    counts = {"IF-Eval": counted(0, 0), "mine": counted(2, 5)}
    by_file = contamination("ifeval", [file], lists, counts)
    assert by_file == {
        "status": "decontaminated",
        "list": "mine",
        "recognised_by": "file",
        "items": 3,
        "items_found": 2,
        "dropped_pairs": 5,
    }
    by_name = contamination("ifeval", [file], lists[:1], counts)
    assert (by_name["list"], by_name["recognised_by"], by_name["dropped_pairs"]) == ("IF-Eval", "name", 0)
    assert contamination("alpacaeval", [], lists, counts) == NOT_CHECKED


@pytest.fixture
def project(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stage benchmark reads: two models, and the decontaminated pairs with their lineage."""
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    for name in ("base", "trained"):
        Path("models", name).symlink_to(model_folder)
    prompt = {
        "key": 1,
        "prompt": "No comma.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    }
    Path("prompts.jsonl").write_text(json.dumps(prompt) + "\n")
    Path("metrics").mkdir()
    counts = {"mine": {"items": 1, "items_found": 1, "contaminated_pairs": 4}}
    Path("metrics/decontaminate.json").write_text(json.dumps({"benchmarks": counts}))
    lists = [listed("mine", sha256_file(Path("prompts.jsonl")))]
    write_table(PAIRS.empty(), Path("data/decontaminate/pairs.parquet"), PAIRS, {"benchmarks": lists})
    return tmp_path


def set_benchmarks(**section: Any) -> None:
    Path("params.yaml").write_text(yaml.safe_dump({"benchmarks": section}))


def test_without_a_benchmark_the_stage_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_benchmarks()
    stage.main(load_params())
    assert "no benchmark is enabled" in capsys.readouterr().out
    assert read_json(Path("metrics/benchmark.json")) == read_json(Path("data/benchmark/scores.json")) == {}


@pytest.mark.skipif(
    importlib.util.find_spec("if_verifiable") is None, reason="the extra ifeval is not installed"
)
def test_the_stage_scores_ifeval(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_benchmarks(models=["trained"], ifeval={"enabled": True, "path": "prompts.jsonl", "max_new_tokens": 4})
    stage.main(load_params())
    metrics = read_json(Path("metrics/benchmark.json"))
    assert set(metrics) == {"ifeval"} and set(metrics["ifeval"]) == {"contamination", "trained"}
    answer = json.loads(Path("data/benchmark/ifeval/trained/answers.jsonl").read_text())
    followed = float("," not in answer["response"] and bool(answer["response"].strip()))
    assert metrics["ifeval"]["trained"]["prompt_level_strict_acc"] == followed
    assert metrics["ifeval"]["contamination"]["dropped_pairs"] == 4
    said = capsys.readouterr().out
    assert "pairs dropped for its prompts: 4, prompts found: 1 of 1 (list mine, known by its file)" in said
