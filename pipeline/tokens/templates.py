"""What a chat template takes, and the template of tokenizers that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerFast

Message = Mapping[str, str]
Conversation = list[dict[str, str]]

DEFAULT_TEMPLATE = "plain_turns"
"""The name, in manifests and logs, of :data:`PLAIN_TURNS`."""

PLAIN_TURNS = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + eos_token + '\n\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For base models without a template: words every vocabulary has, no special token but EOS.

The generation prompt ends before the space, which belongs to a response's first token.
"""

_PROBE = "7c1f system probe"


def render(
    tokenizer: PreTrainedTokenizerFast, conversations: Sequence[Sequence[Message]], generation_prompt: bool
) -> list[str]:
    """Each conversation as the template writes it.

    Args:
        tokenizer: With a chat template.
        conversations: Each with at least one message.
        generation_prompt: Whether the header of the assistant's next turn follows.

    Raises:
        jinja2.TemplateError: If the template refuses one (roles out of order, say).
    """
    if not conversations:
        return []
    plain = [[dict(message) for message in conversation] for conversation in conversations]
    return [
        str(text)
        for text in tokenizer.apply_chat_template(
            plain, tokenize=False, add_generation_prompt=generation_prompt
        )
    ]


def takes_system(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether the template writes a system prompt: some refuse the role, some leave its text out."""
    probe = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "a"}]
    try:
        return _PROBE in render(tokenizer, [probe], True)[0]
    except Exception:
        # Whatever a template raises that does not know the role.
        return False


def fold_system(prompt: Sequence[Message]) -> Conversation:
    """The prompt with a leading system message put before the text of the user message that follows it.

    A prompt that does not begin with a system and a user message is given back as it is.
    """
    messages = [dict(message) for message in prompt]
    if [message["role"] for message in messages[:2]] != ["system", "user"]:
        return messages
    system, user, *rest = messages
    return [{"role": "user", "content": f"{system['content']}\n\n{user['content']}"}, *rest]
