"""The assistant's turns in rendered conversations: where each begins, and the one EOS that ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.tokens.templates import Conversation, Message

Render = Callable[[Sequence[Sequence[Message]], bool], list[str]]
"""Conversations, and whether the header of the assistant's next turn follows, to texts."""


def assistant_turns(
    render: Render, eos: str, prompt: Sequence[Message], head: str
) -> tuple[tuple[tuple[int, int], ...], int]:
    """Where the assistant's turns lie in a rendered prompt, from after their header to their EOS inclusive.

    Args:
        render: Runs the chat template.
        eos: The EOS token.
        prompt: The messages, as they were rendered.
        head: Their rendering with the generation prompt.

    Returns:
        Start and end of each turn found, in characters, in order; and how many were not found.

    Raises:
        jinja2.TemplateError: If the template refuses a beginning of the conversation.
    """
    found: list[tuple[int, int]] = []
    missed = 0
    for place, message in enumerate(prompt):
        if message["role"] != "assistant":
            continue
        before = render([prompt[:place]], True)[0] if place else head + eos
        if not head.startswith(before):
            missed += 1
            continue
        bare = without_eos(message["content"], eos)
        [whole] = render([answered(prompt[:place], bare)], False)
        turn = response_turn(whole, before, bare, eos)
        # Where a template ends turns without EOS, the one put after a response is not there.
        written = next(
            (text for text in (turn, turn.removesuffix(eos)) if head.startswith(text, len(before))), ""
        )
        if written:
            found.append((len(before), len(before) + len(written)))
        else:
            missed += 1
    return tuple(found), missed


def without_eos(response: str, eos: str) -> str:
    """The response without the EOS tokens, and the space after them, that its own text ends with."""
    while eos in response and (bare := response.rstrip()).endswith(eos):
        response = bare.removesuffix(eos)
    return response


def answered(prompt: Sequence[Message], response: str) -> Conversation:
    """The conversation with the assistant's response."""
    return [*map(dict, prompt), {"role": "assistant", "content": response}]


def response_turn(whole: str, head: str, response: str, eos: str) -> str:
    """The assistant's turn after ``head``, up to the first EOS behind the response's own text."""
    if not whole.startswith(head):
        # The template writes the assistant's turn otherwise than its generation prompt announces it (an empty
        # reasoning block, say): the response alone is what a generation would hold.
        return response + eos
    turn = whole[len(head) :]
    if eos in response:
        # The text itself names the token: the one that ends the turn lies after the text.
        end = turn.find(eos, max(turn.find(response.strip()), 0) + len(response.strip()))
    else:
        end = turn.rfind(eos)
    return turn + eos if end < 0 else turn[: end + len(eos)]
