"""Contestants of the training benchmark: our step, TRL's ORPOTrainer, and the machine's own matmul.

Each trains the same model on the same pairs in the same steps (:mod:`benchmarks.training_job`); the first
step warms up and is not timed. Loading is not timed either, though it is part of the process' peak memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.contest import Figures
from benchmarks.flops import DTYPES, matmul_seconds
from benchmarks.measure import own_peak_mb
from benchmarks.step_clock import StepClock
from benchmarks.training_job import device_at_hand, load, read_job, step_pairs
from benchmarks.trl_settings import setting_of
from pipeline.params import TrainParams
from pipeline.tokens.shards import TokenPair
from pipeline.training.optimizer import Optimizer
from pipeline.training.step_model import StepModel, trained_parameters
from pipeline.training.totals import step_totals


def ours(folder: Path) -> Figures:
    """The step of this project: its forward and backward pass, and its optimizer."""
    job = read_job(folder)
    params = job.params()
    steps = step_pairs(folder, job.steps)
    model = load(folder, torch.bfloat16 if params.dtype == "bf16" else torch.float32)
    step_model = StepModel(model, job.pad_id, params)
    optimizer = Optimizer(trained_parameters(step_model), params)
    clock = StepClock(model.device)
    losses = [_our_step(step_model, optimizer, pairs, params, clock) for pairs in steps]
    return {**clock.figures(), "losses": losses, "threads": torch.get_num_threads()}


def _our_step(
    step_model: StepModel,
    optimizer: Optimizer,
    pairs: Sequence[TokenPair],
    params: TrainParams,
    clock: StepClock,
) -> float:
    """One optimizer step, as the training loop takes it; its loss before the update."""
    objective = step_model.objective
    clock.begin()
    totals = step_totals(pairs, objective.nll_scope, objective.nll_reduction)
    losses = []
    for batch in step_model.micro_batches(pairs):
        terms = step_model(batch, totals)
        terms.loss.backward()
        optimizer.accumulate()
        losses.append(terms.loss.detach())
    optimizer.step()
    clock.end()
    return float(torch.stack(losses).sum())


def trl(folder: Path) -> Figures:
    """TRL's ORPOTrainer in the setting the job names."""
    from benchmarks.trl_orpo import train

    job = read_job(folder)
    return train(folder, job, setting_of(job.trl_setting), step_pairs(folder, job.steps))


def trl_without_masters(folder: Path) -> Figures:
    """The same in the setting that holds weights and moments in bf16 alone."""
    from benchmarks.trl_orpo import train

    job = read_job(folder)
    return train(folder, job, setting_of(job.trl_without_masters), step_pairs(folder, job.steps))


def matmul(folder: Path) -> Figures:
    """The best rate of a large matmul in each dtype; ``seconds`` is that of the job's."""
    job = read_job(folder)
    device = device_at_hand()
    best = {dtype: matmul_seconds(dtype, job.matmul_size, device) for dtype in DTYPES}
    return {"seconds": best[job.dtype], "peak_mb": own_peak_mb(), "dtype_seconds": best}
