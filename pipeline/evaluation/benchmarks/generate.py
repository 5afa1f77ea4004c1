"""A model's answers to the prompts of a benchmark: batched, turn by turn, kept as they are made.

Answers are greedy, or sampled where a prompt asks for a temperature. The noise of a sampled answer is seeded
by the prompt's key and turn, so neither its batch nor the order of the prompts decides what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from pipeline.evaluation.benchmarks.interface import BenchmarkAnswer, BenchmarkPrompt
from pipeline.files import content_id
from pipeline.progress import progress_bar
from pipeline.tokens.chat import encode_prompts, render_prompt
from pipeline.tokens.templates import Conversation


@dataclass(frozen=True)
class Decoding:
    """How answers are made.

    Attributes:
        max_new_tokens: Tokens a response may have; one that reaches it is cut there.
        batch_prompts: Prompts answered at once.
    """

    max_new_tokens: int
    batch_prompts: int


@dataclass(frozen=True)
class Draw:
    """What a response is drawn by: temperature 0 is greedy, and then the seed does not matter."""

    temperature: float
    seed: int


@dataclass(frozen=True)
class Response:
    """A generated text, how many tokens it took with its EOS, and whether it ended by itself."""

    text: str
    tokens: int
    finished: bool


def answer_prompts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[BenchmarkPrompt],
    decoding: Decoding,
    keep: Callable[[Sequence[BenchmarkAnswer]], None],
    label: str,
) -> None:
    """Answer prompts batch by batch, those of like length together.

    Args:
        model: In the type it is to generate in.
        tokenizer: Its tokenizer with chat template.
        prompts: What to answer.
        decoding: Limits.
        keep: Is given the answers of each batch as soon as all their turns are answered.
        label: What to call the work in the progress display.
    """
    # The longest first: if memory does not suffice, that is known at once.
    ranked = sorted(prompts, key=lambda prompt: (-sum(map(len, prompt.turns)), prompt.key))
    with progress_bar() as display:
        task = display.begin(label, len(ranked), "prompts")
        for start in range(0, len(ranked), decoding.batch_prompts):
            batch = ranked[start : start + decoding.batch_prompts]
            keep(_answer_batch(model, tokenizer, batch, decoding))
            display.done(task, len(batch))


def _answer_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[BenchmarkPrompt],
    decoding: Decoding,
) -> list[BenchmarkAnswer]:
    """Whole answers: each turn is asked once the one before is answered by all that have it."""
    talks: list[Conversation] = [[] for _ in prompts]
    responses: list[list[Response]] = [[] for _ in prompts]
    for turn in range(max(len(prompt.turns) for prompt in prompts)):
        asked = [place for place, prompt in enumerate(prompts) if turn < len(prompt.turns)]
        for place in asked:
            talks[place].append({"role": "user", "content": prompts[place].turns[turn]})
        draws = [Draw(prompts[place].temperature, _seed(prompts[place].key, turn)) for place in asked]
        said = generate(model, tokenizer, [talks[place] for place in asked], draws, decoding.max_new_tokens)
        for place, response in zip(asked, said, strict=True):
            talks[place].append({"role": "assistant", "content": response.text})
            responses[place].append(response)
    return [
        BenchmarkAnswer(
            prompt.key,
            prompt.turns,
            responses=tuple(response.text for response in given),
            tokens=tuple(response.tokens for response in given),
            finished=tuple(response.finished for response in given),
        )
        for prompt, given in zip(prompts, responses, strict=True)
    ]


def _seed(key: str, turn: int) -> int:
    return int(content_id(key, str(turn)), 16)


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    conversations: Sequence[Conversation],
    draws: Sequence[Draw],
    max_new_tokens: int,
) -> list[Response]:
    """The assistant's next turn of each conversation, as one batch.

    Nothing but the draws decides between tokens: of the settings that a model directory brings along, such as
    a repetition penalty, only its further EOS ids apply.

    Args:
        model: In the type it is to generate in.
        tokenizer: Its tokenizer with chat template.
        conversations: Each ends with a user's turn.
        draws: One per conversation.
        max_new_tokens: Tokens a response may have.

    Returns:
        A response per conversation, without special tokens.
    """
    model.eval()
    prompts = encode_prompts(tokenizer, [render_prompt(tokenizer, talk) for talk in conversations])
    pad, stops = int(tokenizer.pad_token_id), _stops(model, tokenizer)
    width = max(map(len, prompts))
    # Left padding, so that every answer starts where the prompt ends.
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(stops),
        pad_token_id=pad,
    )
    sampling = [SampledArgmax(draws)] if any(draw.temperature for draw in draws) else []
    with _without_settings(model):
        output = model.generate(  # type: ignore[operator]
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=config,
            logits_processor=LogitsProcessorList(sampling),
        )
    return [_response(tokenizer, tokens, stops) for tokens in output[:, width:].tolist()]


@contextmanager
def _without_settings(model: PreTrainedModel) -> Iterator[None]:
    """Within, the model's generation_config is empty: transformers fills what a caller left open from it."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def _stops(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> set[int]:
    """Ids that end a response."""
    named = getattr(model.generation_config, "eos_token_id", None)
    return {
        int(tokenizer.eos_token_id),
        *([] if named is None else [named] if isinstance(named, int) else named),
    }


def _response(tokenizer: PreTrainedTokenizerFast, tokens: list[int], stops: set[int]) -> Response:
    """The new tokens of one row up to and including the first that ends it; what follows is padding."""
    end = next((place for place, token in enumerate(tokens) if token in stops), None)
    own = tokens if end is None else tokens[: end + 1]
    return Response(str(tokenizer.decode(own, skip_special_tokens=True)), len(own), end is not None)


class SampledArgmax(LogitsProcessor):
    """Makes greedy decoding sample, each row by a stream of its own.

    The token with the largest sum of logit over temperature and Gumbel noise is distributed as the softmax at
    that temperature (the Gumbel-max trick: Gumbel, 1954; Maddison et al., NIPS 2014, eq. 3).

    Args:
        draws: One per row of the batch.
    """

    def __init__(self, draws: Sequence[Draw]) -> None:
        self._draws = draws
        self._streams = [torch.Generator().manual_seed(draw.seed) for draw in draws]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores with noise in the sampled rows, shape (rows, vocabulary), float32."""
        noisy = scores.float().clone()
        for row, (draw, stream) in enumerate(zip(self._draws, self._streams, strict=True)):
            if draw.temperature > 0:
                # Exponential(1) is -log of a uniform number, so -log of it is Gumbel.
                gumbel = -torch.empty(scores.shape[1]).exponential_(generator=stream).log()
                noisy[row] = noisy[row] / draw.temperature + gumbel.to(scores.device)
        return noisy
