"""A model's answers to the prompts of a benchmark: batched, turn by turn, kept as they are made.

Answers are greedy, or sampled where a prompt asks for a temperature. The noise of a sampled answer is seeded
by the prompt's key and turn, so neither its batch nor the order of the prompts decides what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pipeline.evaluation.benchmarks.interface import BenchmarkAnswer, BenchmarkPrompt
from pipeline.evaluation.decoding import decode_batch
from pipeline.evaluation.sampling import Draw
from pipeline.files import content_id
from pipeline.progress import progress_bar
from pipeline.tokens.prompts import SpecialTokensInText, prompt_ids
from pipeline.tokens.templates import Conversation


@dataclass(frozen=True)
class Decoding:
    """How answers are made.

    Attributes:
        max_new_tokens: Tokens a response may have; one that reaches it is cut there.
        batch_prompts: Prompts answered at once.
        special_tokens_in_text: ``tokenize.special_tokens_in_text``.
    """

    max_new_tokens: int
    batch_prompts: int
    special_tokens_in_text: SpecialTokensInText = "text"


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
        draws = [_draw(prompts[place], turn) for place in asked]
        said = generate(
            model,
            tokenizer,
            [talks[place] for place in asked],
            draws,
            decoding.max_new_tokens,
            decoding.special_tokens_in_text,
        )
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


def _draw(prompt: BenchmarkPrompt, turn: int) -> Draw | None:
    """How a turn's response is drawn; None: greedily."""
    if not prompt.temperature:
        return None
    return Draw(int(content_id(prompt.key, str(turn)), 16), prompt.temperature)


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    conversations: Sequence[Conversation],
    draws: Sequence[Draw | None],
    max_new_tokens: int,
    special_tokens_in_text: SpecialTokensInText = "text",
) -> list[Response]:
    """The assistant's next turn of each conversation, as one batch.

    Of the settings that a model directory brings along only its further EOS ids apply.

    Args:
        model: In the type it is to generate in.
        tokenizer: Its tokenizer with chat template.
        conversations: Each ends with a user's turn.
        draws: One per conversation; None: greedily.
        max_new_tokens: Tokens a response may have.
        special_tokens_in_text: ``tokenize.special_tokens_in_text``.

    Returns:
        A response per conversation, without special tokens.
    """
    prompts = prompt_ids(tokenizer, conversations, special_tokens_in_text)
    stops = {int(tokenizer.eos_token_id), *_further_stops(model)}
    found = decode_batch(model, tokenizer, prompts, max_new_tokens=max_new_tokens, draws=draws, stops=stops)
    return [
        Response(str(tokenizer.decode(tokens, skip_special_tokens=True)), len(tokens), tokens[-1] in stops)
        for tokens in found
    ]


def _further_stops(model: PreTrainedModel) -> Sequence[int]:
    """Ids that end a response by the model directory's own settings."""
    named = getattr(model.generation_config, "eos_token_id", None)
    return [] if named is None else [named] if isinstance(named, int) else list(named)
