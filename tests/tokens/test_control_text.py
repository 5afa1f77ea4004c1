"""Control tokens written out in texts are text: ids, masks and boundaries, by hand and as laws."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.params import TokenizeParams
from pipeline.tokens.control_names import ControlNames, alphabet, free_names
from pipeline.tokens.control_text import ControlText
from pipeline.tokens.encoders import TransformersEncoder
from pipeline.tokens.pair_tokens import BlockTokens, PairTokenizer
from pipeline.tokens.prompts import prompt_ids
from pipeline.tokens.shards import TokenPair
from pipeline.tokens.templates import PLAIN_TURNS
from tests.conftest import TEMPLATE, make_tokenizer

IM_START, EOS = 1, 2
WRITTEN = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
LLAMA = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ m['content'] | trim }}{{ eos_token }}"
    "{% else %}[INST] {{ m['content'] | trim }} [/INST]{% endif %}{% endfor %}"
)


def tokenized(
    tokenizer: PreTrainedTokenizerFast, prompt: Any, chosen: str, rejected: str, **params: Any
) -> BlockTokens:
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    block = pl.DataFrame(
        {"pair_id": ["p"], "row_id": ["r"], "prompt": [messages], "chosen": [chosen], "rejected": [rejected]}
    )
    encoder = TransformersEncoder(tokenizer)
    return PairTokenizer(tokenizer, encoder, TokenizeParams(**params)).tokenize(block)


def only(result: BlockTokens) -> TokenPair:
    [pair] = result.pairs
    return pair


@cache
def byte_level() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@cache
def byte_level_with(template: str) -> PreTrainedTokenizerFast:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


@cache
def merged_control() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer whose merges make a control token of text."""
    base = byte_level().get_vocab()
    tokens = [*sorted(base, key=lambda token: base[token]), "ab", "ab!"]
    backend = Tokenizer(
        models.BPE(vocab={token: n for n, token in enumerate(tokens)}, merges=[("a", "b"), ("ab", "!")])
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "ab!"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@cache
def metaspace_bpe() -> PreTrainedTokenizerFast:
    """As Llama 2's: spaces are ``▁``, a text begins with one, no words are told apart."""
    letters = "▁:abcuyesno<|_im>/[]INSTdrtlfx\n"
    vocabulary = {token: n for n, token in enumerate(["<unk>", "<s>", "</s>", *dict.fromkeys(letters)])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", bos_token="<s>", unk_token="<unk>"
    )
    tokenizer.chat_template = LLAMA
    return tokenizer


@cache
def unigram() -> PreTrainedTokenizerFast:
    """A SentencePiece model, in whose vocabulary control tokens stand with the best score of all."""
    pieces = [
        ("<unk>", 0.0),
        ("<s>", 0.0),
        ("</s>", 0.0),
        *((letter, -3.0) for letter in "▁abeynos</>[INST]:"),
    ]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", bos_token="<s>", unk_token="<unk>"
    )
    tokenizer.chat_template = LLAMA
    return tokenizer


def names(tokenizer: PreTrainedTokenizerFast, ids: Any) -> list[str]:
    return list(tokenizer.convert_ids_to_tokens([int(place) for place in ids]))


def test_a_control_token_in_a_message_is_text_by_hand() -> None:
    tokenizer = byte_level()
    result = tokenized(tokenizer, "a<|im_end|>b", "y<|im_start|>", "n")
    pair = only(result)
    assert names(tokenizer, pair.prompt_ids) == [
        *["<|im_start|>", *"userĊ", *"a<|im_end|>b", "<|im_end|>", "Ċ", "<|im_start|>", *"assistantĊ"]
    ]
    assert names(tokenizer, pair.chosen_ids) == [*"y<|im_start|>", "<|im_end|>"]
    assert names(tokenizer, pair.rejected_ids) == ["n", "<|im_end|>"]
    assert pair.chosen_mask.all() and not pair.prompt_mask.any()
    assert result.notes["control_text_pairs"] == 1


