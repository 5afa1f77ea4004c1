"""QLoRA (Dettmers et al., arXiv 2305.14314): frozen weights in 4 bits, by bitsandbytes."""

from __future__ import annotations

import importlib.util

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from pipeline.errors import PipelineError
from pipeline.params import TrainParams


def quantization(params: TrainParams) -> BitsAndBytesConfig | None:
    """How the base model's weights are to be held; None: as they are.

    As in the paper: 4-bit NormalFloat, its scales quantised, too. Products are in bf16, for dtype float32 in
    float32.

    Args:
        params: The ``train`` section.

    Raises:
        PipelineError: If it is asked for and bitsandbytes is not installed.
    """
    if params.lora.quantize is None:
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise PipelineError(
            "bitsandbytes is not installed",
            key="train.lora.quantize",
            found=params.lora.quantize,
            expected="null, or bitsandbytes beside torch",
            hint="Run `pip install bitsandbytes`, or set it to null",
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=params.lora.quantize,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32 if params.dtype == "float32" else torch.bfloat16,
    )


def keep_trainable(model: PreTrainedModel) -> None:
    """Keep quantised layers from repacking their weights in a pass without gradients.

    On CPUs with AVX-512 bitsandbytes would do so in the first one, for good and with scales rounded to bf16,
    and it fails on matrices narrower than a block.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
