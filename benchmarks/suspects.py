"""How well suspects finds labels that are known to be wrong, beside what costs nothing.

    sample, its planted flips ------------+-> pull to tokenize -> suspects -> AUC, precision at the flip rate
    real pairs, a share of them swapped --+

``python benchmarks/suspects.py --pairs FILE --json FILE`` takes nearly two hours on two cores that do
nothing else, the sample alone a quarter of one; most of it is the training of ``folds + 1`` models on either
data set. A run that was stopped goes on where it was, with the same ``--work``.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a file, Python looks for modules in this folder, where tokenize.py would hide the standard library's:
# the folder above takes its place before anything else is imported.
sys.path[0] = str(Path(__file__).parents[1])

import contextlib
from importlib import import_module
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
import yaml

from benchmarks.machine import machine
from benchmarks.ranking import Flags, Floats, auc, precision_at
from pipeline.errors import PipelineError, foreseen_faults
from pipeline.files import write_json, write_text
from pipeline.params import load_params
from pipeline.schema import FLIPPED_PAIRS, SPLIT_PAIRS, SUSPECTS, TRUTH
from pipeline.suspect_commands import SUSPECTS_FILE, score_project
from pipeline.tables import read_table

STAGES = ("pull", "binarize", "filter", "decontaminate", "dedupe", "curate", "split", "tokenize")
SIGNALS = ("suspicion", "stacked_margin", "cross_fit_margin", "dynamics_mean", "dynamics_std", "probe_margin")
BASELINES = ("length", "score_margin", "base_margin", "base_sum_margin")

# No pair is held out: every one of them is to be scored. Nothing is matched against a benchmark.
_ALL_TRAIN = {"split.validation": 0.0, "split.test": 0.0, "decontaminate.benchmarks": []}
SAMPLE: dict[str, Any] = {**_ALL_TRAIN, "suspects.folds": 3, "suspects.epochs": 2}
REAL: dict[str, Any] = {
    **_ALL_TRAIN,
    "source.kind": "ultrafeedback_binarized",
    "binarize.ties": "keep",
    "binarize.min_margin": 0.0,
    "split.seed": 1,
    "split.flip_train": 0.2,
    "tokenize.max_length": 768,
    "tokenize.truncation": "truncate_response",
    "train.lr": 2.0e-5,
    "suspects.folds": 3,
    "suspects.epochs": 1,
}


def prepare(project: Path, settings: dict[str, Any], base_model: Path) -> None:
    """Run the data stages of a project of its own, up to tokenize.

    Args:
        project: Its folder; where it was prepared before with these settings, nothing is done.
        settings: Dotted keys of params that differ from the defaults.
        base_model: What ``models/base`` is to be.

    Raises:
        PipelineError: If there is no base model, or as the stages do.
    """
    if not (base_model / "lineage.json").is_file():
        raise PipelineError(
            "There is no base model",
            file=base_model,
            expected="what stage pull_model makes",
            hint="Run `dvc repro pull_model`, or name one by --model",
        )
    sections: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    text = yaml.safe_dump(sections)
    marker = project / "prepared.yaml"
    if marker.is_file() and marker.read_text(encoding="utf-8") == text:
        return
    (project / "models").mkdir(parents=True, exist_ok=True)
    (project / "models/base").unlink(missing_ok=True)
    (project / "models/base").symlink_to(base_model.resolve())
    write_text(project / "curation/decisions.jsonl", "")
    write_text(project / "params.yaml", text)
    (project / SUSPECTS_FILE).unlink(missing_ok=True)
    with contextlib.chdir(project):
        for stage in STAGES:
            import_module(f"stages.{stage}").main(load_params())
    write_text(marker, text)


def figures(project: Path) -> dict[str, Any]:
    """Score the project's pairs, and the scores by what is known of the labels.

    Returns:
        pairs, flips, and for each signal and baseline its ``auc`` and ``precision`` at the number of flips.
    """
    with contextlib.chdir(project):
        if not SUSPECTS_FILE.is_file():
            score_project(Path(), load_params(), Path(".cache/suspects"))
        found = read_table(SUSPECTS_FILE, SUSPECTS)
        flipped = found["pair_id"].is_in(flipped_pairs().implode()).to_numpy()
    return {
        "pairs": found.height,
        "flips": int(flipped.sum()),
        "flip_rate": float(flipped.mean()),
        "signals": {name: measured(suspicion_by(found, name), flipped) for name in SIGNALS},
        "baselines": {name: measured(suspicion_by(found, name), flipped) for name in BASELINES},
    }


def flipped_pairs() -> pl.Series:
    """The pair_ids whose label is known to be wrong: planted by the sample, or swapped by split."""
    pairs = read_table(Path("data/split/train.parquet"), SPLIT_PAIRS, ["pair_id", "row_id"])
    swapped = read_table(Path("data/split/flipped.parquet"), FLIPPED_PAIRS, ["pair_id"])["pair_id"]
    truth = Path("data/pull/truth.parquet")
    if not truth.is_file():
        return swapped
    planted = read_table(truth, TRUTH).filter(pl.col("defects").list.contains("flipped_label"))
    is_planted = pairs["row_id"].is_in(planted["row_id"].implode())
    # What was planted and swapped besides is right again.
    return pairs.filter(is_planted != pairs["pair_id"].is_in(swapped.implode()))["pair_id"]


def suspicion_by(found: pl.DataFrame, name: str) -> Floats:
    """How suspect each pair is by one signal or baseline, the higher the more.

    ``length``: the label goes against what most labels do, longer or shorter being chosen. ``score_margin``:
    the two scores lie close together; its size alone counts, as a swap that took the scores along would give
    itself away by its sign.
    """
    if name == "suspicion":
        return found["suspicion"].to_numpy()
    if name == "length":
        return -as_most(found["length_margin"].to_numpy())
    margins = found[name].fill_null(0.0).to_numpy()
    return -np.abs(margins) if name == "score_margin" else -margins


def as_most(lengths: Floats) -> Floats:
    """Length margins with the sign that most labels have: turned where shorter ones are chosen more often."""
    return lengths if np.sign(lengths).sum() >= 0 else -lengths


def measured(suspect: Floats, flipped: Flags) -> dict[str, float]:
    """AUC, and precision at as many pairs as there are flips."""
    return {"auc": auc(suspect, flipped), "precision": precision_at(suspect, flipped, int(flipped.sum()))}


def main(
    work: Annotated[Path, typer.Option(help="Where the projects go; they stay, and a stopped run goes on.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="ultrafeedback_binarized rows; without them the sample alone.")
    ] = None,
    model: Annotated[Path, typer.Option(help="The base model.")] = Path("models/base"),
    max_pairs: Annotated[int | None, typer.Option(help="Most real pairs; default: all.")] = None,
) -> None:
    """Measure suspects against labels that are known to be wrong."""
    with foreseen_faults():
        runs: dict[str, dict[str, Any]] = {"sample": SAMPLE}
        if pairs is not None:
            runs["real"] = {**REAL, "source.path": str(pairs.resolve()), "split.max_train": max_pairs}
        told: dict[str, Any] = {"machine": machine()}
        for name, settings in runs.items():
            prepare(work / name, settings, model)
            told[name] = {"settings": settings, **figures(work / name)}
            for kind in ("signals", "baselines"):
                for signal, values in told[name][kind].items():
                    print(f"{name} {signal}: AUC {values['auc']:.3f}, precision {values['precision']:.3f}")
        if json_file is not None:
            write_json(json_file, told)


if __name__ == "__main__":
    typer.run(main)
