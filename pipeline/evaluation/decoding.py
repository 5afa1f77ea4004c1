"""Batched greedy and sampled decoding: token ids in, token ids out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from pipeline.evaluation.sampling import GumbelNoise
from pipeline.progress import track

Ids = Sequence[int]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        keys: One per prompt: the stream its answer is drawn from.
        temperature: What logits are divided by, above 0.
        top_p: Probability that the tokens drawn from have together, the likeliest first; 1: all tokens.
    """

    keys: Sequence[int]
    temperature: float = 1.0
    top_p: float = 1.0

    def processors(self, rows: Sequence[int]) -> LogitsProcessorList:
        """What turns the logits of these prompts' answers, in this order, into noisy scores to maximise."""
        steps = LogitsProcessorList()
        if self.temperature != 1.0:
            steps.append(TemperatureLogitsWarper(self.temperature))
        if self.top_p < 1.0:
            steps.append(TopPLogitsWarper(self.top_p))
        steps.append(GumbelNoise([self.keys[row] for row in rows]))
        return steps


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Ids],
    *,
    max_new_tokens: int,
    batch_size: int,
    sampling: Sampling | None = None,
    label: str = "generate",
) -> list[list[int]]:
    """New token ids for each prompt, in the prompts' order, up to and including the first EOS.

    No answer depends on the batch it is in, but for floating point (:mod:`pipeline.evaluation.sampling`). Of
    the decoding settings that a model directory brings along, such as a repetition penalty, none applies.

    Args:
        model: The model, in the type it is to generate in.
        tokenizer: For its EOS and pad ids.
        prompts: Token ids, up to where the assistant speaks.
        max_new_tokens: Most tokens of an answer.
        batch_size: Prompts decoded at once.
        sampling: How to draw; None: greedily.
        label: What the progress line calls it.
    """
    model.eval()
    # Prompts of like length together: less padding.
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    answers: dict[int, list[int]] = {}
    with _own_settings(model):
        for rows in track(batches, label, total=len(batches), unit="batches"):
            processors = None if sampling is None else sampling.processors(rows)
            found = _decode_batch(
                model, tokenizer, [prompts[row] for row in rows], max_new_tokens, processors
            )
            answers.update(zip(rows, found, strict=True))
    return [answers[index] for index in range(len(prompts))]


@contextmanager
def _own_settings(model: PreTrainedModel) -> Iterator[None]:
    """Within, the model's generation_config is empty: transformers fills what a caller left open from it."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


@torch.no_grad()
def _decode_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Ids],
    max_new_tokens: int,
    processors: LogitsProcessorList | None,
) -> list[list[int]]:
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    width = max(len(prompt) for prompt in prompts)
    # Left padding, so that every answer starts where the prompt ends.
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    # Sampling is greedy too, over noisy scores.
    config = GenerationConfig(
        max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=eos, pad_token_id=pad
    )
    output = model.generate(  # type: ignore[operator]
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        generation_config=config,
        logits_processor=processors,
    )
    answers = []
    for tokens in output[:, width:].tolist():
        answers.append(tokens[: tokens.index(eos) + 1] if eos in tokens else tokens)
    return answers
