"""Rendering by skeletons gives what the template itself gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError

from pipeline.tokens import skeleton
from pipeline.tokens.chat import PairRenderer, PairTexts
from pipeline.tokens.skeleton import Slot, TemplateRenderer, fill
from pipeline.tokens.templates import Message, render
from tests.conftest import make_tokenizer
from tests.tokens.test_content_flow import LOOP, PRINTING, USES

TEMPLATES = {**PRINTING, **{name: LOOP.replace("{}", use) for name, use in USES.items()}}

contents = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " a\n", "\u2003b", "x</think>y", "<|im_end|>", "{{ a }}", "\ue000content 0\ue001"]),
)
conversations = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": contents}),
    min_size=1,
    max_size=4,
)


def outcome(render_all: Any, conversation: Sequence[Message], generation_prompt: bool) -> Any:
    """The text, or what a template that fails says."""
    try:
        return render_all([conversation], generation_prompt)[0]
    except Exception as error:
        return type(error), str(error)


RENDERERS = {}
for _name, _template in TEMPLATES.items():
    _tokenizer = make_tokenizer()
    _tokenizer.chat_template = _template
    RENDERERS[_name] = (_tokenizer, TemplateRenderer(_tokenizer))


@given(name=st.sampled_from(sorted(TEMPLATES)), conversation=conversations, generation_prompt=st.booleans())
def test_texts_are_those_of_the_template(
    name: str, conversation: list[dict[str, str]], generation_prompt: bool
) -> None:
    tokenizer, renderer = RENDERERS[name]
    expected = outcome(lambda *args: render(tokenizer, *args), conversation, generation_prompt)
    assert outcome(renderer.render, conversation, generation_prompt) == expected


class Counted:
    """Counts how often the template runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.conversations = 0
        monkeypatch.setattr(skeleton, "render", self)

    def __call__(self, tokenizer: Any, conversations: Sequence[Any], generation_prompt: bool) -> list[str]:
        self.conversations += len(conversations)
        return render(tokenizer, conversations, generation_prompt)


def pairs(count: int) -> list[PairTexts]:
    return [PairTexts([{"role": "user", "content": f"q{n}"}], f"a{n}", f"b{n}") for n in range(count)]


def test_a_template_that_prints_runs_no_more_often_for_more_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    renderer = PairRenderer(make_tokenizer())
    renderer.render(pairs(1))
    first = counted.conversations
    rendered = renderer.render(pairs(50))
    assert counted.conversations == first
    assert rendered[7].prompt == "<|im_start|>user\nq7<|im_end|>\n<|im_start|>assistant\n"
    assert (rendered[7].chosen, rendered[7].rejected) == ("a7<|im_end|>", "b7<|im_end|>")


def test_any_other_template_runs_for_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    tokenizer = make_tokenizer()
    tokenizer.chat_template = LOOP.replace("{}", "{{ m.content | upper }}")
    PairRenderer(tokenizer).render(pairs(5))
    assert counted.conversations == 3 * 5


def test_a_skeleton_that_hard_contents_contradict_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a use of contents overlooked, the template's own rendering of hard contents would tell."""
    monkeypatch.setattr(skeleton, "only_prints_contents", lambda template: True)
    tokenizer = make_tokenizer()
    tokenizer.chat_template = LOOP.replace("{}", "{{ m.content.split('</think>')[-1] }}")
    [text] = TemplateRenderer(tokenizer).render([[{"role": "user", "content": "a</think>b"}]], False)
    assert text == "b"


def test_messages_with_more_than_a_role_and_a_content_are_rendered_by_the_template() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = LOOP.replace("{}", "{{ m.content }}{% if 'name' in m %}!{% endif %}")
    renderer = TemplateRenderer(tokenizer)
    message = {"role": "user", "content": "a"}
    assert renderer.render([[message], [{**message, "name": "n"}]], False) == ["a", "a!"]


def test_a_refusal_is_the_templates_own() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = LOOP.replace(
        "{}", "{% if m.role == 'x' %}{{ raise_exception('no') }}{% endif %}"
    )
    renderer = TemplateRenderer(tokenizer)
    for _ in range(2):
        with pytest.raises(TemplateError, match="no"):
            renderer.render([[{"role": "x", "content": "a"}]], False)
    assert renderer.render([[{"role": "y", "content": "a"}]], False) == [""]


def test_a_skeleton_is_filled_by_hand() -> None:
    parts = ("<", Slot(1, trimmed=True), "|", Slot(0, trimmed=False), ">")
    assert fill(parts, [" a ", " b "]) == "<b| a >"
