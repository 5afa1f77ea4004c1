"""Loading a model directory's tokenizer, checked for what the pipeline needs of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jinja2 import TemplateSyntaxError
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.tokens.templates import DEFAULT_TEMPLATE, PLAIN_TURNS, render


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a model directory, with a chat template, an EOS and a pad token.

    A tokenizer without a chat template, as base models have, takes
    :data:`~pipeline.tokens.templates.PLAIN_TURNS`.

    A tokenizer without a pad token takes EOS for it: masks are data here, so padding is never mistaken for
    a trained EOS (law 3).

    Raises:
        PipelineError: If the directory or its tokenizer is missing, cannot be loaded, is not a fast one,
            or lacks an EOS token; or if its chat template cannot be read.
    """
    if not (folder / "config.json").is_file():
        raise PipelineError(
            "There is no model directory",
            file=folder,
            found="no config.json",
            expected="config.json, weights and tokenizer files",
            hint="Run `dvc repro pull_model`, or correct model.path in params.yaml",
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise PipelineError(
            "The model directory has no tokenizer",
            file=folder,
            found="neither tokenizer.json nor tokenizer_config.json",
            expected="the tokenizer's files beside the weights",
            hint="Save the tokenizer there with tokenizer.save_pretrained",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except Exception as error:
        # The tokenizers library raises bare exceptions, and odd values in a file any kind.
        raise PipelineError(
            "The tokenizer cannot be loaded",
            file=folder,
            found=str(error),
            expected="tokenizer.json, tokenizer_config.json and config.json as transformers writes them",
            hint="Save it again with a current transformers; one with Python code of its own needs "
            "model.trust_remote_code",
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise PipelineError(
            "The tokenizer is not a fast one",
            file=folder,
            found=type(tokenizer).__name__,
            expected="a tokenizer with tokenizer.json",
            hint="Convert it with transformers (use_fast=True) and save it",
        )
    if tokenizer.eos_token_id is None:
        raise PipelineError(
            "The tokenizer has no EOS token",
            file=folder,
            expected="eos_token in tokenizer_config.json, the token that ends a turn",
        )
    # A model's own setting would split the template's control tokens with those in texts;
    # tokenize.special_tokens_in_text tells the two apart.
    tokenizer.split_special_tokens = tokenizer.backend_tokenizer.encode_special_tokens = False
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TURNS
    _check_template(tokenizer, folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _check_template(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Refuse a chat template that is no Jinja; which conversations it takes shows when it is used."""
    names = ("chat_template.jinja", "tokenizer_config.json")
    file = next((folder / name for name in names if (folder / name).is_file()), folder)
    expected = "a Jinja template that prints messages"
    if not isinstance(tokenizer.chat_template, str):
        raise PipelineError(
            "The chat template is not one template",
            file=file,
            column="chat_template",
            found=type(tokenizer.chat_template).__name__,
            expected=expected,
            hint="Save the tokenizer with the template to train with alone",
        )
    try:
        render(tokenizer, [[{"role": "user", "content": "a"}]], True)
    except TemplateSyntaxError as error:
        raise PipelineError(
            "The chat template cannot be read",
            file=file,
            row=error.lineno,
            column="chat_template",
            found=error.message,
            expected=expected,
            hint="Mend the template, or take it away: a plain one is used then",
        ) from error
    except Exception:
        # It refuses this conversation, in a way of its own.
        return


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256 (hex) of the tokenizer's whole definition: vocabulary, merges, normaliser, special tokens."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def template_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256 (hex) of the chat template's text."""
    return hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()


def template_name(tokenizer: PreTrainedTokenizerFast) -> str:
    """``model`` where the tokenizer has a template of its own, else the name of the default one."""
    return DEFAULT_TEMPLATE if tokenizer.chat_template == PLAIN_TURNS else "model"
