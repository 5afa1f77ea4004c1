"""``tokenize``: pairs to token shards."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.section import OptionalLimit, PositiveInt, Section


class TokenizeParams(Section):
    """Pairs to token shards."""

    max_length: int = Field(1024, ge=8, description="Tokens a prompt and one response may have together.")
    max_prompt_length: OptionalLimit = Field(
        None,
        description="Tokens a prompt may have, the chat template's included; a pair with a longer one goes "
        "to the ledger, whatever truncation says. Null: as many as max_length leaves.",
    )
    truncation: Literal["drop", "truncate_prompt", "truncate_response"] = Field(
        "drop",
        description="A pair over max_length: goes to the ledger, loses its oldest messages, or has its "
        "responses cut (no EOS then). What does not fit even so goes to the ledger.",
    )
    loss_on: Literal["last_turn", "all_assistant_turns"] = Field(
        "last_turn",
        description="What masks mark as trained on: the responses, or the prompt's assistant turns too.",
    )
    special_tokens_in_text: Literal["text", "control"] = Field(
        "text",
        description="What a control token such as <|im_end|> is where a message or a response writes it out: "
        "text like any other, or the control token.",
    )
    encoder: Literal["auto", "transformers", "tokie", "fastokens"] = Field(
        "auto",
        description="What encodes; auto: the fastest installed that gives transformers' own ids on hard "
        "strings and on a sample of the data.",
    )
    shard_pairs: PositiveInt = Field(4096, description="Pairs per Arrow shard.")
