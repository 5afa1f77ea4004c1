"""TRL's ORPOTrainer on rows that are tokens already, its steps on the clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from benchmarks.contest import Figures
from benchmarks.step_clock import StepClock
from benchmarks.training_job import MODEL, SEED, Job, device_at_hand, load
from benchmarks.trl_settings import Setting
from pipeline.params import TrainParams
from pipeline.tokens.shards import TokenPair
from pipeline.tokens.trl_columns import trl_columns

_NO_TEXTS = dict.fromkeys(("prompt", "chosen", "rejected"), "")
"""Columns the trainer wants to see before it tokenises; these rows bring their tokens along."""


class TokenizedORPOTrainer(ORPOTrainer):
    """ORPOTrainer for rows that have the columns its ``tokenize_row`` would make."""

    @staticmethod
    def tokenize_row(row: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """Nothing is left to do; TRL's own would double EOS where the template ends a turn with it."""
        return {}


class _Clocked(TrainerCallback):
    """Puts the trainer's optimizer steps on a clock: from the first forward pass to the update's end."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._clock.begin()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self._clock.end()


def train(folder: Path, job: Job, setting: Setting, steps: Sequence[Sequence[TokenPair]]) -> Figures:
    """Run the steps.

    Args:
        folder: The scratch folder with the model.
        job: What is run.
        setting: TRL's.
        steps: The pairs of each step, in the order they are fed.

    Returns:
        As :meth:`StepClock.figures`, with ``losses``: of each step before its update, over the whole step.
    """
    params = job.params()
    weights = torch.bfloat16 if setting.precision == "bf16" else torch.float32
    clock = StepClock(device_at_hand())
    trainer = TokenizedORPOTrainer(
        model=load(folder, weights, setting.attention),
        args=_config(folder, job, setting, params),
        train_dataset=_rows(steps),
        processing_class=PreTrainedTokenizerFast.from_pretrained(folder / MODEL),
        callbacks=[_Clocked(clock)],
    )
    trainer.train()
    stored = trainer._stored_metrics["train"]
    losses = step_losses(stored["nll_loss"], stored["log_odds_ratio"], steps, setting.micro_batch, params)
    return {**clock.figures(), "losses": losses, "threads": torch.get_num_threads()}


def step_losses(
    nlls: Sequence[float],
    log_odds_ratios: Sequence[float],
    steps: Sequence[Sequence[TokenPair]],
    micro_batch: int,
    params: TrainParams,
) -> list[float]:
    """The loss of each whole step from what TRL records of its forward passes.

    Under gradient accumulation TRL averages the averages of the passes, so that its loss depends on how a
    step is cut. Here they are weighted by what they are over: by the chosen sequences' tokens, nothing
    predicting the first, for the NLL, and by pairs for the term of the odds.

    Args:
        nlls: Mean NLL of each forward pass (``nll_loss``).
        log_odds_ratios: Mean log sigmoid of its log odds margins (``log_odds_ratio``), without lambda.
        steps: The pairs of each step.
        micro_batch: Pairs per forward pass.
        params: Our ``train`` section, for lambda.
    """
    found = []
    recorded = zip(nlls, log_odds_ratios, strict=True)
    for pairs in steps:
        nll = preference = 0.0
        chosen = [len(pair.prompt_ids) + len(pair.chosen_ids) - 1 for pair in pairs]
        for start in range(0, len(pairs), micro_batch):
            mean_nll, mean_ratio = next(recorded)
            part = chosen[start : start + micro_batch]
            nll += mean_nll * sum(part) / sum(chosen)
            preference -= mean_ratio * len(part) / len(pairs)
        found.append(nll + params.lambda_ * preference)
    return found


def _rows(steps: Sequence[Sequence[TokenPair]]) -> Dataset:
    return Dataset.from_list([{**_NO_TEXTS, **trl_columns(vars(pair))} for pairs in steps for pair in pairs])


def _config(folder: Path, job: Job, setting: Setting, params: TrainParams) -> ORPOConfig:
    """The same objective and optimizer as ours, and nothing beside the steps that takes time."""
    batch_pairs = len(job.steps[0])
    return ORPOConfig(
        output_dir=str(folder / "trl"),
        beta=params.lambda_,
        max_length=job.max_length,
        disable_dropout=True,
        per_device_train_batch_size=setting.micro_batch,
        gradient_accumulation_steps=batch_pairs // setting.micro_batch,
        max_steps=len(job.steps),
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        bf16=setting.precision == "autocast",
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=setting.checkpointing,
        use_liger_kernel=setting.liger,
        optim="adamw_torch_fused",
        learning_rate=params.lr,
        lr_scheduler_type="constant",
        warmup_steps=0,
        weight_decay=params.weight_decay,
        adam_beta1=params.beta1,
        adam_beta2=params.beta2,
        max_grad_norm=params.max_grad_norm,
        seed=SEED,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
