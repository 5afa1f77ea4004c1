"""Greedy answers to held-out prompts, and what can be checked about them by code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.checks import Constraint, verify
from pipeline.params import EvaluateParams
from pipeline.progress import track
from pipeline.schema import GENERATIONS
from pipeline.tokens.chat import encode_prompts, render_prompt


def held_out_prompts(pairs: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The distinct prompts of held-out pairs, those with a checkable constraint first, at most ``limit``.

    Returns:
        prompt_id, prompt, constraint, ordered by prompt_id within each group: the choice does not depend on
        the order of the pairs.
    """
    return (
        pairs.select("prompt_id", "prompt", "constraint")
        .sort("prompt_id", "constraint", nulls_last=True)
        .unique("prompt_id", keep="first", maintain_order=True)
        .sort(pl.col("constraint").is_null(), "prompt_id")
        .head(limit)
    )


def generate_answers(
    model: PreTrainedModel,
    name: str,
    tokenizer: PreTrainedTokenizerFast,
    prompts: pl.DataFrame,
    params: EvaluateParams,
) -> pl.DataFrame:
    """Greedy answers of one model, checked.

    Args:
        model: The model, in the type it is to generate in.
        name: What to call it in the ``model`` column.
        tokenizer: Its tokenizer with chat template.
        prompts: From :func:`held_out_prompts`.
        params: Batch size and length.

    Returns:
        A generations table, in the order of the prompts.
    """
    model.eval()
    ids = encode_prompts(
        tokenizer, [render_prompt(tokenizer, prompt) for prompt in prompts["prompt"].to_list()]
    )
    # Prompts of like length together: less padding, and no answer depends on it.
    order = sorted(range(len(ids)), key=lambda index: (len(ids[index]), index))
    batches = [
        order[start : start + params.batch_prompts] for start in range(0, len(order), params.batch_prompts)
    ]
    answers: dict[int, list[int]] = {}
    for part in track(batches, f"generate ({name})", total=len(batches), unit="batches"):
        for index, answer in zip(
            part, _greedy(model, tokenizer, [ids[i] for i in part], params), strict=True
        ):
            answers[index] = answer
    rows = [
        _answer_row(row, name, answers[index], tokenizer)
        for index, row in enumerate(prompts.iter_rows(named=True))
    ]
    return pl.DataFrame(rows, schema=GENERATIONS.schema())


@torch.no_grad()
def _greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Sequence[int]],
    params: EvaluateParams,
) -> list[list[int]]:
    """New token ids of each prompt, up to and including the first EOS."""
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    width = max(len(prompt) for prompt in prompts)
    # Left padding, so that every answer starts where the prompt ends.
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    config = GenerationConfig(
        max_new_tokens=params.max_new_tokens, do_sample=False, eos_token_id=eos, pad_token_id=pad
    )
    output = model.generate(  # type: ignore[operator]
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
    )
    answers = []
    for tokens in output[:, width:].tolist():
        answers.append(tokens[: tokens.index(eos) + 1] if eos in tokens else tokens)
    return answers


def _answer_row(
    row: dict[str, Any], name: str, tokens: list[int], tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    text = str(tokenizer.decode(tokens, skip_special_tokens=True))
    constraint = row["constraint"]
    verdict = None
    if constraint is not None:
        instruction = row["prompt"][-1]["content"]
        verdict = verify(Constraint.from_json(constraint), instruction, text)
    return {
        "prompt_id": row["prompt_id"],
        "model": name,
        "prompt": row["prompt"],
        "response": text,
        "tokens": len(tokens),
        "finished": bool(tokens) and tokens[-1] == tokenizer.eos_token_id,
        "constraint": constraint,
        "success": None if verdict is None else verdict.passed,
        "failures": None if verdict is None else list(verdict.failures),
    }


def repetition(text: str) -> float:
    """Share of a text's word trigrams that repeat an earlier one: 0 for varied text, near 1 for a loop."""
    words = text.split()
    trigrams = [tuple(words[start : start + 3]) for start in range(len(words) - 2)]
    return 1.0 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def summarise_generations(answers: pl.DataFrame) -> dict[str, Any]:
    """What the answers of one model come to.

    Returns:
        ``instruction_success`` (share of checked prompts whose answer passes; None where none has checks) and
        ``generation``: prompts, checked_prompts, finished_share, mean_tokens, empty_share, repetition_share
        (mean share of repeated trigrams).
    """
    checked = answers.filter(pl.col("success").is_not_null())
    repeated = [repetition(text) for text in answers["response"].to_list()]
    return {
        "instruction_success": checked["success"].mean() if checked.height else None,
        "generation": {
            "prompts": answers.height,
            "checked_prompts": checked.height,
            "finished_share": answers["finished"].mean() if answers.height else None,
            "mean_tokens": answers["tokens"].mean() if answers.height else None,
            "empty_share": (answers["response"].str.strip_chars() == "").mean() if answers.height else None,
            "repetition_share": sum(repeated) / len(repeated) if repeated else None,
        },
    }