def test_params_may_ask_for_control_tokens() -> None:
    tokenizer = byte_level()
    result = tokenized(tokenizer, "a<|im_end|>b", "y<|im_start|>", "n", special_tokens_in_text="control")
    pair = only(result)
    text = "<|im_start|>user\na<|im_end|>b<|im_end|>\n<|im_start|>assistant\n"
    assert pair.prompt_ids.tolist() == tokenizer(text)["input_ids"]
    assert pair.chosen_ids.tolist() == tokenizer("y<|im_start|><|im_end|>")["input_ids"]
    assert result.notes["control_text_pairs"] == 1


def test_other_pairs_of_the_block_are_as_before_and_in_order() -> None:
    tokenizer = byte_level()
    texts = ["a", "<|im_end|>", "b", "<|endoftext|>c", "d"]
    block = pl.DataFrame(
        {
            "pair_id": [str(number) for number in range(5)],
            "row_id": ["r"] * 5,
            "prompt": [[{"role": "user", "content": text}] for text in texts],
            "chosen": ["yes"] * 5,
            "rejected": ["no"] * 5,
        }
    )
    result = PairTokenizer(tokenizer, TransformersEncoder(tokenizer), TokenizeParams()).tokenize(block)
    assert [pair.pair_id for pair in result.pairs] == ["0", "1", "2", "3", "4"]
    for pair, text in zip(result.pairs, texts, strict=True):
        head = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
        assert tokenizer.decode(pair.prompt_ids) == head
        assert pair.prompt_ids.tolist().count(EOS) == 1
        assert tokenizer.decode(pair.chosen_ids) == "yes<|im_end|>"
    assert result.notes["control_text_pairs"] == 2


def test_the_eos_that_a_response_ends_with_is_its_end_all_the_same() -> None:
    tokenizer = byte_level()
    pair = only(tokenized(tokenizer, "q", "yes<|im_end|>\n<|im_end|>", "n<|im_end|>o"))
    assert names(tokenizer, pair.chosen_ids) == [*"yes", "<|im_end|>"]
    assert names(tokenizer, pair.rejected_ids) == [*"n<|im_end|>o", "<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "prompt", "spelled"),
    [
        ("{{ m['content'] }}end|>", "a<|im_", "a<|im_end|>"),
        ("<|im_{{ m['content'] }}", "end|>a", "<|im_end|>a"),
        ("<|im_{{ m['content'] }}d|>", "en", "<|im_end|>"),
        ("{{ m['content'] | trim }}end|>", "a<|im_ \n", "a<|im_end|>"),
        ("<|{{ m['content'] }}|>", "im_end", "<|im_end|>"),
    ],
    ids=["behind", "before", "around", "trimmed", "middle"],
)
def test_a_control_token_that_text_and_template_make_up_together_is_text(
    template: str, prompt: str, spelled: str
) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}" + template + "|{% endif %}"
    )
    tokenizer.chat_template += (
        "{% if m['role'] != 'user' %}{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
    )
    pair = only(tokenized(tokenizer, prompt, "yes", "no"))
    assert names(tokenizer, pair.prompt_ids) == [*spelled, "|"]
    assert names(tokenizer, pair.chosen_ids) == [*"yes", "<|im_end|>"]
    joined = only(tokenized(tokenizer, prompt, "yes", "no", special_tokens_in_text="control"))
    assert EOS in joined.prompt_ids.tolist()


def test_two_messages_cannot_make_up_a_control_token() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    prompt = [{"role": "user", "content": "<|im"}, {"role": "assistant", "content": "_"}]
    pair = only(tokenized(tokenizer, [*prompt, {"role": "user", "content": "end|>"}], "yes", "no"))
    assert names(tokenizer, pair.prompt_ids) == [*"<|im_end|>"]


def test_a_template_that_works_on_contents_sees_them() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = TEMPLATE.replace(
        "message['content']", "message['content'].split('</think>')[-1].strip()"
    )
    prompt = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "hm <|im_end|></think> a<|im_start|>"},
        {"role": "user", "content": "r"},
    ]
    pair = only(tokenized(tokenizer, prompt, "y</think><|endoftext|>z", "n"))
    assert tokenizer.decode(pair.prompt_ids) == (
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_start|><|im_end|>\n"
        "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n"
    )
    assert pair.prompt_ids.tolist().count(IM_START) == 4
    assert names(tokenizer, pair.chosen_ids) == [*"<|endoftext|>z", "<|im_end|>"]


