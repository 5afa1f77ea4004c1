"""Every kind by hand-written examples: one that passes, ones that fail, ones that pretend."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import ArgValue, Constraint, kinds, names_topic, required_args, verify
from pipeline.prose import is_echo, is_repetitive, sentences, trigram_jaccard, words

ASKED = "Please explain tides to a child."
TIDE = ("tide", "tidal")
ONE = "Tides rise and fall twice on most coasts."
TWO = f"{ONE} The pull of the moon causes them."

# kind, args, a response that passes, one that fails, one that pretends with the failures it earns
CASES: list[tuple[str, dict[str, ArgValue], str, str, tuple[str, tuple[str, ...]]]] = [
    (
        "all_lowercase",
        {},
        "tides rise and fall twice on most coasts.",
        ONE,
        ("tides", ("constraint",)),
    ),
    (
        "all_capitals",
        {},
        "TIDES RISE AND FALL TWICE ON MOST COASTS.",
        "TIDES rise and fall twice on most coasts.",
        ("TIDES TIDES TIDES", ("constraint",)),
    ),
    (
        "bullet_points",
        {"count": 2},
        "Two facts:\n- Tides rise and fall.\n- The moon pulls on the sea.",
        "- Tides rise and fall.\n- The moon pulls on the sea.\n- Boats wait for them.",
        ("- Tides\n- Tides", ("repetition",)),
    ),
    (
        "numbered_list",
        {"count": 2},
        "1. Tides rise and fall.\n2. The moon pulls on the sea.",
        "1. Tides rise and fall.\n3. The moon pulls on the sea.",
        ("1. Tides\n2. Tides", ("repetition",)),
    ),
    (
        "end_with",
        {"word": "harbor"},
        "Sailors wait for the tide before they leave the harbor.",
        "Sailors leave the harbor with the tide.",
        ("Sailors wait for the tide. Harbor.", ("constraint",)),
    ),
    (
        "start_with",
        {"word": "indeed"},
        "Indeed, tides rise and fall every day.",
        "Tides indeed rise and fall every day.",
        ("Indeed. Tides rise and fall every day.", ("constraint",)),
    ),
    ("one_sentence", {}, ONE, TWO, ("Tides rise", ("constraint",))),
    ("sentence_count", {"count": 2}, TWO, ONE, ("Tides. Sea.", ("constraint",))),
    (
        "include_keyword",
        {"word": "moon"},
        "The Moon causes the tides on Earth.",
        "The moonlight falls on the tides.",
        ("moon tide", ("constraint",)),
    ),
    (
        "avoid_keyword",
        {"word": "moon"},
        ONE,
        "The moons of some planets cause tides.",
        ("Here is a short answer for you.", ("topic",)),
    ),
    (
        "json_keys",
        {"keys": ["topic", "fact"]},
        '```json\n{"topic": "tides", "fact": "The moon causes them."}\n```',
        '{"topic": "tides", "detail": "The moon causes them."}',
        ('{"topic": "tides", "fact": "tides"}', ("constraint",)),
    ),
    ("no_commas", {}, ONE, "Tides rise, and later they fall.", ("tides", ("constraint",))),
    (
        "max_words",
        {"count": 8},
        ONE,
        "Tides rise and fall twice on most sandy coasts.",
        ("tides", ("constraint",)),
    ),
    (
        "comma_list",
        {"count": 3},
        "tide pool, moon, harbor",
        "tide pool, moon, harbor, boat",
        ("tide, tide, tide", ("constraint",)),
    ),
    (
        "title_line",
        {},
        f"Title: The Sea at Work\n{ONE}",
        f"The Sea at Work\n{ONE}",
        ("Title: Tides", ("constraint",)),
    ),
    (
        "two_paragraphs",
        {},
        f"{ONE}\n\nThe pull of the moon causes them.",
        TWO,
        (f"{ONE}\n\n{ONE}", ("repetition",)),
    ),
    ("in_quotes", {}, f'"{ONE}"', f'"{ONE}" That is all.', ('"tides"', ("constraint",))),
    (
        "end_question",
        {},
        f"{ONE} Have you ever seen one?",
        f"Have you ever seen one? {ONE}",
        (f"{ONE} Why?", ("constraint",)),
    ),
]


def test_every_kind_has_a_case() -> None:
    assert sorted(case[0] for case in CASES) == list(kinds())
    assert len(kinds()) >= 15


@pytest.mark.parametrize(("kind", "args", "good", "bad", "fake"), CASES, ids=[case[0] for case in CASES])
def test_kind(
    kind: str, args: dict[str, ArgValue], good: str, bad: str, fake: tuple[str, tuple[str, ...]]
) -> None:
    constraint = Constraint(kind, args, TIDE)
    verdict = verify(constraint, ASKED, good)
    assert (verdict.passed, verdict.failures) == (True, ())
    assert verify(constraint, ASKED, bad).failures == ("constraint",)
    text, failures = fake
    verdict = verify(constraint, ASKED, text)
    assert set(failures) <= set(verdict.failures)
    assert not verdict.passed


@pytest.mark.parametrize(("kind", "args", "good", "bad", "fake"), CASES, ids=[case[0] for case in CASES])
def test_kind_about_something_else(
    kind: str, args: dict[str, ArgValue], good: str, bad: str, fake: object
) -> None:
    assert verify(Constraint(kind, args, ("bread",)), ASKED, good).failures == ("topic",)


@pytest.mark.parametrize(
    ("kind", "args", "instruction", "response", "failures"),
    [
        (
            "end_with",
            {"word": "harbor"},
            "Write about the tides and end with the word harbor",
            "Write about the tides and end with the word harbor",
            ("echo",),
        ),
        (
            "end_with",
            {"word": "harbor"},
            "Write about the tides and end with the word harbor",
            "end with the word harbor",
            ("topic", "echo"),
        ),
        (
            "all_capitals",
            {},
            "Describe the tides in capitals.",
            "TIDES TIDES TIDES TIDES TIDES",
            ("repetition",),
        ),
        (
            "no_commas",
            {},
            "Describe the tides without any commas.",
            "",
            ("empty", "constraint", "topic"),
        ),
        (
            "no_commas",
            {},
            "Describe the tides without any commas.",
            "... !",
            ("empty", "constraint", "topic"),
        ),
        (
            "max_words",
            {"count": 4},
            "Describe the tides in at most four words.",
            "bread bread bread bread bread",
            ("constraint", "topic", "repetition"),
        ),
        ("comma_list", {"count": 2}, "Name two things.", "a tide\nmoon, sea", ("constraint",)),
        ("json_keys", {"keys": ["a"]}, "Reply in JSON.", '{"a": "tide", "a": "tidal"}', ("constraint",)),
        ("json_keys", {"keys": ["a"]}, "Reply in JSON.", '{"a": ""}', ("constraint", "topic")),
        ("json_keys", {"keys": ["tide"]}, "Reply in JSON.", '{"tide": "tide"}', ("constraint",)),
        ("json_keys", {"keys": ["a"]}, "Reply in JSON.", '["tide"]', ("constraint",)),
        ("json_keys", {"keys": ["a"]}, "Reply in JSON.", "{tide}", ("constraint",)),
        ("bullet_points", {"count": 1}, "One bullet.", "- The tide rises.\nThat is all.", ("constraint",)),
        ("bullet_points", {"count": 1}, "One bullet.", "1. The tide rises.", ("constraint",)),
        ("one_sentence", {}, "One sentence.", "The tide rises and falls and", ("constraint",)),
    ],
)
def test_all_failures_are_named(
    kind: str, args: dict[str, ArgValue], instruction: str, response: str, failures: tuple[str, ...]
) -> None:
    assert verify(Constraint(kind, args, TIDE), instruction, response).failures == failures


@pytest.mark.parametrize(
    ("response", "echo"),
    [
        ("Tell me about tides for a curious child.", True),
        ("Sure! Tell me about tides for a curious child.", True),
        (
            "You asked: tell me about tides for a curious child. Well then, here is what I think of that.",
            True,
        ),
        ("a curious child", True),
        ("Tides rise and fall, as a curious child can see at the beach.", False),
        ("", False),
    ],
)
def test_echo(response: str, echo: bool) -> None:
    assert is_echo("Tell me about tides for a curious child.", response) is echo


@pytest.mark.parametrize(
    ("response", "repetitive"),
    [
        ("the sea the sea the sea the sea", True),
        ("Tides rise daily. Tides rise daily.", True),
        ("Tides rise\nThe moon pulls\nTides rise", True),
        ("very very very very good", True),
        ("very very very good", False),
        (TWO, False),
        ("", False),
    ],
)
def test_repetition(response: str, repetitive: bool) -> None:
    assert is_repetitive(response) is repetitive


def test_topic_matches_the_beginning_of_a_word() -> None:
    assert names_topic(("tide",), "High TIDES come at noon.")
    assert not names_topic(("tide",), "Riptides are strong.")
    assert not names_topic(("tide",), "tid-bits")
    assert names_topic((), "anything")


def test_words_sentences_and_similarity() -> None:
    assert words("The moon's pull: twenty-one tides, 2 waves!") == [
        "The",
        "moon's",
        "pull",
        "twenty-one",
        "tides",
        "2",
        "waves",
    ]
    assert sentences('1. It rises. "It falls!" he said\n- Why?') == [
        "It rises.",
        '"It falls!',
        "he said",
        "Why?",
    ]
    assert trigram_jaccard("a b c d", "A b c e") == pytest.approx(1 / 3)
    assert trigram_jaccard("a b", "a b") == 0.0


def test_json_is_canonical_and_round_trips() -> None:
    constraint = Constraint("json_keys", {"keys": ["b", "a"]}, ("tide",))
    text = '{"args":{"keys":["b","a"]},"kind":"json_keys","topic":["tide"]}'
    assert constraint.to_json() == text
    assert Constraint.from_json(text) == constraint
    assert Constraint.from_json(json.dumps(json.loads(text), indent=2)) == constraint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind":"rhymes","args":{},"topic":[]}', "unknown constraint kind 'rhymes'"),
        ('{"kind":"max_words","args":{},"topic":[]}', "constraint 'max_words' lacks args: count"),
        (
            '{"kind":"no_commas","args":{"count":2},"topic":[]}',
            "constraint 'no_commas' does not take args: count",
        ),
        (
            '{"kind":"max_words","args":{"count":"2"},"topic":[]}',
            "arg 'count' is '2', expected a whole number",
        ),
        (
            '{"kind":"max_words","args":{"count":true},"topic":[]}',
            "arg 'count' is True, expected a whole number",
        ),
        ('{"kind":"end_with","args":{"word":"two words"},"topic":[]}', "expected one word"),
        (
            '{"kind":"json_keys","args":{"keys":["a","a"]},"topic":[]}',
            "expected a non-empty list of distinct",
        ),
        ('{"kind":"no_commas","args":{},"topic":[""]}', "expected non-empty words"),
        ('{"kind":"no_commas","args":{},"topic":"tide"}', "constraint field 'topic' is missing or mistyped"),
        ('{"kind":"no_commas","args":{},"topic":[],"x":1}', "constraint has unknown fields: x"),
        ('{"args":{},"topic":[]}', "constraint field 'kind' is missing or mistyped"),
        ("[]", "constraint is not a JSON object"),
        ("{", "constraint is not JSON"),
    ],
)
def test_bad_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        Constraint.from_json(text)
    assert message in str(error.value)


def test_required_args() -> None:
    assert required_args("comma_list") == {"count": int}
    assert required_args("no_commas") == {}


@given(kind=st.sampled_from(kinds()), response=st.text(max_size=200), instruction=st.text(max_size=80))
def test_any_text_gets_a_verdict(kind: str, response: str, instruction: str) -> None:
    values: dict[type, ArgValue] = {int: 3, str: "moon", list: ["a", "b"]}
    args = {name: values[wanted] for name, wanted in required_args(kind).items()}
    verdict = verify(Constraint(kind, args, TIDE), instruction, response)
    assert verdict.passed == (not verdict.failures)
