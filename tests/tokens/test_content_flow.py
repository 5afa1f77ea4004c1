"""Which templates are known to do nothing with contents but print them."""

from __future__ import annotations

import pytest

from pipeline.tokens.content_flow import only_prints_contents
from pipeline.tokens.templates import PLAIN_TURNS

LOOP = "{% for m in messages %}{}{% endfor %}"

PRINTING = {
    "the default": PLAIN_TURNS,
    "ChatML with a default system prompt": (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nYou help<|im_end|>\n' }}{% endif %}"
        "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "Zephyr": (
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\n' + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
    ),
    "Llama 3": (
        "{% set loop_messages = messages %}{% for message in loop_messages %}"
        "{% set content = '<|start|>' + message['role'] + '<|end|>\n\n' + message['content'] | trim + "
        "'<|eot|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
        "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>' }}{% endif %}"
    ),
    "Gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for message in messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('order') }}{% endif %}"
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
        "{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start>' + role + '\n' + message['content'] | trim + '<end>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start>model\n' }}{% endif %}"
    ),
    "a system prompt set apart": (
        "{% if messages[0].role == 'system' %}{% set system = messages[0].content.strip() %}"
        "{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
        "{{ system ~ '|' }}{% for m in rest %}{{ m.content if m.content is string else '' }}{% endfor %}"
    ),
    "keys that are not there": LOOP.replace(
        "{}",
        "{% if 'tool_calls' in m or m.get('tool_calls') or m['reasoning_content'] is defined %}x{% endif %}"
        "{{ m.get('content') }}",
    ),
    "by the number of messages": (
        "{% if messages and messages | length > 1 %}{{ messages[-1].content }}{% endif %}"
    ),
    "in a namespace": "{% set ns = namespace(n=0) %}"
    + LOOP.replace("{}", "{% set ns.n = ns.n + 1 %}{{ ns.n }}"),
}

USES = {
    "a test whether it is empty": "{% if m.content %}{{ m.content }}{% endif %}",
    "a condition": "{{ 'a' if m.content == 'b' else 'c' }}",
    "a search": "{% if '</think>' in m.content %}x{% endif %}",
    "a search in a text": "{% if m.content in 'abc' %}x{% endif %}",
    "cutting": "{{ m.content.split('x')[-1] }}",
    "a slice": "{{ m.content[1:] }}",
    "one side trimmed": "{{ m.content.lstrip() }}",
    "letters trimmed": "{{ m.content.strip('x') }}",
    "letters trimmed by the filter": "{{ m.content | trim('x') }}",
    "letters trimmed, from a list": "{{ m.content.strip(*['x']) }}",
    "trimmed with what is around": "{{ (' ' + m.content) | trim }}",
    "replacing": "{{ m.content | replace('a', 'b') }}",
    "upper case": "{{ m.content | upper }}",
    "counting": "{{ m.content | length }}",
    "JSON": "{{ m | tojson }}",
    "the message whole": "{{ m }}",
    "all messages": "{{ messages }}",
    "formatting": "{{ '%s' % m.content }}",
    "formatting by a method": "{{ '{}'.format(m.content) }}",
    "repeating": "{{ m.content * 2 }}",
    "a list": "{{ [m.content] | join('') }}",
    "either": "{{ m.content or 'nothing' }}",
    "a namespace": "{% set ns = namespace(a=m.content) %}{% if ns.a %}x{% endif %}",
    "a namespace set later": (
        "{% set ns = namespace(a='') %}{% set ns.a = m.content %}{% if ns.a %}x{% endif %}"
    ),
    "another name": "{% set a = m.content %}{% set b = a %}{% if b %}x{% endif %}",
    "a name that is set later": "{% if a %}x{% endif %}{% set a = m.content %}",
    "a list of messages in another": "{% set a = [messages] %}{% if a[0][0].content %}x{% endif %}",
    "a name for two things": "{% set a = m %}{% set a = 'x' %}",
    "the keys": "{% for key in m %}{{ key }}{% endfor %}",
    "the values": "{% for value in m.values() %}{{ value }}{% endfor %}",
    "a method by name": "{{ m['items']() }}",
    "the next one": "{% if loop.nextitem.content %}x{% endif %}",
    "whether it changed": "{% if loop.changed(m.content) %}x{% endif %}",
    "choosing messages": "{% for n in messages | selectattr('content') %}x{% endfor %}",
    "a macro": "{% macro f(x) %}{% if x %}y{% endif %}{% endmacro %}{{ f(m.content) }}",
    "a block": "{% set a %}{{ m.content }}{% endset %}{% if a %}x{% endif %}",
    "a filter block": "{% filter upper %}{{ m.content }}{% endfilter %}",
    "a refusal": "{% if m.role == 'x' %}{{ raise_exception(m.content) }}{% endif %}",
    "a loop's condition": "{% for n in messages if n.content %}x{% endfor %}",
    "a key that it names": "{{ {'a': 1}[m.content] }}",
}


@pytest.mark.parametrize("template", PRINTING.values(), ids=PRINTING.keys())
def test_contents_are_only_printed(template: str) -> None:
    assert only_prints_contents(template)


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_any_other_use_is_found(use: str) -> None:
    assert not only_prints_contents(LOOP.replace("{}", use))


@pytest.mark.parametrize("template", ["{% if %}", "{% generation %}{% endgeneration %}", "{{ a"])
def test_what_cannot_be_read_is_not_known_to_print(template: str) -> None:
    assert not only_prints_contents(template)
