"""Training, measured side by side with TRL's ORPOTrainer on the same model, pairs and dtype.

    pairs -> shards -> steps -> TRL's settings, one step each -> rounds of ours, TRL and matmul -> figures

``python benchmarks/train.py --json FILE --dtype bf16`` takes the base model and the pairs of a preference
file (prompt, chosen and rejected as texts) that fit the length, so that neither side truncates; or, with
``--shape``, a model of that shape with random weights and made-up pairs, for a GPU. Each run is a process of
its own; only optimizer steps are timed, the first of a run never. TRL must be installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a file, Python looks for modules in this folder, where tokenize.py would hide the standard library's:
# the folder above takes its place before anything else is imported.
sys.path[0] = str(Path(__file__).parents[1])

import json
import os
import tempfile
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Any, Literal

import torch
import typer
import yaml

from benchmarks import training_job, trials
from benchmarks.flops import step_flops
from benchmarks.machine import machine
from benchmarks.peers import need_peer
from benchmarks.tokenize import SHARED
from benchmarks.training_job import Job
from benchmarks.training_plan import Plan, choose_setting, prepare
from benchmarks.trl_settings import PRECISIONS, WITHOUT_MASTERS
from pipeline.errors import PipelineError, foreseen_faults
from pipeline.files import write_json
from pipeline.training.dialects import objective_of

CONTESTANTS = ("ours", "trl", "matmul")
ASIDE = "trl_without_masters"
VERSIONS = ("torch", "transformers", "accelerate", "trl")
THREADS = ("OMP_", "MKL_", "KMP_", "GOMP_", "MALLOC_", "LD_PRELOAD", "PYTORCH_", "CUDA_")
"""Beginnings of environment variables on which speed and memory may depend; both sides have the same."""


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Everything there is to measure.

    Args:
        plan: What.
        folder: For scratch files; must be empty.

    Returns:
        ``pairs_per_s_ratio`` and ``peak_memory_ratio``: ours over TRL's; ``matmul_share``: FLOP/s of our
        steps over the machine's (:mod:`benchmarks.flops`); ``loss_difference``: of the first step, from the
        same weights, without sign; and ``details``.

    Raises:
        PipelineError: If the pairs or the model cannot be read, there are too few pairs, the machine cannot
            run the shape, or a contestant fails.
    """
    job = prepare(plan, folder)
    setting, tried = choose_setting(plan, job, folder, PRECISIONS[plan.dtype])
    job = replace(job, trl_setting=setting.name)
    contestants = list(CONTESTANTS)
    if plan.dtype == "bf16" and plan.trl is None:
        aside, tried_aside = choose_setting(plan, job, folder, WITHOUT_MASTERS)
        job = replace(job, trl_without_masters=aside.name)
        contestants.append(ASIDE)
    job.write(folder)
    found = trials.alternate("training", contestants, folder, plan.rounds)
    details: dict[str, Any] = {name: trial.summary() for name, trial in found.items()}
    details["trl"] |= {"setting": setting.name, "tried": tried}
    if ASIDE in details:
        details[ASIDE] |= {"setting": aside.name, "tried": tried_aside} | _beside(details)
    details |= _counts(job, folder) | {
        "plan": plan.facts(),
        "train": job.train,
        "machine": machine() | {"gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None},
        "environment": {name: v for name, v in sorted(os.environ.items()) if name.startswith(THREADS)},
        "versions": {name: version(name) for name in VERSIONS},
    }
    return figures_of(details, job.matmul_size) | {"details": details}


def _beside(details: dict[str, Any]) -> dict[str, float]:
    """Ours over TRL's without masters."""
    mine, theirs = details["ours"], details[ASIDE]
    return {
        "pairs_per_s_ratio": theirs["seconds"] / mine["seconds"],
        "peak_memory_ratio": mine["peak_mb"] / theirs["peak_mb"],
    }


def figures_of(details: dict[str, Any], matmul_size: int) -> dict[str, float]:
    """The four figures that what was measured comes down to; rates are added to ``details``."""
    mine, theirs, machines = (details[name] for name in CONTESTANTS)
    for side in (mine, theirs):
        side["pairs_per_s"] = details["pairs"] / side["seconds"]
        side["tokens_per_s"] = details["tokens"] / side["seconds"]
    flops = 2 * matmul_size**3
    machines["flops_per_s"] = flops / min(machines["rounds"])
    machines["by_dtype"] = {dtype: flops / taken for dtype, taken in machines.pop("dtype_seconds").items()}
    mine["flops_per_s"] = details["flops"]["total"] / mine["seconds"]
    differences = [abs(left - right) for left, right in zip(mine["losses"], theirs["losses"], strict=True)]
    details["greatest_loss_difference"] = max(differences)
    return {
        "pairs_per_s_ratio": mine["pairs_per_s"] / theirs["pairs_per_s"],
        "peak_memory_ratio": mine["peak_mb"] / theirs["peak_mb"],
        "matmul_share": mine["flops_per_s"] / machines["flops_per_s"],
        "loss_difference": differences[0],
    }


def _counts(job: Job, folder: Path) -> dict[str, Any]:
    """Pairs, tokens and FLOPs of a run's timed steps."""
    size = training_job.size_of_model(folder)
    timed = training_job.step_pairs(folder, job.steps[1:])
    with_prompt = objective_of(job.params()).nll_scope == "full"
    flops = [step_flops(size, pairs, with_prompt) for pairs in timed]
    parts = {part: sum(getattr(step, part) for step in flops) for part in ("body", "head", "attention")}
    return {
        "pairs": sum(len(pairs) for pairs in timed),
        "tokens": sum(training_job.sequence_tokens(pairs) for pairs in timed),
        "flops": {**parts, "total": sum(parts.values())},
    }


# --- the command ----------------------------------------------------------------------------------------


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    dtype: Annotated[str, typer.Option(help="bf16 or float32.")] = "bf16",
    pairs: Annotated[Path, typer.Option(help="JSON lines with prompt, chosen and rejected.")] = SHARED,
    model: Annotated[Path, typer.Option(help="The model to train.")] = Path("models/base"),
    shape: Annotated[
        str | None, typer.Option(help="1b, 3b or 8b: random weights and made-up pairs instead, on a GPU.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Timed optimizer steps of a run.")] = 3,
    batch_pairs: Annotated[int, typer.Option(min=1, help="Pairs per optimizer step.")] = 8,
    max_length: Annotated[int, typer.Option(min=8, help="Longer pairs are left out.")] = 1024,
    trl: Annotated[str | None, typer.Option(help="Run this setting of TRL's only: bf16-sdpa-2.")] = None,
    ours: Annotated[
        list[str] | None, typer.Option(help="A key of our train params: compile=true. May be repeated.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Where scratch files go, and are deleted; default: the system's.")
    ] = None,
) -> None:
    """Measure training side by side with TRL."""
    with foreseen_faults():
        need_peer("trl", "training")
        plan = Plan(
            dtype=_dtype(dtype),
            pairs=pairs,
            model=model,
            shape=shape,
            rounds=rounds,
            steps=steps,
            batch_pairs=batch_pairs,
            max_length=max_length,
            trl=trl,
            ours=dict(_key_and_value(text) for text in ours or []),
        )
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=work) as folder:
            figures = measure(plan, Path(folder))
        if json_file is not None:
            write_json(json_file, figures)
        print(json.dumps({name: value for name, value in figures.items() if name != "details"}, indent=2))


def _dtype(name: str) -> Literal["bf16", "float32"]:
    known: dict[str, Literal["bf16", "float32"]] = {"bf16": "bf16", "float32": "float32"}
    if name not in known:
        raise PipelineError("There is no such dtype here", found=name, expected=" or ".join(known))
    return known[name]


def _key_and_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise PipelineError("This is no train param", found=text, expected="key=value")
    return key, yaml.safe_load(value)


if __name__ == "__main__":
    typer.run(main)
