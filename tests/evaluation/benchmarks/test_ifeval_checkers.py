"""Verdicts by hand for many kinds of instruction, and beside a second implementation of strict and loose."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks import ifeval_checkers
from pipeline.evaluation.benchmarks.ifeval_checkers import Verdict, check_items, judge, variants
from pipeline.evaluation.benchmarks.ifeval_prompts import IFEvalItem, read_items

REAL = Path(__file__).parents[3] / "../shared/data/bench/ifeval_541.jsonl"


def item(*instructions: tuple[str, dict[str, Any]], key: str = "1") -> IFEvalItem:
    return IFEvalItem(
        key, "a prompt", tuple(name for name, _ in instructions), tuple(given for _, given in instructions)
    )


def test_variants_are_the_official_eight() -> None:
    assert variants("Sure!\n*a*\nb\nBye") == [
        "Sure!\n*a*\nb\nBye",
        "*a*\nb\nBye",
        "Sure!\n*a*\nb",
        "*a*\nb",
        "Sure!\na\nb\nBye",
        "a\nb\nBye",
        "Sure!\na\nb",
        "a\nb",
    ]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    ifeval_checkers._kinds.cache_clear()
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(PipelineError, match=r"No module named 'if_verifiable.*-e '\.\[ifeval\]'"):
        judge(item(("punctuation:no_comma", {})), "text")


needs_checkers = pytest.mark.skipif(
    importlib.util.find_spec("if_verifiable") is None, reason="the extra ifeval is not installed"
)

FENCED = '```json\n{"a": 1}\n```'
CASES = [
    # instruction, arguments, response, strict, loose
    ("punctuation:no_comma", {}, "no comma here", True, True),
    ("punctuation:no_comma", {}, "one, two", False, False),
    ("punctuation:no_comma", {}, "Well, sure:\nno comma here", False, True),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 3}, "a b c", True, True),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 4}, "a b c", False, False),
    ("length_constraints:number_words", {"relation": "less than", "num_words": 3}, "a b c", False, False),
    ("length_constraints:number_words", {"relation": "less than", "num_words": 3}, "a b\nc", False, True),
    # "Mr." ends no sentence: the English Punkt model is there.
    (
        "length_constraints:number_sentences",
        {"relation": "less than", "num_sentences": 3},
        "Mr. Smith left. He came back.",
        True,
        True,
    ),
    (
        "length_constraints:number_sentences",
        {"relation": "at least", "num_sentences": 3},
        "Mr. Smith left. He came back.",
        False,
        False,
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n***\ntwo", True, True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n\ntwo", False, False),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "it"},
        "One.\n\nIt is.",
        True,
        True,
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "it"},
        "One.\n\nIt is.",
        False,
        False,
    ),
    ("keywords:existence", {"keywords": ["tea", "cup"]}, "A CUP of tea.", True, True),
    ("keywords:existence", {"keywords": ["tea", "cup"]}, "A mug of tea.", False, False),
    ("keywords:forbidden_words", {"forbidden_words": ["tea"]}, "steam", True, True),
    ("keywords:forbidden_words", {"forbidden_words": ["tea"]}, "Tea time", False, False),
    ("keywords:forbidden_words", {"forbidden_words": ["tea"]}, "About tea:\nhot water", False, True),
    (
        "keywords:frequency",
        {"relation": "at least", "keyword": "tea", "frequency": 2},
        "tea and Tea",
        True,
        True,
    ),
    (
        "keywords:frequency",
        {"relation": "less than", "keyword": "tea", "frequency": 2},
        "tea and tea",
        False,
        False,
    ),
    (
        "keywords:letter_frequency",
        {"let_relation": "at least", "letter": "q", "let_frequency": 2},
        "Quick, quack",
        True,
        True,
    ),
    (
        "keywords:letter_frequency",
        {"let_relation": "less than", "letter": "q", "let_frequency": 2},
        "Quick, quack",
        False,
        False,
    ),
    ("change_case:english_lowercase", {}, "all of this is in small letters", True, True),
    ("change_case:english_lowercase", {}, "Sure!\nall of this is in small letters", False, True),
    ("change_case:english_capital", {}, "ALL OF THIS IS WRITTEN LOUD", True, True),
    ("change_case:english_capital", {}, "All of this is not loud", False, False),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "at least", "capital_frequency": 2},
        "BIG and BOLD",
        True,
        True,
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "less than", "capital_frequency": 2},
        "BIG and BOLD",
        False,
        False,
    ),
    ("startend:quotation", {}, '"quoted"', True, True),
    ("startend:quotation", {}, '**"quoted"**', False, True),
    ("startend:end_checker", {"end_phrase": "The end."}, "Once. The END.", True, True),
    ("startend:end_checker", {"end_phrase": "The end."}, "The end.\nAnything else?", False, True),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi"}, "Say hi\nhi", True, True),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi"}, "Sure:\nSay hi\nhi", False, True),
    ("combination:two_responses", {}, "one******two", True, True),
    ("combination:two_responses", {}, "one******one", False, False),
    ("detectable_format:json_format", {}, FENCED, True, True),
    ("detectable_format:json_format", {}, f"Here:\n{FENCED}", False, True),
    ("detectable_format:title", {}, "<<A title>> and more", True, True),
    ("detectable_format:title", {}, "<<>> and more", False, False),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n* two", True, True),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n* two\n* three", False, True),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b**", True, True),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and b", False, False),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "PART", "num_sections": 2},
        "PART 1\na\nPART 2\nb",
        True,
        True,
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "PART", "num_sections": 3},
        "PART 1\na\nPART 2\nb",
        False,
        False,
    ),
    ("detectable_format:constrained_response", {}, "My answer is yes.", True, True),
    ("detectable_format:constrained_response", {}, "Yes.", False, False),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name], [place]", True, True),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name]", False, False),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye\nP.S. tea", True, True),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye", False, False),
    ("language:response_language", {"language": "de"}, "Das ist ein schöner Tag im Garten.", True, True),
    ("language:response_language", {"language": "de"}, "This is a lovely day in the garden.", False, False),
]


@needs_checkers
@pytest.mark.parametrize(("instruction", "arguments", "response", "strict", "loose"), CASES)
def test_verdicts_by_hand(
    instruction: str, arguments: dict[str, Any], response: str, strict: bool, loose: bool
) -> None:
    assert judge(item((instruction, arguments)), response) == Verdict((strict,), (loose,))


@needs_checkers
def test_the_cases_hold_every_kind_of_instruction() -> None:
    used = {name for each in read_items(REAL) for name in each.instructions} if REAL.is_file() else set()
    assert used <= {case[0] for case in CASES}
    assert len({case[0] for case in CASES}) == 25


@needs_checkers
@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_response_follows_nothing(blank: str) -> None:
    # Of itself it has no comma, and less than three words.
    asked = item(
        ("punctuation:no_comma", {}),
        ("length_constraints:number_words", {"relation": "less than", "num_words": 3}),
    )
    assert judge(asked, blank) == Verdict((False, False), (False, False))


@needs_checkers
def test_each_instruction_has_a_variant_of_its_own() -> None:
    # Loose: the first by the text without its first line, the second only by the whole.
    asked = item(
        ("punctuation:no_comma", {}),
        ("length_constraints:number_words", {"relation": "at least", "num_words": 4}),
    )
    assert judge(asked, "Yes, sure\ngo on") == Verdict((False, True), (True, True))


@needs_checkers
def test_a_verdict_does_not_depend_on_what_was_judged_before() -> None:
    # A text between languages: without a seed, half of the times each.
    detect = importlib.import_module("langdetect")
    detect.DetectorFactory.seed = None
    assert {detect.detect("um so and de la la") for _ in range(60)} == {"pt", "es"}
    asked = item(("language:response_language", {"language": "es"}))
    assert len({judge(asked, "um so and de la la").strict for _ in range(20)}) == 1


@needs_checkers
def test_a_letter_that_is_none_is_drawn_by_the_key_and_leaves_the_global_generator_alone() -> None:
    arguments = {"let_relation": "at least", "letter": "!", "let_frequency": 1}
    words = [f"{letter}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    random.seed(3)
    state = random.getstate()

    def found(key: str) -> list[bool]:
        asked = item(("keywords:letter_frequency", arguments), key=key)
        return [judge(asked, word).strict[0] for word in words]

    assert found("1129") == found("1129")
    assert all(sum(found(str(key))) == 1 for key in range(5))
    assert len({tuple(found(str(key))) for key in range(5)}) > 1
    assert random.getstate() == state


@needs_checkers
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (item(("keywords:nothing", {})), "Found: keywords:nothing"),
        (item(("keywords:existence", {})), "Found: no arguments. Expected: keywords"),
        (item(("punctuation:no_comma", {"n": 1})), "Found: n. Expected: no arguments"),
        (item(("language:response_language", {"language": "xx"})), "a wrong argument.*'xx'"),
        (
            item(("keywords:frequency", {"relation": "above", "keyword": "a", "frequency": 1})),
            "a wrong argument.*above is given",
        ),
    ],
)
def test_prompts_that_cannot_be_checked_are_refused(asked: IFEvalItem, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        check_items([asked])


def responses() -> list[str]:
    texts = [case[2] for case in CASES]
    return [*texts, "\n\n".join(texts[:9]), "Here you go, sir!\n\n" + "\n".join(texts[9:14]) + "\n\nBye"]


@needs_checkers
@pytest.mark.skipif(not REAL.is_file(), reason="no IFEval prompts beside the checkout")
def test_agrees_with_if_verifiable_on_the_real_prompts() -> None:
    """Its own strict and loose code, which strips a response first: so only stripped ones are compared."""
    peer = importlib.import_module("if_verifiable")
    texts = responses()
    followed = 0
    for place, asked in enumerate(read_items(REAL)[::3]):
        if asked.key in {"1122", "1129"}:
            continue  # the letter drawn at random
        for text in (texts[place % len(texts)], f"{asked.prompt}\n\n{texts[-1 - place % len(texts)]}"):
            sample = peer.IFEvalSample(
                key=asked.key,
                prompt=asked.prompt,
                instruction_id_list=list(asked.instructions),
                kwargs=list(asked.arguments),
            )
            results, _ = peer.evaluate_output_for_sample("ifeval", sample, text)
            expected = Verdict(
                tuple(result.strict_pass for result in results),
                tuple(result.loose_pass for result in results),
            )
            assert text == text.strip()
            assert judge(asked, text) == expected, asked.key
            followed += sum(expected.loose)
    assert followed > 100
