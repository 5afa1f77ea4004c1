"""The model half, stage by stage in a folder of its own with a tiny model, and how it fails."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import PipelineError
from pipeline.files import read_json, sha256_file
from pipeline.params import load_params
from pipeline.results import read_scores
from pipeline.schema import (
    EVALUATED_PAIRS,
    EVALUATED_SLICES,
    FLIPPED_PAIRS,
    GENERATIONS,
    LEDGER,
    REFERENCE_LOGPS,
    SPLIT_PAIRS,
)
from pipeline.tables import read_lineage, read_table
from pipeline.tokens.shards import ShardSet
from stages import (
    binarize,
    curate,
    decontaminate,
    dedupe,
    evaluate,
    filter,
    pull,
    pull_model,
    reference,
    report,
    split,
    tokenize,
    train,
)

ROOT = Path(__file__).parents[2]
REAL = ROOT / "../shared/data"
DATA = (pull, pull_model, binarize, filter, decontaminate, dedupe, curate, split)
MODEL = (tokenize, reference, train, evaluate, report)
BENCHMARK = ROOT / "pipeline/sources/sample_benchmark.jsonl"


def set_params(model_folder: Path, **changes: dict[str, Any]) -> None:
    sections: dict[str, Any] = {
        "source": {"kind": "sample", "sample": {"rows": 60}},
        "decontaminate": {"benchmarks": [{"name": "sample_benchmark", "path": str(BENCHMARK)}]},
        "model": {"source": "path", "path": str(model_folder)},
        "train": {"epochs": 2, "lr": 1e-3, "dtype": "float32", "checkpoint_every": 2},
        "evaluate": {"max_new_tokens": 4, "max_prompts": 4},
    }
    for name, values in changes.items():
        sections[name] = {**sections.get(name, {}), **values}
    Path("params.yaml").write_text(yaml.safe_dump(sections))


@pytest.fixture
def project(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    set_params(model_folder)
    Path("curation").mkdir()
    Path("curation/decisions.jsonl").touch()
    for stage in DATA:
        stage.main(load_params())
    return tmp_path


def test_the_line_ends_with_a_model_metrics_and_a_report(project: Path) -> None:
    for stage in MODEL:
        stage.main(load_params())
    model = AutoModelForCausalLM.from_pretrained("models/trained")
    base = AutoModelForCausalLM.from_pretrained("models/base")
    assert not torch.equal(next(model.parameters()), next(base.parameters()))
    assert AutoTokenizer.from_pretrained("models/trained").chat_template
    card = Path("models/trained/README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "ORPO (arXiv 2403.07691), lambda 0.5, L_SFT over the response" in card

    tokenized = read_json(Path("metrics/tokenize.json"))
    split_pairs = {n: read_table(Path(f"data/split/{n}.parquet"), SPLIT_PAIRS) for n in tokenized["splits"]}
    assert tokenized["in"] == sum(pairs.height for pairs in split_pairs.values())
    dropped = read_table(Path("data/tokenize/ledger.parquet"), LEDGER).height
    assert tokenized["in"] == tokenized["kept"] + dropped

    live = read_json(Path("metrics/train/metrics.json"))
    logged = {"loss", "nll", "odds_ratio_term", "chosen_logp", "rejected_logp", "log_odds", "accuracy"}
    assert logged | {"lr", "grad_norm", "tokens_per_second", "validation", "step"} == set(live)
    curves = {path.stem for path in Path("metrics/train/plots/metrics").glob("*.tsv")}
    assert logged <= curves

    metrics = read_json(Path("metrics/evaluate.json"))
    scored = read_table(Path("data/evaluate/pairs.parquet"), EVALUATED_PAIRS)
    sliced = read_table(Path("data/evaluate/slices.parquet"), EVALUATED_SLICES)
    answers = read_table(Path("data/evaluate/generations.parquet"), GENERATIONS)
    for name in ("base", "trained"):
        assert metrics[name]["pairs"] == split_pairs["test"].height == scored.filter(model=name).height
        assert metrics[name]["accuracy"] == scored.filter(model=name)["correct"].mean()
        success = answers.filter(model=name, decoding="greedy")["success"].drop_nulls()
        assert metrics[name]["instruction_success"] == success.mean()
        assert {"log_odds_margin", "chosen_nll", "prompts", "generation"} <= set(metrics[name])
        assert sliced.filter(model=name, slice="source")["pairs"].sum() == metrics[name]["pairs"]
    gained = metrics["trained"]["accuracy"] - metrics["base"]["accuracy"]
    assert metrics["comparison"]["trained_vs_base"]["accuracy"]["difference"] == pytest.approx(gained)
    # No held-out prompt is one that was trained on.
    trained_on = set(split_pairs["train"]["prompt_id"])
    assert trained_on.isdisjoint(scored["prompt_id"]) and trained_on.isdisjoint(answers["prompt_id"])
    assert "<html" in Path("reports/report.html").read_text()


def test_a_further_model_is_measured_and_the_report_stands(project: Path, model_folder: Path) -> None:
    for stage in (tokenize, train):
        stage.main(load_params())
    set_params(model_folder, evaluate={"models": {"again": "models/base"}, "intervals": {"resamples": 100}})
    for stage in (evaluate, report):
        stage.main(load_params())
    metrics = read_json(Path("metrics/evaluate.json"))
    assert metrics["again"] == metrics["base"]
    scored = read_table(Path("data/evaluate/pairs.parquet"), EVALUATED_PAIRS)
    assert scored["model"].unique(maintain_order=True).to_list() == ["base", "trained", "again"]
    assert read_scores(Path()).further.keys() == {"again"}


def test_dpo_takes_the_reference_of_its_own_base_and_shards(project: Path, model_folder: Path) -> None:
    setting = {"objective": "dpo", "epochs": 1}
    tokenize.main(load_params())
    reference.main(load_params())
    left = read_table(Path("data/reference/train.parquet"), REFERENCE_LOGPS)
    assert left.height == 0
    assert "orpo needs no reference" in read_lineage(Path("data/reference/train.parquet"))["note"]
    set_params(model_folder, train=setting)
    with pytest.raises(PipelineError, match=r"no log-probabilities of the reference model.*repro reference"):
        train.main(load_params())
    reference.main(load_params())
    for name in ("train", "validation"):
        scored = read_table(Path(f"data/reference/{name}.parquet"), REFERENCE_LOGPS)
        assert scored["pair_id"].to_list() == ShardSet(Path("data/tokenize"), name).pair_ids
    train.main(load_params())
    first = curve(Path("metrics/train"), "loss")[0]
    assert first == pytest.approx(math.log(2), abs=1e-4)
    assert {"reward_margin", "reward_accuracy"} <= set(read_json(Path("metrics/train/metrics.json")))
    card = Path("models/trained/README.md").read_text()
    assert "# A model aligned with DPO" in card and "DPO (arXiv 2305.18290), beta 0.1 |" in card
    assert "with its base model as reference" in card and "- dpo\n" in card
    # Other pairs, or another base model: refused, and the model stays.
    set_params(model_folder, train=setting, tokenize={"max_length": 200})
    tokenize.main(load_params())
    with pytest.raises(PipelineError, match="are of other shards"):
        train.main(load_params())
    set_params(model_folder, train=setting)
    tokenize.main(load_params())
    lineage = Path("models/base/lineage.json")
    lineage.write_text(lineage.read_text().replace("tiny", "other"))
    with pytest.raises(PipelineError, match="are of another base model"):
        train.main(load_params())


def test_labels_swapped_on_purpose_are_counted_and_named(project: Path, model_folder: Path) -> None:
    before = {n: read_table(Path(f"data/split/{n}.parquet"), SPLIT_PAIRS) for n in ("train", "test")}
    assert read_json(Path("metrics/split.json"))["flipped_train"] == 0
    set_params(model_folder, split={"flip_train": 0.5})
    split.main(load_params())
    now = {n: read_table(Path(f"data/split/{n}.parquet"), SPLIT_PAIRS) for n in ("train", "test")}
    flipped = read_table(Path("data/split/flipped.parquet"), FLIPPED_PAIRS)
    assert now["test"].equals(before["test"])
    assert read_json(Path("metrics/split.json"))["flipped_train"] == flipped.height > 0
    turned = now["train"].filter(now["train"]["chosen"] != before["train"]["chosen"])
    assert turned["pair_id"].to_list() == flipped["pair_id"].to_list()


def test_training_twice_gives_the_same_bytes(project: Path) -> None:
    tokenize.main(load_params())
    seen = []
    for _ in range(2):
        train.main(load_params())
        seen.append({p.name: sha256_file(p) for p in Path("models/trained").iterdir()})
    assert seen[0] == seen[1]


def test_lora_leaves_a_plain_model(project: Path, model_folder: Path) -> None:
    set_params(model_folder, train={"lora": {"enabled": True, "r": 2}})
    tokenize.main(load_params())
    train.main(load_params())
    names = set(AutoModelForCausalLM.from_pretrained("models/base").state_dict())
    assert set(AutoModelForCausalLM.from_pretrained("models/trained").state_dict()) == names
    assert not list(Path("models/trained").glob("adapter*"))


def test_a_failed_run_leaves_the_old_model(project: Path, model_folder: Path) -> None:
    tokenize.main(load_params())
    train.main(load_params())
    before = {path: sha256_file(path) for path in Path("models/trained").iterdir()}
    curves = {path: sha256_file(path) for path in Path("metrics/train").rglob("*") if path.is_file()}
    shard = Path("data/tokenize/train/shard-00000.arrow")
    shard.write_bytes(shard.read_bytes()[:-8])
    with pytest.raises(PipelineError, match="not the one its manifest names"):
        train.main(load_params())
    set_params(model_folder, train={"lr": 1e30, "max_grad_norm": 1e30})
    tokenize.main(load_params())
    with pytest.raises(PipelineError, match="is not finite on the pairs"):
        train.main(load_params())
    assert {path: sha256_file(path) for path in Path("models/trained").iterdir()} == before
    assert {p: sha256_file(p) for p in Path("metrics/train").rglob("*") if p.is_file()} == curves
    # What the failed run had come to is kept, and not gone on from with other params.
    assert sorted(path.name for path in Path("models").iterdir()) == ["base", "checkpoints", "trained"]


def test_a_killed_stage_goes_on_when_run_again(project: Path, model_folder: Path) -> None:
    setting = {"epochs": 6, "checkpoint_every": 4, "eval_every": 3, "best_metric": "loss", "dtype": "bf16"}
    set_params(model_folder, train=setting)
    tokenize.main(load_params())
    train.main(load_params())
    whole = {path.name: sha256_file(path) for path in Path("models/trained").iterdir()}
    curves = curves_of(Path("metrics/train"))
    assert sorted(path.name for path in Path("models").iterdir()) == ["base", "trained"]
    shutil.rmtree("models/trained")
    shutil.rmtree("metrics/train")

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "stages.train"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as stage:
        while stage.poll() is None and not list(Path("models/checkpoints").glob("step-????????")):
            time.sleep(0.002)
        stage.kill()
    assert stage.returncode == -signal.SIGKILL
    assert not Path("models/trained").exists() and not Path("metrics/train").exists()
    # Other params would be another run; the error says how to start it.
    set_params(model_folder, train={**setting, "lr": 2e-3})
    with pytest.raises(PipelineError, match=r"train\.lr changed.*delete models/checkpoints"):
        train.main(load_params())

    set_params(model_folder, train=setting)
    train.main(load_params())
    assert {path.name: sha256_file(path) for path in Path("models/trained").iterdir()} == whole
    assert curves_of(Path("metrics/train")) == curves
    assert sorted(path.name for path in Path("models").iterdir()) == ["base", "trained"]
    assert sorted(path.name for path in Path("metrics/train").parent.glob("train*")) == ["train"]


def test_two_ranks_leave_the_model_of_one_process(project: Path, model_folder: Path) -> None:
    setting = {"eval_every": 3, "best_metric": "loss", "micro_batch_tokens": 512, "lora": {"enabled": True}}
    set_params(model_folder, train=setting)
    tokenize.main(load_params())
    train.main(load_params())
    alone = Path("models/trained").rename("models/alone")
    curves = curve(Path("metrics/train"), "validation/loss")

    set_params(model_folder, train={**setting, "processes": 2, "parallel": "fsdp"})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "stages.train"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert curve(Path("metrics/train"), "validation/loss") == pytest.approx(curves, rel=1e-4)
    assert sorted(path.name for path in Path("models").iterdir()) == ["alone", "base", "trained"]
    assert {p.name for p in Path("models/trained").iterdir()} == {p.name for p in alone.iterdir()}
    lineages = [read_json(folder / "lineage.json") for folder in (alone, Path("models/trained"))]
    assert lineages[0]["weights_step"] == lineages[1]["weights_step"]
    expected = AutoModelForCausalLM.from_pretrained(alone).state_dict()
    for name, value in AutoModelForCausalLM.from_pretrained("models/trained").state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-5, msg=name)


def curve(folder: Path, name: str) -> list[float]:
    """The values of a metric's curve."""
    rows = (folder / f"plots/metrics/{name}.tsv").read_text().splitlines()[1:]
    return [float(row.split("\t")[-1]) for row in rows]


