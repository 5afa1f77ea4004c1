"""Conversations to the ids that a model is to go on from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.chat import as_taken, encode_prompts, leading_bos, render_prompt, with_bos
from pipeline.tokens.control_names import free_names
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.renamed import RenamedEncoder
from pipeline.tokens.templates import Message, render

SpecialTokensInText = Literal["text", "control"]


def prompt_ids(
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Sequence[Message]],
    special_tokens_in_text: SpecialTokensInText = "text",
) -> list[list[int]]:
    """Token ids of conversations, up to and including the header of the assistant's turn.

    They are the ids of a pair's prompt in the shards; each begins with one BOS at most.

    Args:
        tokenizer: With a chat template.
        prompts: The messages of each.
        special_tokens_in_text: ``tokenize.special_tokens_in_text``.

    Raises:
        PipelineError: If a message names a control token that cannot be told from the tokenizer's own.
        jinja2.TemplateError: If the template refuses a conversation.
    """
    control = ControlText(tokenizer)
    as_text = [
        special_tokens_in_text == "text" and control.is_suspect([message["content"] for message in prompt])
        for prompt in prompts
    ]
    plain = [
        render_prompt(tokenizer, prompt) for prompt, apart in zip(prompts, as_text, strict=True) if not apart
    ]
    found = iter(encode_prompts(tokenizer, plain))
    renamed: dict[int, RenamedEncoder] = {}
    return [
        _told_apart(tokenizer, control, prompt, renamed) if apart else next(found)
        for prompt, apart in zip(prompts, as_text, strict=True)
    ]


def _told_apart(
    tokenizer: PreTrainedTokenizerFast,
    control: ControlText,
    prompt: Sequence[Message],
    renamed: dict[int, RenamedEncoder],
) -> list[int]:
    """Ids of a conversation whose texts hold control tokens, or parts of them, as text."""
    texts = [message["content"] for message in prompt]
    first = free_names(control, [*texts, str(tokenizer.chat_template)])
    if first not in renamed:
        renamed[first] = RenamedEncoder(tokenizer, control, first)
    names = renamed[first].control_names
    [text] = names.render(partial(render, tokenizer), as_taken(tokenizer, [prompt]), True)
    if names.are_all(text):
        return encode_prompts(tokenizer, [names.written_out(text)])[0]
    return with_bos(renamed[first].encode([text])[0].tolist(), leading_bos(tokenizer))
