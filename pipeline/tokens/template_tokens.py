"""Which control tokens a chat template writes: any other in a shard came from a text."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.chat import as_taken, encode
from pipeline.tokens.content_flow import only_prints_contents
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.templates import render

_PROBES = (("user",), ("user", "assistant"), ("system", "user"), ("user", "assistant", "user", "assistant"))
"""Orders of roles that every template is asked for; some refuse one."""


def never_written(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Ids of the control tokens that the template writes around no message.

    EOS, which is put after a response where the template writes none, BOS and the token of what is unknown
    are not among them. Empty where the template does more with contents than print them, as then it cannot be
    told.

    Args:
        tokenizer: With a chat template.
    """
    if not only_prints_contents(str(tokenizer.chat_template)):
        return frozenset()
    control = ControlText(tokenizer)
    own = (tokenizer.bos_token_id, tokenizer.eos_token_id, *control.unknown)
    written = {int(place) for place in own if place is not None}
    for roles in _PROBES:
        messages = [{"role": role, "content": "a"} for role in roles]
        try:
            texts = render(tokenizer, as_taken(tokenizer, [messages]), roles[-1] == "user")
        except Exception:
            continue  # It refuses this order, in a way of its own.
        written.update(*encode(tokenizer, texts))
    return frozenset(control.ids.values()) - written
