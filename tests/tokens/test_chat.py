from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from pipeline.tokens.chat import (
    encode,
    encode_prompts,
    leading_bos,
    render_pair,
    render_prompt,
    render_response,
)
from tests.conftest import make_tokenizer

PROMPT = [{"role": "user", "content": "hi"}]


def test_the_prompt_ends_where_the_assistant_speaks(tokenizer: PreTrainedTokenizerFast) -> None:
    assert render_prompt(tokenizer, PROMPT) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_what_the_template_writes_after_eos_is_cut(tokenizer: PreTrainedTokenizerFast) -> None:
    pair = render_pair(tokenizer, PROMPT, "yes", "no\n")
    assert pair.chosen == "yes<|im_end|>"
    assert pair.rejected == "no\n<|im_end|>"


def test_exactly_one_eos_token_ends_a_response(tokenizer: PreTrainedTokenizerFast) -> None:
    pair = render_pair(tokenizer, PROMPT, "yes", "no")
    [ids] = encode(tokenizer, [pair.chosen])
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == "yes"


def test_a_template_without_eos_gets_one() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    pair = render_pair(tokenizer, PROMPT, "yes", "no")
    assert (pair.prompt, pair.chosen, pair.rejected) == (
        "[user]hi[assistant]",
        "yes<|im_end|>",
        "no<|im_end|>",
    )


def test_a_template_that_rewrites_the_turn_falls_back_to_the_response() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}U:{{ m['content'] }}"
        "{% else %}B:{{ m['content'] }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}A:<think></think>{% endif %}"
    )
    head = render_prompt(tokenizer, PROMPT)
    assert head == "U:hiA:<think></think>"
    assert render_response(tokenizer, PROMPT, head, "yes") == "yes<|im_end|>"


def test_prompt_and_response_tokens_are_those_of_the_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    pair = render_pair(tokenizer, PROMPT, "yes", "no")
    [prompt], [chosen] = encode(tokenizer, [pair.prompt]), encode(tokenizer, [pair.chosen])
    [whole] = encode(tokenizer, [pair.prompt + pair.chosen])
    assert prompt + chosen == whole


def test_one_bos_at_most() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer()
    assert leading_bos(tokenizer) is None
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )
    assert leading_bos(tokenizer) == 1
    [without, with_bos] = encode_prompts(tokenizer, ["a", "<|im_start|>a"])
    assert without == with_bos
    assert without.count(1) == 1


def test_nothing_encodes_to_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    assert encode(tokenizer, []) == []