def curves_of(folder: Path) -> dict[str, str]:
    """What DVCLive wrote, the time that steps took apart."""
    found = {path.name: path.read_text() for path in folder.rglob("*.tsv") if "tokens_per" not in path.name}
    summary = read_json(folder / "metrics.json")
    assert summary.pop("tokens_per_second") > 0
    return {**found, "metrics.json": json.dumps(summary)}


def test_the_lineage_and_the_card_name_the_best_pass(project: Path, model_folder: Path) -> None:
    set_params(model_folder, train={"eval_every": 2, "best_metric": "accuracy", "lr": 1e-6})
    tokenize.main(load_params())
    train.main(load_params())
    curve = Path("metrics/train/plots/metrics/validation/accuracy.tsv").read_text().splitlines()[1:]
    values = [(float(line.split("\t")[1]), -int(line.split("\t")[0])) for line in curve]
    lineage = read_json(Path("models/trained/lineage.json"))
    assert lineage["weights_step"] == -max(values)[1]
    card = Path("models/trained/README.md").read_text()
    assert f"| Weights | of step {lineage['weights_step']}, the best validation accuracy |" in card


def test_a_tracker_that_is_not_there_stops_the_stage_before_training(
    project: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(model_folder, train={"trackers": ["mlflow"]})
    tokenize.main(load_params())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(PipelineError, match=r"not installed.*train\.trackers.*pip install mlflow"):
        train.main(load_params())
    assert not Path("models/trained").exists() and not list(Path("metrics").glob("train*"))


def test_a_split_without_pairs_names_the_key(project: Path) -> None:
    test = Path("data/split/test.parquet")
    from pipeline.tables import write_table

    write_table(pl.read_parquet(test).clear(), test, SPLIT_PAIRS)
    tokenize.main(load_params())
    train.main(load_params())
    with pytest.raises(PipelineError, match=r"Split test has no pairs to evaluate.*split\.test"):
        evaluate.main(load_params())


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("ultrafeedback_binarized", "ultrafeedback_binarized_1000.jsonl.gz"),
        ("ultrafeedback", "alpaca_uf_dev.jsonl.gz"),
    ],
)
def test_the_line_runs_on_real_data_by_params_alone(
    tmp_path: Path,
    model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    file: str,
) -> None:
    if not (REAL / file).is_file():
        pytest.skip(f"{file} is not beside the checkout")
    monkeypatch.chdir(tmp_path)
    set_params(
        model_folder,
        source={"kind": kind, "path": str((REAL / file).resolve())},
        split={"max_train": 12, "max_validation": 4, "max_test": 6},
        tokenize={"max_length": 512, "truncation": "truncate_response"},
    )
    Path("curation").mkdir()
    Path("curation/decisions.jsonl").touch()
    for stage in (*DATA, *MODEL):
        stage.main(load_params())
    metrics = read_json(Path("metrics/evaluate.json"))
    # Nothing here can be checked by code: no answer is called a success, and none a failure.
    assert metrics["trained"]["instruction_success"] is None
    assert metrics["trained"]["pairs"] == metrics["base"]["pairs"] > 0
    assert metrics["trained"]["generation"]["prompts"] > 0
    assert "<html" in Path("reports/report.html").read_text()


def test_two_raw_rows_give_the_one_pair_they_hold(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = REAL / "uf_raw_2rows.jsonl"
    if not file.is_file():
        pytest.skip(f"{file.name} is not beside the checkout")
    monkeypatch.chdir(tmp_path)
    # Neither row has overall scores for two completions; the second has ratings for all four.
    set_params(
        model_folder,
        source={"kind": "ultrafeedback", "path": str(file.resolve())},
        binarize={"score": "aspect_mean"},
        split={"validation": 0.0, "test": 0.0},
    )
    Path("curation").mkdir()
    Path("curation/decisions.jsonl").touch()
    for stage in DATA:
        stage.main(load_params())
    assert read_json(Path("metrics/binarize.json"))["dropped"] == {"too_few_completions": 1}
    [pair] = read_table(Path("data/split/train.parquet"), SPLIT_PAIRS).rows(named=True)
    assert (pair["chosen_model"], pair["rejected_model"], pair["source"]) == (
        "starchat",
        "pythia-12b",
        "evol_instruct",
    )