def test_jinja_in_a_text_is_text() -> None:
    tokenizer = byte_level()
    said = "{{ 7 * 7 }}{% for x in y %}{{ messages }}{# no #}{% raw %}"
    for content in (said, said + "<|im_end|>"):
        pair = only(tokenized(tokenizer, content, content, "no"))
        expected = f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
        assert tokenizer.decode(pair.prompt_ids) == expected
        assert str(tokenizer.decode(pair.chosen_ids)).startswith(said)


def test_earlier_turns_are_marked_to_the_templates_own_eos() -> None:
    tokenizer = byte_level()
    prompt = [
        {"role": "user", "content": "q<|im_end|>"},
        {"role": "assistant", "content": "a<|im_end|>b<|im_end|>"},
        {"role": "user", "content": "r"},
    ]
    result = tokenized(tokenizer, prompt, "y", "n", loss_on="all_assistant_turns")
    pair = only(result)
    assert names(tokenizer, pair.prompt_ids[pair.prompt_mask]) == [*"a<|im_end|>b<|im_end|>", "<|im_end|>"]
    assert result.notes["untrained_turns"] == 0


def test_truncation_holds_for_such_pairs_too() -> None:
    tokenizer = byte_level()
    head = len(only(tokenized(tokenizer, "q<|im_end|>", "y", "n")).prompt_ids)
    cut = only(
        tokenized(
            tokenizer, "q<|im_end|>", "<|im_end|>x", "n", max_length=head + 4, truncation="truncate_response"
        )
    )
    assert names(tokenizer, cut.chosen_ids) == [*"<|im"]
    turns = [
        {"role": "user", "content": "<|im_end|>" * 9},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "q<|im_end|>"},
    ]
    kept = only(tokenized(tokenizer, turns, "y", "n", max_length=head + 4, truncation="truncate_prompt"))
    assert str(tokenizer.decode(kept.prompt_ids)).startswith("<|im_start|>user\nq<|im_end|><|im_end|>\n")
    assert kept.prompt_ids.tolist().count(EOS) == 1


def test_bos_and_eos_strings_with_metaspaces() -> None:
    tokenizer = metaspace_bpe()
    pair = only(tokenized(tokenizer, "a </s><s> b", "y </s> e", "n"))
    prompt, plain = names(tokenizer, pair.prompt_ids), "▁[INST]▁a▁</s><s>▁b▁[/INST]"
    assert prompt == ["<s>", *plain]
    assert names(tokenizer, pair.chosen_ids) == [*"y▁</s>▁e", "</s>"]
    assert "<unk>" not in prompt


