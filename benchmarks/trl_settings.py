"""TRL's settings that decide its speed, and the search for the fastest on this machine.

What is tried: the precision (for bf16: weights in bf16, or float32 weights under autocast), the attention,
Liger's kernels where they are installed, and pairs per forward pass, the rest of a step by gradient
accumulation. The kinds are tried first, all with the same pairs per pass, and then the other sizes of the
fastest kind. All have torch's fused AdamW, no logging, no saving, no dropout; none recomputes activations,
unless no setting runs without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product
from typing import Any

from pipeline.errors import PipelineError

Trials = list[dict[str, Any]]

PRECISIONS = {"float32": "float32", "bf16": "autocast"}
"""What a dtype of the benchmark is for TRL: bf16 is the Trainer's own, float32 weights under autocast."""

WITHOUT_MASTERS = "bf16"
"""Weights and AdamW's moments in bf16. TRL has no float32 masters for them, so that an update of less than
1/512 of a weight is lost, which at rates such as 5e-6 is nearly every one: fast and small, but another
training. It is measured beside the others, not counted as TRL's fastest."""

MICRO_BATCHES = (1, 2, 4, 8, 16, 32)
FIRST_MICRO_BATCH = 2
"""Pairs per forward pass with which the kinds are compared."""

_FLAGS = ("checkpointing", "liger")


@dataclass(frozen=True)
class Setting:
    """One setting of TRL's.

    Attributes:
        precision: float32, bf16 (weights too) or autocast (bf16 matmuls over float32 weights).
        attention: transformers' name of the attention implementation.
        micro_batch: Pairs per forward pass (``per_device_train_batch_size``).
        checkpointing: Whether activations are computed again in the backward pass.
        liger: Whether Liger's kernels take the place of transformers' norms and activations.
    """

    precision: str
    attention: str
    micro_batch: int
    checkpointing: bool = False
    liger: bool = False

    @property
    def name(self) -> str:
        """Its parts, joined: ``bf16-sdpa-2``."""
        flags = [flag for flag in _FLAGS if getattr(self, flag)]
        return "-".join([self.precision, self.attention, str(self.micro_batch), *flags])


def setting_of(name: str) -> Setting:
    """The setting that a name stands for.

    Raises:
        PipelineError: If it is no name of a setting.
    """
    precision, attention, micro_batch, *flags = [*name.split("-"), "", ""][: max(3, name.count("-") + 1)]
    known = {*PRECISIONS.values(), WITHOUT_MASTERS}
    if precision not in known or not attention or not micro_batch.isdigit() or not set(flags) <= set(_FLAGS):
        raise PipelineError(
            "There is no such setting of TRL's",
            found=name,
            expected="precision-attention-pairs per pass, with -checkpointing and -liger where wanted",
            hint="Say, for example, --trl bf16-sdpa-2",
        )
    return Setting(precision, attention, int(micro_batch), **dict.fromkeys(flags, True))


def kinds(precision: str, micro_batch: int, on_gpu: bool) -> list[Setting]:
    """Every combination of attention and kernels that this machine can run."""
    attentions = ["sdpa", "eager"]
    if on_gpu and find_spec("flash_attn"):
        attentions.append("flash_attention_2")
    ligers = [False, True] if on_gpu and find_spec("liger_kernel") else [False]
    return [
        Setting(precision, attention, micro_batch, liger=liger)
        for attention, liger in product(attentions, ligers)
    ]


def sizes(batch_pairs: int) -> list[int]:
    """Pairs per forward pass that make up a whole step."""
    return [size for size in MICRO_BATCHES if batch_pairs % size == 0]


def find_fastest(
    first: Sequence[Setting], batch_pairs: int, seconds_of: Callable[[Setting], float]
) -> tuple[Setting, Trials]:
    """The fastest setting.

    Args:
        first: The kinds to compare.
        batch_pairs: Pairs per optimizer step.
        seconds_of: Runs a setting and gives its time; raises PipelineError where it fails.

    Returns:
        The setting, and what was tried: ``setting`` with ``seconds``, or with ``failed`` and why.

    Raises:
        PipelineError: If none runs.
    """
    search = _Search(seconds_of)
    search.run(first)
    if not search.seconds:  # too little memory, as a rule
        search.run([replace(setting, checkpointing=True) for setting in first])
    if not search.seconds:
        raise PipelineError("TRL runs with none of its settings", found=search.tried[-1]["failed"])
    kind = search.fastest()
    search.run([replace(kind, micro_batch=s) for s in sizes(batch_pairs) if s != kind.micro_batch])
    return search.fastest(), search.tried


class _Search:
    def __init__(self, seconds_of: Callable[[Setting], float]) -> None:
        self._seconds_of = seconds_of
        self.seconds: dict[Setting, float] = {}
        self.tried: Trials = []

    def run(self, settings: Sequence[Setting]) -> None:
        for setting in settings:
            try:
                seconds = self._seconds_of(setting)
            except PipelineError as error:
                self.tried.append({"setting": setting.name, "failed": str(error)})
            else:
                self.seconds[setting] = seconds
                self.tried.append({"setting": setting.name, "seconds": seconds})

    def fastest(self) -> Setting:
        return min(self.seconds, key=lambda setting: self.seconds[setting])
