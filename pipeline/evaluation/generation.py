"""Greedy and sampled answers to held-out prompts, and what can be checked about them by code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pipeline.checks import Constraint, verify
from pipeline.evaluation.decoding import decode
from pipeline.evaluation.diversity import Similarity, diversity
from pipeline.evaluation.sampling import Draw, answer_key
from pipeline.params import EvaluateParams
from pipeline.prose import word_trigrams
from pipeline.schema import GENERATIONS, GREEDY, SAMPLED
from pipeline.tokens.prompts import SpecialTokensInText, prompt_ids


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
    special_tokens_in_text: SpecialTokensInText = "text",
) -> pl.DataFrame:
    """One model's answers, checked: a greedy one to each prompt, and samples to the first of them.

    Args:
        model: The model, in the type it is to generate in.
        name: What to call it in the ``model`` column.
        tokenizer: Its tokenizer with chat template.
        prompts: From :func:`held_out_prompts`.
        params: Batch size, length and how to sample.
        special_tokens_in_text: As the shards were made with.

    Returns:
        A generations table: the greedy answers in the order of the prompts, then the samples, prompt by
        prompt.
    """
    rows = prompts.rows(named=True)
    ids = prompt_ids(tokenizer, [row["prompt"] for row in rows], special_tokens_in_text)
    greedy = decode(
        model,
        tokenizer,
        ids,
        max_new_tokens=params.max_new_tokens,
        batch_size=params.batch_prompts,
        label=f"generate ({name})",
    )
    draws = [
        (place, sample)
        for place in range(min(params.sample_prompts, len(rows)))
        for sample in range(params.samples)
    ]
    sampled = decode(
        model,
        tokenizer,
        [ids[place] for place, _ in draws],
        max_new_tokens=params.max_new_tokens,
        batch_size=params.batch_prompts,
        draws=[
            Draw(answer_key(params.seed, rows[place]["prompt_id"], sample), params.temperature)
            for place, sample in draws
        ],
        top_p=params.top_p,
        label=f"sample ({name})",
    )
    answers = [
        _answer_row(row, name, GREEDY, 0, tokens, tokenizer) for row, tokens in zip(rows, greedy, strict=True)
    ]
    answers += [
        _answer_row(rows[place], name, SAMPLED, sample, tokens, tokenizer)
        for (place, sample), tokens in zip(draws, sampled, strict=True)
    ]
    return pl.DataFrame(answers, schema=GENERATIONS.schema())


def _answer_row(
    row: dict[str, Any],
    name: str,
    decoding: str,
    sample: int,
    tokens: list[int],
    tokenizer: PreTrainedTokenizerFast,
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
        "decoding": decoding,
        "sample": sample,
        "prompt": row["prompt"],
        "response": text,
        "tokens": len(tokens),
        "finished": bool(tokens) and tokens[-1] == tokenizer.eos_token_id,
        "constraint": constraint,
        "success": None if verdict is None else verdict.passed,
        "failures": None if verdict is None else list(verdict.failures),
    }


def repetition(text: str) -> float:
    """Share of a text's word trigrams that repeat an earlier one: 0 for varied text, near 1 for a loop.

    Words are those of :mod:`pipeline.prose`, casefolded and without punctuation; 0 below three of them.
    """
    trigrams = word_trigrams(text)
    return 1.0 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def summarise_generations(answers: pl.DataFrame, similarity: Similarity) -> dict[str, Any]:
    """What the answers of one model come to.

    Args:
        answers: Its rows of the generations table.
        similarity: How alike texts are, for diversity.

    Returns:
        ``instruction_success`` (share of checked prompts whose greedy answer passes; None where none has
        checks) and ``generation``: prompts, checked_prompts and the facts of :func:`answer_facts` for the
        greedy answers; ``diversity``, from :func:`~pipeline.evaluation.diversity.diversity`; and where there
        are samples ``sampled``: prompts, answers, instruction_success (share of checked samples that pass)
        and the same facts for them.
    """
    greedy, sampled = answers.filter(decoding=GREEDY), answers.filter(decoding=SAMPLED)
    generation = {
        "prompts": greedy.height,
        "checked_prompts": greedy["success"].count(),
        **answer_facts(greedy),
        "diversity": diversity(answers, similarity),
    }
    if sampled.height:
        generation["sampled"] = {
            "prompts": sampled["prompt_id"].n_unique(),
            "answers": sampled.height,
            "instruction_success": sampled["success"].mean(),
            **answer_facts(sampled),
        }
    return {"instruction_success": greedy["success"].mean(), "generation": generation}


def answer_facts(answers: pl.DataFrame) -> dict[str, float | None]:
    """How answers look, whatever they say; every value is None where there is no answer.

    Returns:
        finished_share; mean, median and p90 of ``tokens`` (EOS included) and of ``chars``, percentiles
        interpolated linearly; empty_share (nothing but whitespace); repetition_share (mean of
        :func:`repetition`).
    """
    response = pl.col("response")
    facts = answers.select(
        pl.col("finished").mean().alias("finished_share"),
        *_lengths(pl.col("tokens"), "tokens"),
        *_lengths(response.str.len_chars(), "chars"),
        (response.str.strip_chars() == "").mean().alias("empty_share"),
    ).row(0, named=True)
    return {**facts, "repetition_share": _mean(map(repetition, answers["response"].to_list()))}


def _lengths(length: pl.Expr, unit: str) -> list[pl.Expr]:
    return [
        length.mean().alias(f"mean_{unit}"),
        length.median().alias(f"median_{unit}"),
        length.quantile(0.9, interpolation="linear").alias(f"p90_{unit}"),
    ]


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
