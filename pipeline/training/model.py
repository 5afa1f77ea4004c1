"""Loading a model directory to train or evaluate, adapters, and writing the trained one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from pipeline.errors import PipelineError
from pipeline.params import LoraParams
from pipeline.training.forward import check_head
from pipeline.training.linear import OneDnnLinear
from pipeline.training.quantized import keep_trainable

Autocast = contextlib.AbstractContextManager[Any]


def pick_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, dtype: str) -> Autocast:
    """Autocast of the matmuls to bf16 for bf16_autocast, else nothing."""
    if dtype == "bf16_autocast":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def load_model(
    folder: Path,
    trust_remote_code: bool = False,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    quantization: BitsAndBytesConfig | None = None,
) -> PreTrainedModel:
    """A causal language model from a model directory.

    Args:
        folder: With config.json and safetensors.
        trust_remote_code: Whether code in the directory may run.
        dtype: What its weights are cast to.
        device: Where it is put; None: :func:`pick_device`.
        quantization: How the weights of its linear layers are held; None: as they are.

    Raises:
        PipelineError: If the directory is missing, cannot be loaded, or its logits are not its head's output
            (an architecture the forward pass does not cover).
    """
    if not (folder / "config.json").is_file():
        raise PipelineError(
            "There is no model directory",
            file=folder,
            found="no config.json",
            expected="config.json and *.safetensors",
            hint="Run `dvc repro`, which makes it",
        )
    device = device or pick_device()
    # Weights are quantised where they are to stay.
    placed = {} if quantization is None else {"quantization_config": quantization, "device_map": {"": device}}
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            local_files_only=True,
            **placed,
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # A damaged file of weights, other shapes than the configuration's, an odd value in it: any kind.
        raise PipelineError(
            "The model cannot be loaded",
            file=folder,
            found=str(error),
            expected="a causal language model that transformers knows, in safetensors",
            hint="Run `dvc repro --force pull_model` (or train, for models/trained), or restore it with "
            "`dvc checkout`; a model with Python code of its own needs model.trust_remote_code",
        ) from error
    if quantization is None:
        model.to(device)  # type: ignore[arg-type]
    else:
        keep_trainable(model)
    if not check_head(model):
        _refuse_broken_weights(model, folder)
        raise PipelineError(
            "The model changes its logits after the output head",
            file=folder,
            found=str(model.config.model_type),
            expected="an architecture whose logits are the output embeddings of its last hidden state",
            hint="Use a model of another family",
        )
    return model


def _refuse_broken_weights(model: PreTrainedModel, folder: Path) -> None:
    """Refuse a model one of whose weights is no number: no output of it means anything."""
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise PipelineError(
                "The model's weights are not all numbers",
                file=folder,
                column=name,
                found="NaN or infinity",
                expected="finite weights",
                hint="Fetch the weights again; if training made them, lower train.lr",
            )


def disable_dropout(model: PreTrainedModel) -> None:
    """Turn off the dropout a model brings along, in place; adapters put in later keep theirs.

    With it, a step's loss would depend on how the step is cut into micro-batches and ranks.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        # Attention layers and OPT's layers hold theirs as a number.
        for name in ("dropout", "attention_dropout", "layerdrop"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def decoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """The repeated layers of a model: those that transformers never splits over devices, in order."""
    names = set(model._no_split_modules or ())
    return [module for module in model.modules() if type(module).__name__ in names]


def checkpoint_layers(model: PreTrainedModel) -> None:
    """Have each decoder layer computed again in the backward pass, in place of keeping what it makes.

    By the same products as in the forward pass (:mod:`pipeline.training.linear`), so that the gradients stay
    as they are without it, to the last bit.

    Raises:
        PipelineError: If the architecture cannot do that.
    """
    if not model.supports_gradient_checkpointing:
        raise PipelineError(
            "The model cannot compute its layers again",
            key="train.gradient_checkpointing",
            found=str(model.config.model_type),
            expected="an architecture with gradient checkpointing",
            hint="Set it to false and lower train.micro_batch_tokens",
        )
    model.activation_checkpointing_enable(
        {"use_reentrant": False, "context_fn": lambda: (contextlib.nullcontext(), OneDnnLinear())}
    )


def add_adapters(model: PreTrainedModel, params: LoraParams) -> None:
    """Put LoRA adapters in and freeze the rest; the model keeps its class and is changed in place.

    Raises:
        PipelineError: If no module has the names asked for.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=params.r,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=params.target_modules,
        task_type="CAUSAL_LM",
    )
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise PipelineError(
            "LoRA finds no module to adapt",
            key="train.lora.target_modules",
            found=str(params.target_modules),
            expected="all-linear, or names of modules in the model",
            hint=str(error),
        ) from error
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)


def merge_adapters(model: PreTrainedModel) -> None:
    """Fold LoRA adapters into the weights they adapt, in place, and take them out.

    Quantised weights become plain ones of the same value first: it is with these values that the adapters
    were trained, and quantised anew, small changes would be lost.
    """
    from peft.tuners.lora import LoraLayer

    if getattr(model, "is_quantized", False):
        model.dequantize(model.dtype)
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            base = module.get_base_layer()
            with torch.no_grad():
                for adapter in module.active_adapters:
                    base.weight += module.get_delta_weight(adapter)  # type: ignore[attr-defined]
            model.set_submodule(name, base)


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path, card: str | None = None
) -> None:
    """Write config, safetensors, tokenizer and, where given, a model card (README.md) into a folder.

    Raises:
        OSError: If it cannot be written.
    """
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
