"""From a conversation to tokens: the template rendered once, the prompt/response boundary exact.

Prompt and response are encoded apart, so no token ever spans the boundary between what is given and what is
trained on. Exactly one EOS ends a response: what a template writes after it (often a newline) is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

Message = Mapping[str, str]


@dataclass(frozen=True)
class RenderedPair:
    """The three texts of a pair: the prompt up to where the assistant speaks, and each response with EOS."""

    prompt: str
    chosen: str
    rejected: str


def render_prompt(tokenizer: PreTrainedTokenizerFast, prompt: Sequence[Message]) -> str:
    """The prompt as the model sees it, up to and including the header of the assistant's turn.

    Raises:
        jinja2.TemplateError: If the template refuses the conversation (roles out of order, say).
    """
    return str(
        tokenizer.apply_chat_template(
            [dict(message) for message in prompt], tokenize=False, add_generation_prompt=True
        )
    )


def render_response(
    tokenizer: PreTrainedTokenizerFast, prompt: Sequence[Message], rendered_prompt: str, response: str
) -> str:
    """The response as the template writes it after ``rendered_prompt``, ending with exactly one EOS token.

    Raises:
        jinja2.TemplateError: If the template refuses the conversation.
    """
    eos = str(tokenizer.eos_token)
    conversation = [dict(message) for message in prompt] + [{"role": "assistant", "content": response}]
    whole = str(tokenizer.apply_chat_template(conversation, tokenize=False))
    if not whole.startswith(rendered_prompt):
        # The template writes the assistant's turn otherwise than its generation prompt announces it (an empty
        # reasoning block, say): the response alone is what a generation would hold.
        return response + eos
    turn = whole[len(rendered_prompt) :]
    end = turn.rfind(eos)
    return turn + eos if end < 0 else turn[: end + len(eos)]


def render_pair(
    tokenizer: PreTrainedTokenizerFast, prompt: Sequence[Message], chosen: str, rejected: str
) -> RenderedPair:
    """Render a pair, the prompt once.

    Raises:
        jinja2.TemplateError: If the template refuses the conversation.
    """
    head = render_prompt(tokenizer, prompt)
    return RenderedPair(
        head,
        render_response(tokenizer, prompt, head, chosen),
        render_response(tokenizer, prompt, head, rejected),
    )


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
    encoded = encode(tokenizer, prompts)
    if bos is None:
        return encoded
    return [ids if ids[:1] == [bos] else [bos, *ids] for ids in encoded]
