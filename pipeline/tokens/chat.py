"""From conversations to texts: the prompt up to where the assistant speaks, and each response with its EOS.

Exactly one EOS ends a response: what a template writes after it (often a newline) is cut, and an EOS that the
response's own text already ends with is not repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.skeleton import TemplateRenderer
from pipeline.tokens.templates import Conversation, Message, fold_system, render, takes_system
from pipeline.tokens.turns import Render, answered, assistant_turns, response_turn, without_eos


@dataclass(frozen=True)
class PairTexts:
    """A pair before it is rendered."""

    prompt: Sequence[Message]
    chosen: str
    rejected: str


@dataclass(frozen=True)
class RenderedPair:
    """The three texts of a pair: the prompt up to where the assistant speaks, and each response with EOS.

    Attributes:
        prompt: The prompt with the header of the assistant's turn.
        chosen: The preferred response.
        rejected: The other.
        turns: Start and end (characters of ``prompt``) of earlier assistant turns that are trained on.
        untrained_turns: Earlier assistant turns that should be trained on and are not found in the prompt, as
            the template writes them otherwise once they are past.
        system_folded: Whether the system prompt became part of the first user message.
        inner_eos: Whether a response's own text held the EOS token.
    """

    prompt: str
    chosen: str
    rejected: str
    turns: tuple[tuple[int, int], ...] = ()
    untrained_turns: int = 0
    system_folded: bool = False
    inner_eos: bool = False


def render_prompt(tokenizer: PreTrainedTokenizerFast, prompt: Sequence[Message]) -> str:
    """The prompt as the model sees it, up to and including the header of the assistant's turn.

    Raises:
        jinja2.TemplateError: If the template refuses the conversation (roles out of order, say).
    """
    [messages] = as_taken(tokenizer, [prompt])
    return render(tokenizer, [messages], True)[0]


def render_response(
    tokenizer: PreTrainedTokenizerFast, prompt: Sequence[Message], rendered_prompt: str, response: str
) -> str:
    """The response as the template writes it after ``rendered_prompt``, ending with exactly one EOS token.

    Raises:
        jinja2.TemplateError: If the template refuses the conversation.
    """
    eos = str(tokenizer.eos_token)
    bare = without_eos(response, eos)
    [messages] = as_taken(tokenizer, [prompt])
    [whole] = render(tokenizer, [answered(messages, bare)], False)
    return response_turn(whole, rendered_prompt, bare, eos)


def render_pair(
    tokenizer: PreTrainedTokenizerFast, prompt: Sequence[Message], chosen: str, rejected: str
) -> RenderedPair:
    """:func:`render_pairs` of one pair.

    Raises:
        jinja2.TemplateError: If the template refuses the conversation.
    """
    return render_pairs(tokenizer, [PairTexts(prompt, chosen, rejected)])[0]


def render_pairs(
    tokenizer: PreTrainedTokenizerFast, pairs: Sequence[PairTexts], all_assistant_turns: bool = False
) -> list[RenderedPair]:
    """:meth:`PairRenderer.render` of pairs that are all there are.

    Raises:
        jinja2.TemplateError: If the template refuses a conversation.
    """
    return PairRenderer(tokenizer).render(pairs, all_assistant_turns)


class PairRenderer:
    """Renders blocks of pairs; what it learns of the template serves all of them.

    Args:
        tokenizer: With a chat template.
        render: Runs the template; None: by skeletons where that is safe.
        eos: What ``render`` writes for the EOS token; None: how the tokenizer writes it.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, render: Render | None = None, eos: str | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._written_eos = str(tokenizer.eos_token)
        self._eos = self._written_eos if eos is None else eos
        self._render = TemplateRenderer(tokenizer).render if render is None else render

    def render(self, pairs: Sequence[PairTexts], all_assistant_turns: bool = False) -> list[RenderedPair]:
        """The texts of each pair, in order.

        Args:
            pairs: The pairs.
            all_assistant_turns: Whether to look for earlier assistant turns to train on.

        Raises:
            jinja2.TemplateError: If the template refuses a conversation.
        """
        prompts = as_taken(self._tokenizer, [pair.prompt for pair in pairs])
        heads = self._render(prompts, True)
        bare = [
            [without_eos(text, self._written_eos) for text in (pair.chosen, pair.rejected)] for pair in pairs
        ]
        wholes = iter(
            self._render(
                [
                    answered(prompt, text)
                    for prompt, texts in zip(prompts, bare, strict=True)
                    for text in texts
                ],
                False,
            )
        )
        rendered = []
        for pair, prompt, head, texts in zip(pairs, prompts, heads, bare, strict=True):
            chosen, rejected = (response_turn(next(wholes), head, text, self._eos) for text in texts)
            turns: tuple[tuple[int, int], ...] = ()
            missed = 0
            if all_assistant_turns:
                turns, missed = assistant_turns(self._render, self._eos, prompt, head)
            rendered.append(
                RenderedPair(
                    head,
                    chosen,
                    rejected,
                    turns,
                    missed,
                    system_folded=len(prompt) != len(pair.prompt),
                    inner_eos=self._written_eos in pair.chosen or self._written_eos in pair.rejected,
                )
            )
        return rendered


def as_taken(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[Sequence[Message]]) -> list[Conversation]:
    """Prompts as the template can take them: system prompts folded where it has no such role."""
    begins_with_system = any(prompt and prompt[0]["role"] == "system" for prompt in prompts)
    if begins_with_system and not takes_system(tokenizer):
        return [fold_system(prompt) for prompt in prompts]
    return [[dict(message) for message in prompt] for prompt in prompts]


def encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, without special tokens of the tokenizer's own."""
    if not texts:
        return []
    return [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def leading_bos(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """The BOS id that this tokenizer puts before a text by itself, or None where it puts none."""
    ids = list(tokenizer("a")["input_ids"])
    bos = tokenizer.bos_token_id
    return int(bos) if bos is not None and len(ids) > 1 and ids[0] == bos else None


def encode_prompts(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of rendered prompts, each starting with one BOS at most.

    A BOS is put first where the tokenizer would put one and the template has not.
    """
    bos = leading_bos(tokenizer)
    return [with_bos(ids, bos) for ids in encode(tokenizer, prompts)]


def with_bos(ids: list[int], bos: int | None) -> list[int]:
    """Ids that begin with one BOS, put first where it is not; as they are where ``bos`` is None."""
    return ids if bos is None or ids[:1] == [bos] else [bos, *ids]
