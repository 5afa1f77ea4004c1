"""Loading a model directory to train or evaluate, adapters, and writing the trained one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.params import LoraParams
from pipeline.training.forward import check_head
from pipeline.training.linear import OneDnnLinear

Autocast = contextlib.AbstractContextManager[Any]


def pick_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, dtype: str) -> Autocast:
    """Autocast of the matmuls to bf16 for bf16_autocast, else nothing."""
    if dtype == "bf16_autocast":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def load_model(folder: Path, trust_remote_code: bool = False) -> PreTrainedModel:
    """A causal language model with float32 weights, on the best device at hand.

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
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError) as error:
        raise PipelineError(
            "The model cannot be loaded",
            file=folder,
            found=str(error),
            expected="a causal language model that transformers knows, in safetensors",
        ) from error
    model.to(pick_device())  # type: ignore[arg-type]
    if not check_head(model):
        raise PipelineError(
            "The model changes its logits after the output head",
            file=folder,
            found=str(model.config.model_type),
            expected="an architecture whose logits are the output embeddings of its last hidden state",
            hint="Use a model of another family",
        )
    return model


def disable_dropout(model: PreTrainedModel) -> None:
    """Turn off the dropout a model brings along, in place; adapters put in later keep theirs.

    With it, a step's loss would depend on how the step is cut into micro-batches and ranks.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        # Attention layers and OPT's layers hold theirs as a number.
        for name in ("dropout", "attention_dropout", "layerdrop"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def checkpoint_layers(model: PreTrainedModel) -> None:
    """Have each decoder layer computed again in the backward pass, in place of keeping what it makes.

    By the same products as in the forward pass (:mod:`pipeline.training.linear`), so that the gradients stay
    as they are without it.

    Raises:
        ValueError: If the architecture cannot do that.
    """
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
    """Fold LoRA adapters into the weights they adapt, in place, and take them out."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())


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