def test_a_unigram_model_does_not_choose_the_control_tokens_of_its_vocabulary() -> None:
    tokenizer = unigram()
    split = tokenizer("a</s>b", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    # What transformers' own setting leaves: the piece </s>, the best-scored way to write the text.
    assert tokenizer.eos_token_id in split
    tokenizer.backend_tokenizer.encode_special_tokens = False
    pair = only(tokenized(tokenizer, "a</s>b", "y<s>", "n"))
    assert names(tokenizer, pair.prompt_ids)[-14:] == [*"▁a</s>b▁[/INST]"][-14:]
    assert names(tokenizer, pair.chosen_ids) == [*"y<s>", "</s>"]


def test_a_merge_does_not_make_a_control_token() -> None:
    tokenizer = merged_control()
    pair = only(tokenized(tokenizer, "xab!", "yab", "n"))
    assert "ab!" not in names(tokenizer, pair.prompt_ids)
    assert names(tokenizer, pair.prompt_ids)[6:9] == ["x", "ab", "!"]
    assert names(tokenizer, pair.chosen_ids) == ["y", "ab", "<|im_end|>"]


def test_added_tokens_that_are_not_special_stay_tokens() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<think>"])
    pair = only(tokenized(tokenizer, "<think><|im_end|>", "<think>y", "n"))
    assert names(tokenizer, pair.prompt_ids)[6:8] == ["<think>", "<"]
    assert names(tokenizer, pair.chosen_ids) == ["<think>", "y", "<|im_end|>"]


def test_a_spelling_that_only_its_normal_form_makes_a_control_token_is_found() -> None:
    backend = Tokenizer.from_str(byte_level().backend_tokenizer.to_str())
    backend.normalizer = normalizers.Lowercase()
    backend.add_special_tokens([AddedToken("<stop>", special=True, normalized=True)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", bos_token="<|im_start|>"
    )
    tokenizer.chat_template = TEMPLATE
    stop = tokenizer.convert_tokens_to_ids("<stop>")
    asked = tokenized(tokenizer, "a<STOP>b", "y", "n", special_tokens_in_text="control")
    assert stop in only(asked).prompt_ids.tolist()
    result = tokenized(tokenizer, "a<STOP>b", "y", "n")
    assert stop not in only(result).prompt_ids.tolist()
    assert "a<stop>b" in tokenizer.decode(only(result).prompt_ids)
    assert result.notes["control_text_pairs"] == asked.notes["control_text_pairs"] == 1


def test_private_characters_in_a_text_are_not_taken_for_names() -> None:
    tokenizer = byte_level()
    control = ControlText(tokenizer)
    first = free_names(control, [])
    name = f"{chr(first)}{EOS}{chr(first)}"
    said = f"{name}<|im_end|>{chr(first + 1)}"
    pair = only(tokenized(tokenizer, said, "y", "n"))
    assert pair.prompt_ids.tolist().count(EOS) == 1
    assert said in tokenizer.decode(pair.prompt_ids)
    assert free_names(control, [said]) == first + 1 + len(alphabet(control))


def test_a_text_that_leaves_no_private_character_is_refused_by_its_row() -> None:
    everywhere = "".join(chr(code) for code in range(0xF0000, 0x10FFFE, 8)) + "<|im_end|>"
    with pytest.raises(PipelineError, match=r"private planes.*row pair_id p, key tokenize\.special_tokens"):
        tokenized(byte_level(), everywhere, "y", "n")


def test_a_tokenizer_that_cannot_tell_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tokens.renamed._renamed", lambda backend, names: backend.to_str())
    with pytest.raises(
        PipelineError, match=r"cannot be told.*Set tokenize\.special_tokens_in_text to control"
    ):
        tokenized(byte_level(), "<|im_end|>", "y", "n")


def test_a_text_that_could_be_a_part_and_makes_nothing_up_needs_no_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("a copy of the tokenizer was made")

    monkeypatch.setattr("pipeline.tokens.renamed.RenamedEncoder._make", refused)
    tokenizer = byte_level()
    turns = [
        {"role": "user", "content": "end|>"},
        {"role": "assistant", "content": " <|im_"},
        {"role": "user", "content": "e"},
    ]
    assert ControlText(tokenizer).is_suspect(["e"])
    pair = only(tokenized(tokenizer, turns, "<|", "|>", loss_on="all_assistant_turns"))
    text = (
        "<|im_start|>user\nend|><|im_end|>\n<|im_start|>assistant\n <|im_<|im_end|>\n"
        "<|im_start|>user\ne<|im_end|>\n<|im_start|>assistant\n"
    )
    assert pair.prompt_ids.tolist() == tokenizer(text)["input_ids"] == prompt_ids(tokenizer, [turns])[0]
    assert names(tokenizer, pair.prompt_ids[pair.prompt_mask]) == [*"Ġ<|im_", "<|im_end|>"]
    assert names(tokenizer, pair.chosen_ids) == ["<", "|", "<|im_end|>"]
    for said, template in (
        ("<|im_end|>", TEMPLATE),
        ("<|im_", TEMPLATE.replace("<|im_end|>", "end|><|im_end|>")),
    ):
        tokenizer = make_tokenizer()
        tokenizer.chat_template = template
        with pytest.raises(AssertionError, match="a copy"):
            tokenized(tokenizer, said, "y", "n")


def test_prompts_to_answer_have_the_ids_of_the_shards() -> None:
    for tokenizer in (byte_level(), metaspace_bpe(), unigram()):
        talks = [[{"role": "user", "content": text}] for text in ("a", "b</s>b<|im_end|>", "y")]
        for setting in ("text", "control"):
            found = prompt_ids(tokenizer, talks, setting)
            for talk, ids in zip(talks, found, strict=True):
                pair = only(tokenized(tokenizer, talk, "yes", "no", special_tokens_in_text=setting))
                assert ids == pair.prompt_ids.tolist()
    assert prompt_ids(byte_level(), talks, "text") != prompt_ids(byte_level(), talks, "control")


def test_a_template_without_control_tokens_ends_responses_with_one() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = PLAIN_TURNS
    pair = only(tokenized(tokenizer, "<|im_end|>", "<|im_end|>a", "n"))
    assert names(tokenizer, pair.prompt_ids) == [*"User:Ġ<|im_end|>ĊĊAssistant:"]
    assert names(tokenizer, pair.chosen_ids) == [*"Ġ<|im_end|>a", "<|im_end|>"]


pieces = st.sampled_from([*WRITTEN, "<|", "im_", "end|>", ">", "<", "a", " ", "\n", "é", "😀", "user"])
texts = st.lists(pieces, max_size=6).map("".join)


@settings(max_examples=60)
@given(first=texts, reply=texts, last=texts, chosen=texts, rejected=texts)
def test_decoding_gives_the_texts_back_and_control_tokens_are_the_templates(
    first: str, reply: str, last: str, chosen: str, rejected: str
) -> None:
    """The law, for any texts: decoded ids are the rendering, and its control ids are those of plain texts."""
    tokenizer = byte_level()
    prompt = [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant", "user"), (first, reply, last), strict=True)
    ]
    pair = only(tokenized(tokenizer, prompt, chosen + "c", rejected + "r", max_length=4096))
    rendered = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in prompt)
    assert tokenizer.decode(pair.prompt_ids) == f"{rendered}<|im_start|>assistant\n"
    assert tokenizer.decode(pair.chosen_ids) == f"{chosen}c<|im_end|>"
    assert tokenizer.decode(pair.rejected_ids) == f"{rejected}r<|im_end|>"
    control = [place for place in pair.prompt_ids.tolist() if place < 3]
    assert control == [IM_START, EOS] * 3 + [IM_START]
    assert [place for place in pair.chosen_ids.tolist() if place < 3] == [EOS]


@settings(max_examples=40)
@given(said=texts)
def test_what_stands_around_a_text_is_what_stands_around_any_other(said: str) -> None:
    tokenizer = byte_level()
    marked, plain = (only(tokenized(tokenizer, text, "y", "n")).prompt_ids.tolist() for text in (said, "a"))
    before, after = plain[:6], plain[7:]
    assert plain[6:7] == tokenizer("a")["input_ids"]
    assert marked[:6] == before and marked[len(marked) - len(after) :] == after


GLUED = (
    "{% for m in messages %}{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}<|im_end|>{% endif %}{% endfor %}"
)


@settings(max_examples=60)
@given(
    first=texts,
    reply=texts,
    last=texts,
    chosen=texts,
    template=st.sampled_from([TEMPLATE, GLUED, GLUED.replace("{{ m", "<|im_{{ m")]),
)
def test_the_plain_way_of_a_suspect_text_gives_what_a_copy_of_the_tokenizer_gives(
    first: str, reply: str, last: str, chosen: str, template: str
) -> None:
    tokenizer = byte_level_with(template)
    prompt = [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant", "user"), (first, reply, last), strict=True)
    ]

    def found() -> BlockTokens:
        return tokenized(tokenizer, prompt, chosen, "n", max_length=4096, loss_on="all_assistant_turns")

    with pytest.MonkeyPatch.context() as patch:
        either = found()
        patch.setattr(ControlNames, "are_all", lambda names, text: False)
        copied = found()
    assert either.notes == copied.notes
    for name in ("prompt_ids", "chosen_ids", "rejected_ids", "prompt_mask"):
        assert getattr(only(either), name).tolist() == getattr(only(copied), name).tolist()
