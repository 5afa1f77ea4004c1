"""The base model made ready to train, as params ask: its dtype, adapters, memory and speed.

:class:`~pipeline.training.step_model.StepModel` is told nothing of it. What is written of the model stays the
same, but for its weights.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedModel

from pipeline.params import TrainParams
from pipeline.training.fused import fuse
from pipeline.training.model import (
    add_adapters,
    checkpoint_layers,
    decoder_layers,
    disable_dropout,
    load_model,
)
from pipeline.training.quantized import quantization


def prepare_model(folder: Path, params: TrainParams, trust_remote_code: bool = False) -> PreTrainedModel:
    """The model to train, its trained parameters requiring gradients.

    Args:
        folder: Model directory.
        params: The ``train`` section.
        trust_remote_code: Whether code in the directory may run.

    Returns:
        On the best device at hand; for ``parallel: fsdp`` on several ranks on the CPU, as no device need hold
        all of it.

    Raises:
        PipelineError: As :func:`~pipeline.training.model.load_model` and :func:`make_ready`; or if
            bitsandbytes, which ``lora.quantize`` needs, is not installed.
    """
    sharded = params.processes > 1 and params.parallel == "fsdp"
    device = torch.device("cpu") if sharded else None
    model = load_model(folder, trust_remote_code, weights_dtype(params), device, quantization(params))
    make_ready(model, params)
    return model


def weights_dtype(params: TrainParams) -> torch.dtype:
    """What the model's weights are held in while it trains."""
    return torch.bfloat16 if params.dtype == "bf16" else torch.float32


def make_ready(model: PreTrainedModel, params: TrainParams) -> None:
    """All of :func:`prepare_model` but loading, in place.

    Raises:
        PipelineError: If LoRA finds nothing to adapt, or the model cannot compute its layers again though
            ``gradient_checkpointing`` asks for it.
    """
    disable_dropout(model)
    if params.lora.enabled:
        add_adapters(model, params.lora)
        # Beside quantised weights they would be float32.
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(weights_dtype(params))
    if params.gradient_checkpointing:
        checkpoint_layers(model)
    if params.compile:
        compile_layers(model)
    else:
        fuse(model)


def compile_layers(model: PreTrainedModel) -> None:
    """Compile each decoder layer, in place; the compiler has its own way to do what :func:`fuse` does."""
    for layer in decoder_layers(model):
        # Lengths differ from batch to batch.
        layer.compile(dynamic=True)
