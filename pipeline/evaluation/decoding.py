"""Batched greedy and sampled decoding: token ids in, token ids out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.evaluation.sampling import Draw, Sampler
from pipeline.progress import track

Ids = Sequence[int]


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Ids],
    *,
    max_new_tokens: int,
    batch_size: int,
    draws: Sequence[Draw | None] | None = None,
    top_p: float = 1.0,
    label: str = "generate",
) -> list[list[int]]:
    """New token ids for each prompt, in the prompts' order, up to and including the first EOS.

    No answer depends on the batch it is in, but for floating point (:mod:`pipeline.evaluation.sampling`).

    Args:
        model: The model, in the type it is to generate in.
        tokenizer: For its EOS and pad ids.
        prompts: Token ids, up to where the assistant speaks.
        max_new_tokens: Most tokens of an answer.
        batch_size: Prompts decoded at once.
        draws: How to draw, one per prompt; None, whole or in places: greedily.
        top_p: See :class:`~pipeline.evaluation.sampling.Sampler`.
        label: What the progress line calls it.
    """
    chosen = draws or [None] * len(prompts)
    # Prompts of like length together: less padding.
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    answers: dict[int, list[int]] = {}
    for rows in track(batches, label, total=len(batches), unit="batches"):
        found = decode_batch(
            model,
            tokenizer,
            [prompts[row] for row in rows],
            max_new_tokens=max_new_tokens,
            draws=[chosen[row] for row in rows],
            top_p=top_p,
        )
        answers.update(zip(rows, found, strict=True))
    return [answers[index] for index in range(len(prompts))]


@torch.no_grad()
def decode_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Ids],
    *,
    max_new_tokens: int,
    draws: Sequence[Draw | None],
    top_p: float = 1.0,
    stops: Collection[int] = (),
) -> list[list[int]]:
    """New token ids for each prompt of one batch, up to and including the first that ends the answer.

    Nothing but logits and draws decides between tokens: of the decoding settings that a model directory
    brings along, such as a repetition penalty, none applies.

    Args:
        model: The model, in the type it is to generate in.
        tokenizer: For its EOS and pad ids.
        prompts: Token ids, up to where the assistant speaks; at least one.
        max_new_tokens: Most tokens of an answer.
        draws: How to draw, one per prompt; None: greedily.
        top_p: See :class:`~pipeline.evaluation.sampling.Sampler`.
        stops: Ids that end an answer besides the tokenizer's EOS.
    """
    model.eval()
    pad, ends = tokenizer.pad_token_id, {tokenizer.eos_token_id, *stops}
    width = max(map(len, prompts))
    # Left padding, so that every answer starts where the prompt ends.
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    # Sampling is greedy too, over noisy scores.
    config = GenerationConfig(
        max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=sorted(ends), pad_token_id=pad
    )
    with _own_settings(model):
        output = model.generate(  # type: ignore[operator]
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=config,
            logits_processor=LogitsProcessorList([Sampler(draws, top_p)]),
        )
    return [_up_to_end(tokens, ends) for tokens in output[:, width:].tolist()]


@contextmanager
def _own_settings(model: PreTrainedModel) -> Iterator[None]:
    """Within, the model's generation_config is empty: transformers fills what a caller left open from it."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def _up_to_end(tokens: list[int], ends: Collection[int]) -> list[int]:
    """The tokens of one row up to and including the first that ends it; what follows is padding."""
    end = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[: end + 1]
