"""The training loop: optimizer steps in a planned order, validation, the best weights, and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from torch import nn

from pipeline.errors import PipelineError
from pipeline.params import TrainParams
from pipeline.progress import progress_bar
from pipeline.tokens.shards import ShardSet, TokenPair
from pipeline.training import ranks
from pipeline.training.best import Best
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.gather import (
    full_optimizer_state,
    full_weights,
    load_full_optimizer_state,
    load_full_weights,
)
from pipeline.training.logs import History, Metrics, StepLog
from pipeline.training.order import epoch_steps
from pipeline.training.parallel import make_optimizer
from pipeline.training.rng import rng_state, set_rng_state
from pipeline.training.schedule import make_schedule
from pipeline.training.step import optimizer_step, validate

Plan = list[npt.NDArray[np.int64]]


@dataclass(frozen=True)
class TrainResult:
    """What a run came to, over all attempts at it.

    Attributes:
        steps: Optimizer steps taken.
        pairs: Pairs seen, each as often as it was.
        seconds: Wall time of this attempt.
        weights_step: The step whose weights the model has now: the best pass's, or the last.
        validation: Validation metrics of those weights; empty without validation pairs.
    """

    steps: int
    pairs: int
    seconds: float
    weights_step: int
    validation: Metrics


def train(
    module: nn.Module,
    shards: ShardSet,
    validation: ShardSet,
    params: TrainParams,
    log: StepLog,
    checkpoints: Checkpoints | None = None,
) -> TrainResult:
    """Train a model in place; from its latest checkpoint, where there is one.

    All ranks of a run call it with the same arguments; only the main one reports and writes.

    Args:
        module: What :func:`~pipeline.training.parallel.parallelize` made of the step model, with the
            parameters to train requiring gradients.
        shards: The training pairs.
        validation: Held-out pairs, measured every ``eval_every`` steps and at the end.
        params: The ``train`` section.
        log: Takes the metrics, on the main rank; a resumed run reports its earlier steps again.
        checkpoints: The run's, which every rank reads; None: none are read or written. They stay when it is
            done: clear them when the model is written.

    Returns:
        Totals, and the validation metrics of the weights that the model has now: with ``best_metric`` those
        of the best pass, else the last step's.

    Raises:
        PipelineError: If there are no pairs, none to validate on though ``best_metric`` asks for it, the loss
            or the gradient is NaN or infinite (with the step's pair_ids), or there is a checkpoint of another
            run.
    """
    _check_pairs(shards, validation, params)
    started = time.perf_counter()
    plan = step_plan(shards, params)
    run = _Run(module, params, len(plan), log if ranks.is_main() else StepLog())
    saved = checkpoints.latest() if checkpoints else None
    if saved is not None:
        run.restore(saved)
    held_out = list(validation)
    # The other ranks' displays would write over the main one's.
    with progress_bar(None if ranks.is_main() else Console(quiet=True)) as progress:
        task = progress.begin("train", len(plan), "steps", run.taken)
        while run.taken < len(plan):
            metrics = run.take_step([shards[int(index)] for index in plan[run.taken]])
            progress.done(task, note=_note(metrics))
            if run.taken == len(plan) or (params.eval_every and run.taken % params.eval_every == 0):
                run.measure(held_out)
                if run.is_to_stop():
                    break
            if checkpoints and checkpoints.due(run.taken) and run.taken < len(plan):
                run.write(checkpoints)
    weights_step = run.load_best()
    return TrainResult(
        steps=run.taken,
        pairs=sum(len(step) for step in plan[: run.taken]),
        seconds=time.perf_counter() - started,
        weights_step=weights_step,
        validation=run.history.last_validation(weights_step),
    )


def step_plan(shards: ShardSet, params: TrainParams) -> Plan:
    """Indices of the pairs of every step of a run, epoch after epoch."""
    return [
        step
        for epoch in range(params.epochs)
        for step in epoch_steps(len(shards), params.batch_pairs, params.seed, epoch)
    ]


def _check_pairs(shards: ShardSet, validation: ShardSet, params: TrainParams) -> None:
    if not len(shards):
        raise PipelineError(
            "There are no training pairs", hint="Loosen the filters or split.validation and split.test"
        )
    if params.best_metric is not None and not len(validation):
        raise PipelineError(
            "There are no validation pairs to find the best weights on",
            key="train.best_metric",
            found=params.best_metric,
            expected="pairs in split validation",
            hint="Raise split.validation, or set train.best_metric to null",
        )


def _note(metrics: Metrics) -> str:
    """A step in a few words: they share 80 columns with the bar and the time left."""
    return (
        f"loss {metrics['loss']:.3f} acc {metrics['accuracy']:.2f} {metrics['tokens_per_second']:,.0f} tok/s"
    )


class _Run:
    """All that changes while training, and how it is saved and restored.

    Attributes:
        taken: Optimizer steps taken.
        history: All that was reported.
    """

    def __init__(self, module: nn.Module, params: TrainParams, steps: int, log: StepLog) -> None:
        self.taken = 0
        self.history = History(log)
        self._module = module
        self._params = params
        self._optimizer = make_optimizer(module, params)
        self._schedule = make_schedule(self._optimizer.adamw, params, steps)
        self._best = Best(params.best_metric) if params.best_metric else None

    def take_step(self, pairs: Sequence[TokenPair]) -> Metrics:
        """Take one optimizer step and report it; gives its metrics."""
        clock = time.perf_counter()
        rate = float(self._schedule.get_last_lr()[0])
        metrics = optimizer_step(self._module, self._optimizer, pairs)
        self._schedule.step()
        self.taken += 1
        # Of both sequences of a pair, each with its prompt, however they are laid out.
        tokens = sum(pair.sequence_tokens for pair in pairs)
        metrics |= {"lr": rate, "tokens_per_second": tokens / (time.perf_counter() - clock)}
        self.history.step(self.taken, metrics)
        return metrics

    def measure(self, pairs: Sequence[TokenPair]) -> None:
        """Make a validation pass and report it; keep the weights if it is the best."""
        metrics = validate(self._module, pairs)
        self.history.validation(self.taken, metrics)
        if self._best and self._best.offer(self.taken, metrics[self._best.metric]):
            self._best.weights = full_weights(self._module)

    def is_to_stop(self) -> bool:
        """Whether too many passes have gone by without a better one."""
        patience = self._params.early_stopping
        return bool(self._best and patience is not None and self._best.since >= patience)

    def load_best(self) -> int:
        """Put the best pass's weights in the model, where they are wanted; gives the step they are of."""
        if self._best is None or self._best.value is None:
            return self.taken
        load_full_weights(self._module, self._best.weights)
        return self._best.step

    def write(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint, on the main rank, of everything a later attempt needs."""
        state = {
            "step": self.taken,
            "weights": full_weights(self._module),
            "optimizer": full_optimizer_state(self._optimizer),
            "schedule": self._schedule.state_dict(),
            "best": dict(vars(self._best)) if self._best else None,
            "rng": ranks.gathered(rng_state()),
            "history": self.history.state_dict(),
        }
        if ranks.is_main():
            checkpoints.write(self.taken, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`write` wrote."""
        self.taken = state["step"]
        load_full_weights(self._module, state["weights"])
        load_full_optimizer_state(self._optimizer, state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._best = Best(**state["best"]) if state["best"] else None
        if self._best and not ranks.is_main():
            self._best.weights = {}
        self.history.replay(state["history"])
        set_rng_state(state["rng"][ranks.rank()])
