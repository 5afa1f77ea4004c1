"""What the base model says of the sample, where it is at hand: lengths, examples, size and speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.errors import PipelineError
from pipeline.inspection.examples import Example, plain_examples, token_examples
from pipeline.inspection.lengths import TokenFindings, measure_tokens
from pipeline.inspection.machine import ModelSize, matmul_rate, model_size
from pipeline.params import ModelParams, Params, project_path


@dataclass(frozen=True)
class ModelPart:
    """What was found out with the base model.

    Attributes:
        folder: Its directory; None: it is not here, or its tokenizer cannot be loaded.
        tokens: Lengths; None: without a tokenizer, or where the chat template refuses a pair.
        examples: Pairs as the model will see them; without a tokenizer their bare texts.
        size: The model's; None: without weights.
        flops: Its matmuls' floating-point operations a second; None: without a size.
        device: What they were measured on.
        stopped: Why tokenize would stop; None: it would not.
    """

    folder: Path | None
    tokens: TokenFindings | None
    examples: list[Example] = field(default_factory=list)
    size: ModelSize | None = None
    flops: float | None = None
    device: str = ""
    stopped: PipelineError | None = None


def local_model(root: Path, params: ModelParams) -> Path | None:
    """The directory of the base model: the one stage pull_model made, or the one it would copy; or none.

    Args:
        root: The project's top folder.
        params: The section ``model``.
    """
    places = [root / "models" / "base"]
    if params.source == "path" and params.path is not None:
        places.insert(0, root / project_path(params.path))
    return next((place for place in places if (place / "config.json").is_file()), None)


def look_with_model(folder: Path | None, params: Params, pairs: pl.DataFrame) -> ModelPart:
    """Tokenise pairs, render examples, and measure.

    Args:
        folder: The base model's directory; None: there is none, and texts are shown as they are.
        params: All of them.
        pairs: A pairs table, in the order in which examples are taken; it may be empty.
    """
    if folder is None:
        return ModelPart(None, None, plain_examples(pairs))
    from pipeline.tokens.tokenizer import load_tokenizer

    size = model_size(folder)
    flops, device = matmul_rate(size, params.train) if size is not None else (None, "")
    tokens, examples, stopped = None, plain_examples(pairs), None
    try:
        tokenizer = load_tokenizer(folder, params.model.trust_remote_code)
        if pairs.height:
            tokens = measure_tokens(pairs, tokenizer, params.tokenize)
            examples = token_examples(tokens.kept, tokenizer)
            stopped = None if tokens.kept else _all_too_long(params, pairs.height)
    except PipelineError as error:
        folder, stopped = None, error
    return ModelPart(folder, tokens, examples, size, flops, device, stopped)


def _all_too_long(params: Params, pairs: int) -> PipelineError:
    return PipelineError(
        "No pair is left after tokenising",
        key="tokenize.max_length",
        found=f"{params.tokenize.max_length} tokens; all {pairs} pairs looked at are too long",
        expected="at least one pair that fits",
        hint="Raise tokenize.max_length or set tokenize.truncation to truncate_response",
    )
