"""Greedy and sampled answers, and what they come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.evaluation.diversity import NgramSimilarity
from pipeline.evaluation.generation import answer_facts, generate_answers, repetition, summarise_generations
from pipeline.evaluation.sampling import answer_key
from pipeline.params import EvaluateParams
from pipeline.schema import GENERATIONS
from pipeline.tokens.chat import encode, render_prompt
from pipeline.validation import validate
from tests.conftest import make_model

PROMPTS = pl.DataFrame(
    {
        "prompt_id": ["p0", "p1", "p2"],
        "prompt": [[{"role": "user", "content": text}] for text in ("Hi", "Tell me more of it", "Why?")],
        "constraint": pl.Series([None, None, None], dtype=pl.String),
    }
)


def answers(tokenizer: PreTrainedTokenizerFast, prompts: pl.DataFrame = PROMPTS, **keys: Any) -> pl.DataFrame:
    params = EvaluateParams(**({"max_new_tokens": 6, "samples": 2} | keys))
    found = generate_answers(make_model(seed=3), "base", tokenizer, prompts, params)
    validate(found, GENERATIONS)
    return found


def texts(found: pl.DataFrame, decoding: str) -> dict[tuple[str, int], str]:
    rows = found.filter(decoding=decoding).select("prompt_id", "sample", "response").rows()
    return {(prompt, sample): text for prompt, sample, text in rows}


def nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """The textbook's: the likeliest tokens until they reach top_p together."""
    order = logits.argsort(descending=True)
    before = logits.softmax(-1)[order].cumsum(0) - logits.softmax(-1)[order]
    kept = torch.full_like(logits, -torch.inf)
    kept[order[before < top_p]] = logits[order[before < top_p]]
    return kept


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.3, 0.5)])
def test_samples_are_those_of_the_plain_loop(
    tokenizer: PreTrainedTokenizerFast, temperature: float, top_p: float
) -> None:
    found = answers(tokenizer, temperature=temperature, top_p=top_p, seed=4).filter(decoding="sampled")
    model = make_model(seed=3).eval()
    assert found.height == 6
    for row in found.iter_rows(named=True):
        stream = np.random.Generator(np.random.Philox(key=answer_key(4, row["prompt_id"], row["sample"])))
        [ids] = encode(tokenizer, [render_prompt(tokenizer, row["prompt"])])
        start = len(ids)
        while len(ids) < start + 6 and tokenizer.eos_token_id not in ids[start:]:
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0, -1].double() / temperature
            noise = -np.log(stream.standard_exponential(len(logits)))
            ids = [*ids, int((nucleus(logits, top_p) + torch.from_numpy(noise)).argmax())]
        assert row["response"] == tokenizer.decode(ids[start:], skip_special_tokens=True)
        assert (row["tokens"], row["finished"]) == (len(ids) - start, ids[-1] == tokenizer.eos_token_id)


def test_tokens_are_drawn_as_often_as_the_model_says(tokenizer: PreTrainedTokenizerFast) -> None:
    found = answers(
        tokenizer, PROMPTS.head(1), max_new_tokens=1, samples=1000, temperature=0.1, batch_prompts=500
    )
    [ids] = encode(tokenizer, [render_prompt(tokenizer, PROMPTS.row(0, named=True)["prompt"])])
    with torch.no_grad():
        chances = (make_model(seed=3).eval()(torch.tensor([ids])).logits[0, -1] / 0.1).softmax(-1)
    order = chances.argsort(descending=True)
    # The three likeliest ASCII characters, and all else: three degrees of freedom.
    # (Half a character of UTF-8 decodes like any other half.)
    said = [str(text) for text in tokenizer.batch_decode(torch.arange(len(chances))[:, None])]
    likeliest = [token for token in order.tolist() if said[token].isascii() and token > 2][:3]
    counts = dict(found.filter(decoding="sampled")["response"].value_counts().rows())
    seen = np.array([counts.get(said[token], 0) for token in likeliest])
    expected = 1000 * chances[likeliest].double().numpy()
    seen, expected = np.append(seen, 1000 - seen.sum()), np.append(expected, 1000 - expected.sum())
    assert expected.min() > 5
    assert ((seen - expected) ** 2 / expected).sum() < 16.27


def test_no_answer_depends_on_its_batch_or_on_the_order(tokenizer: PreTrainedTokenizerFast) -> None:
    alone = answers(tokenizer, batch_prompts=1)
    for other in (
        answers(tokenizer, batch_prompts=4),
        answers(tokenizer, PROMPTS.reverse(), batch_prompts=5),
        answers(tokenizer, PROMPTS.tail(1)),
    ):
        for decoding in ("greedy", "sampled"):
            found = texts(other, decoding)
            assert found and found.items() <= texts(alone, decoding).items()


