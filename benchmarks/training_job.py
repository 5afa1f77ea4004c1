"""What both sides of the training benchmark are given: one model, one list of steps, one objective.

It lies in the scratch folder: ``job.json`` (:class:`Job`), ``model`` and ``shards``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from benchmarks.flops import ModelSize, model_size
from pipeline.files import read_json, write_json
from pipeline.params import TrainParams, parse_params
from pipeline.tokens.shards import ShardSet, TokenPair

JOB, MODEL, SHARDS, SPLIT = "job.json", "model", "shards", "train"

OBJECTIVE: dict[str, Any] = {"objective": "orpo", "lambda": 0.1, "dialect": "trl"}
"""ORPO as TRL has it: its NLL covers the prompt, too, and is averaged over the step's tokens."""

OPTIMIZER: dict[str, Any] = {"lr": 5e-6, "schedule": "constant", "warmup_ratio": 0.0, "weight_decay": 0.0}
"""A small constant rate: after a few steps both models are still close enough to compare their losses."""

SEED = 0


@dataclass(frozen=True)
class Job:
    """What is run.

    Attributes:
        dtype: bf16 or float32.
        steps: Indices of the pairs of each optimizer step, the longest first; step 0 warms up.
        pad_id: Token that fills up rows.
        max_length: No sequence is longer than this.
        train: Keys of our ``train`` section, :data:`OBJECTIVE` and :data:`OPTIMIZER` among them.
        trl_setting: Name of TRL's setting (:class:`benchmarks.trl_settings.Setting`).
        trl_without_masters: Of the setting that is measured beside it; empty: none is.
        matmul_size: Rows of the square matrices by which the machine is measured.
    """

    dtype: str
    steps: list[list[int]]
    pad_id: int
    max_length: int
    train: dict[str, Any]
    trl_setting: str
    matmul_size: int
    trl_without_masters: str = ""

    def params(self) -> TrainParams:
        """Our ``train`` section.

        Raises:
            PipelineError: If a key or a value of it is none.
        """
        return train_params(self.train)

    def write(self, folder: Path) -> None:
        """Put it where contestants look for it."""
        write_json(folder / JOB, asdict(self))


def read_job(folder: Path) -> Job:
    """The job in a scratch folder."""
    return Job(**read_json(folder / JOB))


def train_params(train: dict[str, Any]) -> TrainParams:
    """A ``train`` section of these keys.

    Raises:
        PipelineError: If a key is unknown or its value is out of range.
    """
    return parse_params({"train": train}, file="the benchmark's own params").train


def plan_steps(shards: ShardSet, count: int, batch_pairs: int) -> list[list[int]]:
    """Random pairs for this many optimizer steps, no pair twice; within a step the longest first.

    Like lengths so lie together in every micro-batch of either side. Too few pairs give fewer steps.
    """
    lengths = shards.lengths()
    order = np.random.default_rng(SEED).permutation(len(shards))[: count * batch_pairs]
    whole = len(order) // batch_pairs * batch_pairs
    return [
        sorted(step.tolist(), key=lambda index: -int(lengths[index]))
        for step in order[:whole].reshape(-1, batch_pairs)
    ]


def step_pairs(folder: Path, steps: Sequence[Sequence[int]]) -> list[list[TokenPair]]:
    """The pairs of each step, read from the shards."""
    shards = ShardSet(folder / SHARDS, SPLIT)
    return [[shards[index] for index in step] for step in steps]


def sequence_tokens(pairs: Sequence[TokenPair]) -> int:
    """Tokens of the pairs' two sequences each, the prompt counted in both: what tokens/s counts."""
    return sum(pair.sequence_tokens for pair in pairs)


def device_at_hand() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(folder: Path, weights: torch.dtype, attention: str | None = None) -> PreTrainedModel:
    """The model to train, its weights in this dtype, on the best device at hand, in training mode.

    A model folder without weights gives random ones, the same for every dtype but for rounding.

    Args:
        folder: The scratch folder.
        weights: What the weights are held in.
        attention: transformers' name of an attention implementation; None: its default.
    """
    choice = {} if attention is None else {"attn_implementation": attention}
    model: PreTrainedModel
    if list((folder / MODEL).glob("*.safetensors")):
        model = AutoModelForCausalLM.from_pretrained(
            folder / MODEL, dtype=weights, use_safetensors=True, local_files_only=True, **choice
        )
        model.to(device_at_hand())  # type: ignore[arg-type]
    else:
        torch.manual_seed(SEED)
        with device_at_hand():
            model = AutoModelForCausalLM.from_config(
                AutoConfig.from_pretrained(folder / MODEL), dtype=torch.bfloat16, **choice
            )
        model.to(weights)  # type: ignore[arg-type]
    model.train()
    return model


def size_of_model(folder: Path) -> ModelSize:
    """The size of the model, from its config alone."""
    with torch.device("meta"):
        return model_size(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder / MODEL)))
