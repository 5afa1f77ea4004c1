"""The base model made ready to train, as params ask: its dtype, adapters, memory and speed.

:class:`~pipeline.training.step_model.StepModel` is told nothing of it. What is written of the model stays the
same, but for its weights.
"""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from pipeline.errors import PipelineError
from pipeline.params import TrainParams
from pipeline.training.fused import fuse
from pipeline.training.linear import OneDnnLinear
from pipeline.training.model import add_adapters, decoder_layers, disable_dropout, load_model


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
        PipelineError: As :func:`~pipeline.training.model.load_model` and
            :func:`~pipeline.training.model.add_adapters`; if the model cannot recompute its layers though
            ``gradient_checkpointing`` asks for it; or if bitsandbytes, which ``lora.quantize`` needs, is not
            installed.
    """
    dtype = torch.bfloat16 if params.dtype == "bf16" else torch.float32
    sharded = params.processes > 1 and params.parallel == "fsdp"
    device = torch.device("cpu") if sharded else None
    model = load_model(folder, trust_remote_code, dtype, device, _quantization(params))
    disable_dropout(model)
    if params.lora.enabled:
        add_adapters(model, params.lora)
        # Beside quantised weights they would be float32.
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(dtype)
    fuse(model)
    if params.gradient_checkpointing:
        recompute_layers(model)
    if params.compile:
        # Lengths differ from batch to batch.
        for layer in decoder_layers(model):
            layer.compile(dynamic=True)
    return model


def _quantization(params: TrainParams) -> BitsAndBytesConfig | None:
    """QLoRA's (arXiv 2305.14314): 4-bit NormalFloat, its scales quantised too."""
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
    compute = torch.float32 if params.dtype == "float32" else torch.bfloat16
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=params.lora.quantize,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def recompute_layers(model: PreTrainedModel) -> None:
    """Let the model keep only each layer's input for the backward pass, which runs the layer again.

    Raises:
        PipelineError: If its architecture has no such way.
    """
    if not model.supports_gradient_checkpointing:
        raise PipelineError(
            "The model cannot recompute its layers",
            key="train.gradient_checkpointing",
            found=str(model.config.model_type),
            expected="an architecture with gradient checkpointing",
            hint="Set it to false and lower train.micro_batch_tokens",
        )
    model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": _as_in_forward})


def _as_in_forward() -> tuple[contextlib.AbstractContextManager[object], ...]:
    """What a layer runs in, at first and when it runs again: the same products, to the last bit."""
    return contextlib.nullcontext(), OneDnnLinear()
