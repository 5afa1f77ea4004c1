"""From what is asked for to a job: model, shards, steps, and TRL's setting."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks import shapes, training_job, trials
from benchmarks.tokenize import SHARED, read_pairs
from benchmarks.training_job import SHARDS, SPLIT, Job
from benchmarks.trl_settings import (
    FIRST_MICRO_BATCH,
    Setting,
    Trials,
    find_fastest,
    kinds,
    setting_of,
    sizes,
)
from pipeline.errors import PipelineError
from pipeline.params import TokenizeParams
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import StoredTable, write_table
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenize import tokenize_splits
from pipeline.tokens.tokenizer import load_tokenizer

MATMUL_SIZES = {"cpu": 4096, "cuda": 8192}


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        dtype: bf16 or float32.
        pairs: JSON lines with prompt, chosen and rejected as texts; may be gzipped.
        model: A model directory.
        shape: One of :data:`benchmarks.shapes.SHAPES`, in the place of pairs and model.
        rounds: How often each contestant is run.
        steps: Timed optimizer steps of a run.
        batch_pairs: Pairs per optimizer step.
        max_length: Longer pairs are left out.
        trl: Name of the only setting of TRL's to run; None: the fastest of all.
        ours: Keys of our ``train`` section on top of the objective's and the optimizer's.
        matmul_size: Rows of the matrices the machine is measured by; None: by device.
    """

    dtype: Literal["bf16", "float32"] = "bf16"
    pairs: Path = SHARED
    model: Path = Path("models/base")
    shape: str | None = None
    rounds: int = 2
    steps: int = 3
    batch_pairs: int = 8
    max_length: int = 1024
    trl: str | None = None
    ours: dict[str, Any] = field(default_factory=dict)
    matmul_size: int | None = None

    def facts(self) -> dict[str, Any]:
        """All of it, as it stands beside the figures; of files the name."""
        return {name: v.name if isinstance(v, Path) else v for name, v in asdict(self).items()}


def prepare(plan: Plan, folder: Path) -> Job:
    """Put model and shards into the folder, and plan the steps; TRL's setting is still open.

    Raises:
        PipelineError: As :func:`measure`.
    """
    wanted = (plan.steps + 1) * plan.batch_pairs
    train = {
        **training_job.OBJECTIVE,
        **training_job.OPTIMIZER,
        "dtype": plan.dtype,
        "batch_pairs": plan.batch_pairs,
        **plan.ours,
    }
    training_job.train_params(train)  # faults are said before anything is made
    if plan.shape is None:
        pad_id = _take_pairs(plan, folder)
    else:
        pad_id = _make_shape(plan.shape, folder, wanted, plan.max_length)
    steps = training_job.plan_steps(ShardSet(folder / SHARDS, SPLIT), plan.steps + 1, plan.batch_pairs)
    if len(steps) <= plan.steps:
        raise PipelineError(
            "There are too few pairs",
            file=plan.pairs,
            found=f"{len(steps)} steps of {plan.batch_pairs} pairs that fit {plan.max_length} tokens",
            expected=f"{plan.steps + 1}, with the one that warms up",
            hint="Take fewer --steps or --batch-pairs, or a greater --max-length",
        )
    return Job(
        dtype=plan.dtype,
        steps=steps,
        pad_id=pad_id,
        max_length=plan.max_length,
        train=train,
        trl_setting="",
        matmul_size=plan.matmul_size or MATMUL_SIZES[training_job.device_at_hand().type],
    )


def _take_pairs(plan: Plan, folder: Path) -> int:
    """Tokenise the pairs of a file as the pipeline does; gives the padding token's id."""
    (folder / training_job.MODEL).symlink_to(plan.model.resolve())
    tokenizer = load_tokenizer(plan.model)
    write_table(read_pairs(plan.pairs), folder / "pairs.parquet", SPLIT_PAIRS)
    table = StoredTable(folder / "pairs.parquet", SPLIT_PAIRS)
    params = TokenizeParams(max_length=plan.max_length, truncation="drop")
    tokenize_splits({SPLIT: table}, tokenizer, params, folder / SHARDS)
    return int(tokenizer.pad_token_id)


def _make_shape(shape: str, folder: Path, pairs: int, max_length: int) -> int:
    """Make a model's config and pairs up; gives the padding token's id."""
    if shape not in shapes.SHAPES:
        raise PipelineError("There is no such shape", found=shape, expected=", ".join(shapes.SHAPES))
    if shape not in shapes.ON_CPU and not torch.cuda.is_available():
        raise PipelineError(
            "This shape takes a GPU, and torch finds none",
            found=shape,
            expected=f"{', '.join(shapes.ON_CPU)} on a CPU",
            hint="Leave --shape out to measure with the base model",
        )
    shapes.write_pairs(shape, folder / SHARDS, pairs, max_length)
    return shapes.write_shape(shape, folder / training_job.MODEL)


def choose_setting(plan: Plan, job: Job, folder: Path, precision: str) -> tuple[Setting, Trials]:
    """The setting of TRL's that the plan names, or the fastest of a precision by a step each.

    A run of the search warms up on the shortest pairs there are, and is timed on the job's first real step.

    Raises:
        PipelineError: If the plan names none, or none runs.
    """
    if plan.trl is not None:
        setting = setting_of(plan.trl)
        if plan.batch_pairs % setting.micro_batch:
            raise PipelineError(
                "TRL's pairs per pass make up no whole step",
                found=plan.trl,
                expected=f"one of {sizes(plan.batch_pairs)} pairs",
            )
        return setting, []
    lengths = ShardSet(folder / SHARDS, SPLIT).lengths()
    shortest = [int(index) for index in lengths.argsort(kind="stable")[: plan.batch_pairs]]
    trial = replace(job, steps=[shortest, job.steps[1]])

    def seconds_of(setting: Setting) -> float:
        replace(trial, trl_setting=setting.name).write(folder)
        seconds = float(trials.contest("training", "trl", folder)["seconds"])
        trials.console.print(f"TRL's setting {setting.name}: {seconds:.2f} s a step")
        return seconds

    possible = sizes(plan.batch_pairs)
    micro_batch = FIRST_MICRO_BATCH if FIRST_MICRO_BATCH in possible else possible[0]
    first = kinds(precision, micro_batch, torch.cuda.is_available())
    return find_fastest(first, plan.batch_pairs, seconds_of)