def test_samples_follow_the_seed_and_greedy_answers_do_not(tokenizer: PreTrainedTokenizerFast) -> None:
    one, again, other = (answers(tokenizer, seed=seed) for seed in (0, 0, 1))
    assert one.equals(again)
    assert texts(one, "greedy") == texts(other, "greedy")
    drawn = [*texts(one, "sampled").values(), *texts(other, "sampled").values()]
    assert len(set(drawn)) == len(drawn) == 12


def test_more_samples_leave_the_first_as_they_were(tokenizer: PreTrainedTokenizerFast) -> None:
    fewer, more = (texts(answers(tokenizer, samples=count), "sampled") for count in (1, 3))
    assert fewer.items() <= more.items() and len(more) == 9


@pytest.mark.parametrize(("samples", "sample_prompts", "rows"), [(3, 2, 6), (0, 8, 0), (3, 0, 0), (1, 9, 3)])
def test_the_first_prompts_are_sampled_for(
    tokenizer: PreTrainedTokenizerFast, samples: int, sample_prompts: int, rows: int
) -> None:
    found = answers(tokenizer, samples=samples, sample_prompts=sample_prompts, max_new_tokens=1)
    sampled = found.filter(decoding="sampled")
    assert (found.height, sampled.height) == (3 + rows, rows)
    assert set(sampled["prompt_id"]) == (set(PROMPTS["prompt_id"][:sample_prompts]) if rows else set())
    assert set(found.filter(decoding="greedy")["sample"]) == {0}


def test_no_prompts_give_no_answers(tokenizer: PreTrainedTokenizerFast) -> None:
    assert answers(tokenizer, PROMPTS.clear()).is_empty()


def test_cold_samples_are_greedy(tokenizer: PreTrainedTokenizerFast) -> None:
    found = answers(tokenizer, temperature=1e-6, samples=1)
    assert texts(found, "sampled") == texts(found, "greedy")


def test_settings_that_come_with_a_model_do_not_apply(tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_model(seed=3)
    model.generation_config.repetition_penalty = 50.0
    model.generation_config.temperature, model.generation_config.top_k = 0.1, 2
    own = model.generation_config
    found = generate_answers(model, "base", tokenizer, PROMPTS, EvaluateParams(max_new_tokens=6, samples=2))
    assert found.equals(answers(tokenizer))
    assert model.generation_config is own


# --- what they come to ----------------------------------------------------------------------------------


def table(*rows: tuple[str, str, int, str, int, bool, bool | None]) -> pl.DataFrame:
    columns = ("prompt_id", "decoding", "sample", "response", "tokens", "finished", "success")
    schema = {name: GENERATIONS.columns[name].dtype for name in columns}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def test_the_summary_by_hand() -> None:
    found = table(
        ("p", "greedy", 0, "a b c a b c", 6, False, True),
        ("q", "greedy", 0, " ", 1, True, False),
        ("r", "greedy", 0, "one two", 3, True, None),
        ("p", "sampled", 0, "a b", 2, True, False),
        ("p", "sampled", 1, "a c", 2, False, False),
    )
    assert summarise_generations(found, NgramSimilarity()) == {
        "instruction_success": 0.5,
        "generation": {
            "prompts": 3,
            "checked_prompts": 2,
            "finished_share": pytest.approx(2 / 3),
            "mean_tokens": pytest.approx(10 / 3),
            "median_tokens": 3.0,
            "p90_tokens": pytest.approx(3 + 0.8 * 3),
            "mean_chars": pytest.approx((11 + 1 + 7) / 3),
            "median_chars": 7.0,
            "p90_chars": pytest.approx(7 + 0.8 * 4),
            "empty_share": pytest.approx(1 / 3),
            "repetition_share": pytest.approx(0.25 / 3),
            "diversity": {
                "method": "word n-grams, 1 to 3",
                "per_input": pytest.approx(1 / 3),
                "across_input": None,
                "across_input_greedy": pytest.approx(0.0),
            },
            "sampled": {
                "prompts": 1,
                "answers": 2,
                "instruction_success": 0.0,
                "finished_share": 0.5,
                "mean_tokens": 2.0,
                "median_tokens": 2.0,
                "p90_tokens": 2.0,
                "mean_chars": 3.0,
                "median_chars": 3.0,
                "p90_chars": 3.0,
                "empty_share": 0.0,
                "repetition_share": 0.0,
            },
        },
    }


def test_no_answers_have_no_values() -> None:
    summary = summarise_generations(table(), NgramSimilarity())
    assert summary["instruction_success"] is None
    assert set(answer_facts(table()).values()) == {None}
    generation = summary["generation"]
    assert (generation["prompts"], generation["checked_prompts"]) == (0, 0)
    assert "sampled" not in generation


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a b c a b c", 0.25),  # abc bca cab abc: one of four repeats
        ("A b, c. a (b) c!", 0.25),  # the same words
        ("one two", 0.0),
        ("", 0.0),
        ("no no no no no", 2 / 3),
    ],
)
def test_repetition_by_hand(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share)
