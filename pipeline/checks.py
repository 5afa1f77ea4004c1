"""Verifiable checks of an instruction's constraint, and of whether an answer is an answer at all.

The same checks rate the sample's responses and judge what a trained model writes for held-out prompts. They
are made to resist gaming: besides the constraint itself an answer must name the topic, must not hand the
instruction back, and must not repeat itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline.prose import (
    MARKER,
    MIN_WORDS,
    filled_lines,
    folded_words,
    is_echo,
    is_repetitive,
    sentences,
    words,
)

ArgValue = str | int | list[str]
Args = Mapping[str, ArgValue]

FAILURES = ("empty", "constraint", "topic", "echo", "repetition")

MIN_SENTENCE_WORDS = 3  # a "sentence" shorter than this is a word tacked on to satisfy a check
ONE_SENTENCE_MIN_WORDS = 6

_SENTENCE_CLOSED = re.compile(r"[.!?][\"'”’)\]]*$")
_BULLET = re.compile(r"^[-*•] +\S")
_NUMBERED = re.compile(r"^(\d+)[.)] +\S")
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*?)\n?```$", re.DOTALL)
_TITLE = re.compile(r"^Title: *\S")


# --- constraints and their registry ---------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """One registered kind: the arguments it needs, by type, and the function that checks a response."""

    args: Mapping[str, type]
    check: Callable[[Args, str], bool]


_KINDS: dict[str, _Kind] = {}


def _kind(**args: type) -> Callable[[Callable[[Args, str], bool]], Callable[[Args, str], bool]]:
    """Register a check under its function's name, with the arguments it needs."""

    def register(check: Callable[[Args, str], bool]) -> Callable[[Args, str], bool]:
        _KINDS[check.__name__.removeprefix("_")] = _Kind(args, check)
        return check

    return register


def kinds() -> tuple[str, ...]:
    """Give the name of every kind of constraint that can be checked, sorted."""
    return tuple(sorted(_KINDS))


def required_args(kind: str) -> dict[str, type]:
    """Give the arguments a kind needs, by name and type.

    Raises:
        ValueError: the kind is unknown.
    """
    if kind not in _KINDS:
        raise ValueError(f"unknown constraint kind {kind!r}; known kinds: {', '.join(kinds())}")
    return dict(_KINDS[kind].args)


@dataclass(frozen=True)
class Constraint:
    """What an instruction asks of its answer, in a form a program can check.

    Attributes:
        kind: the name of the check, one of `kinds()`.
        args: what that check needs, such as a count or a word.
        topic: keywords, one of which must begin a word of the answer; none means that any topic will do.

    Raises:
        ValueError: the kind is unknown, or an argument is missing, superfluous or of the wrong type.
    """

    kind: str
    args: dict[str, ArgValue] = field(default_factory=dict)
    topic: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a constraint that could not be checked."""
        wanted = required_args(self.kind)
        if missing := sorted(wanted.keys() - self.args.keys()):
            raise ValueError(f"constraint {self.kind!r} lacks args: {', '.join(missing)}")
        if extra := sorted(self.args.keys() - wanted.keys()):
            raise ValueError(f"constraint {self.kind!r} does not take args: {', '.join(extra)}")
        for name, wanted_type in wanted.items():
            if not _is_arg(self.args[name], wanted_type):
                found = f"{self.args[name]!r}"
                expected = _ARG_WORDS[wanted_type]
                raise ValueError(f"constraint {self.kind!r}: arg {name!r} is {found}, expected {expected}")
        if not all(isinstance(word, str) and words(word) for word in self.topic):
            raise ValueError(f"constraint {self.kind!r}: topic is {self.topic!r}, expected non-empty words")

    def to_dict(self) -> dict[str, Any]:
        """Give the constraint as plain JSON values: kind, args and topic."""
        return {"kind": self.kind, "args": dict(self.args), "topic": list(self.topic)}

    def to_json(self) -> str:
        """Give the canonical text: sorted keys, no spaces, the same for equal constraints."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Constraint:
        """Build a constraint from plain JSON values, as `to_dict` gives them.

        Raises:
            ValueError: a field is missing or of the wrong type, the kind is unknown, or its args do not fit.
        """
        shape: dict[str, tuple[type, ...]] = {"kind": (str,), "args": (Mapping,), "topic": (list, tuple)}
        for name, wanted in shape.items():
            if not isinstance(value.get(name), wanted):
                raise ValueError(f"constraint field {name!r} is missing or mistyped: {dict(value)!r}")
        if extra := sorted(value.keys() - shape.keys()):
            raise ValueError(f"constraint has unknown fields: {', '.join(extra)}")
        return cls(value["kind"], dict(value["args"]), tuple(value["topic"]))

    @classmethod
    def from_json(cls, text: str) -> Constraint:
        """Build a constraint from the text `to_json` gives.

        Raises:
            ValueError: the text is not a JSON object, the kind is unknown, or its args do not fit.
        """
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"constraint is not JSON ({error}): {text!r}") from error
        if not isinstance(value, dict):
            raise ValueError(f"constraint is not a JSON object: {text!r}")
        return cls.from_dict(value)


_ARG_WORDS: dict[type, str] = {
    int: "a whole number above 0",
    str: "one word",
    list: "a non-empty list of distinct strings",
}


def _is_arg(value: object, wanted: type) -> bool:
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    if wanted is str:
        return isinstance(value, str) and words(value) == [value]
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, str) and item for item in value) and len(set(value)) == len(value)


# --- the verdict ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """Whether a response passed, and the name of every check it failed, in the order of `FAILURES`."""

    passed: bool
    failures: tuple[str, ...]


def verify(constraint: Constraint, instruction: str, response: str) -> Verdict:
    """Check a response against a constraint and against the ways of pretending to meet one.

    Returns:
        The verdict; every failed check is named, not only the first.
    """
    failed = {
        "empty": not words(response),
        "constraint": not _KINDS[constraint.kind].check(constraint.args, response.strip()),
        "topic": not names_topic(constraint.topic, response),
        "echo": is_echo(instruction, response),
        "repetition": is_repetitive(response),
    }
    failures = tuple(name for name in FAILURES if failed[name])
    return Verdict(not failures, failures)


def names_topic(topic: tuple[str, ...], response: str) -> bool:
    """Tell whether any keyword begins a word of the response, case aside; True where there is no keyword."""
    if not topic:
        return True
    return _starts_of(topic).search(response) is not None


@lru_cache(maxsize=1024)
def _starts_of(topic: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, topic))})", re.IGNORECASE)


# --- the kinds ------------------------------------------------------------------------------------


def _count(args: Args) -> int:
    count = args["count"]
    assert isinstance(count, int)
    return count


def _word(args: Args) -> str:
    word = args["word"]
    assert isinstance(word, str)
    return word.casefold()


def _is_prose(text: str) -> bool:
    return len(words(text)) >= MIN_WORDS


@_kind()
def _all_lowercase(args: Args, text: str) -> bool:
    return _is_prose(text) and text == text.lower()


@_kind()
def _all_capitals(args: Args, text: str) -> bool:
    return _is_prose(text) and text == text.upper()


def _list_items(text: str, is_item: re.Pattern[str]) -> list[str] | None:
    """Give the items of a text that is a list and nothing else but one lead-in line; None where it is not."""
    lines = filled_lines(text)
    if lines and lines[0].endswith(":") and not is_item.match(lines[0]):
        lines = lines[1:]
    return lines if all(is_item.match(line) and words(MARKER.sub("", line)) for line in lines) else None


@_kind(count=int)
def _bullet_points(args: Args, text: str) -> bool:
    items = _list_items(text, _BULLET)
    return items is not None and len(items) == _count(args)


@_kind(count=int)
def _numbered_list(args: Args, text: str) -> bool:
    items = _list_items(text, _NUMBERED)
    if items is None or len(items) != _count(args):
        return False
    return [item.split(" ")[0][:-1] for item in items] == [str(number + 1) for number in range(len(items))]


@_kind(word=str)
def _end_with(args: Args, text: str) -> bool:
    said = words(text)
    if not _is_prose(text) or said[-1].casefold() != _word(args):
        return False
    return len(words(sentences(text)[-1])) >= MIN_SENTENCE_WORDS


@_kind(word=str)
def _start_with(args: Args, text: str) -> bool:
    said = words(text)
    if not _is_prose(text) or said[0].casefold() != _word(args):
        return False
    return len(words(sentences(text)[0])) >= MIN_SENTENCE_WORDS


def _closed_sentences(text: str) -> list[str] | None:
    """Give the sentences of a text in which each is whole and closed; None where one is not."""
    parts = sentences(text)
    whole = all(_SENTENCE_CLOSED.search(part) and len(words(part)) >= MIN_SENTENCE_WORDS for part in parts)
    return parts if parts and whole else None


@_kind()
def _one_sentence(args: Args, text: str) -> bool:
    parts = _closed_sentences(text)
    return parts is not None and len(parts) == 1 and len(words(text)) >= ONE_SENTENCE_MIN_WORDS


@_kind(count=int)
def _sentence_count(args: Args, text: str) -> bool:
    parts = _closed_sentences(text)
    return parts is not None and len(parts) == _count(args)


@_kind(word=str)
def _include_keyword(args: Args, text: str) -> bool:
    return _is_prose(text) and _word(args) in folded_words(text)


@_kind(word=str)
def _avoid_keyword(args: Args, text: str) -> bool:
    word = _word(args)
    banned = {word, f"{word}s", f"{word}es", f"{word}'s", f"{word}’s"}
    return _is_prose(text) and banned.isdisjoint(folded_words(text))


def _object(text: str) -> dict[str, object] | None:
    """Parse a JSON object, fenced or bare; None where the text is anything else or gives a key twice."""
    fenced = _FENCE.match(text)
    try:
        pairs = json.loads(fenced.group(1) if fenced else text, object_pairs_hook=lambda pairs: pairs)
    except (json.JSONDecodeError, RecursionError):
        return None
    is_object = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
    found = dict(pairs) if is_object else {}
    return found if found and len(found) == len(pairs) else None


def _has_content(value: object) -> bool:
    if isinstance(value, str):
        return bool(words(value))
    if isinstance(value, list):
        return bool(value) and all(_has_content(item) for item in value)
    if isinstance(value, tuple):  # a pair of a nested object
        return all(_has_content(item) for item in value)
    return isinstance(value, int | float)


@_kind(keys=list)
def _json_keys(args: Args, text: str) -> bool:
    keys = args["keys"]
    assert isinstance(keys, list)
    found = _object(text)
    if found is None or set(found) != set(keys) or not all(map(_has_content, found.values())):
        return False
    # The same value under every key, or the key itself as its value, fills the form without an answer.
    values = {key.casefold(): str(value).casefold() for key, value in found.items()}
    return len(set(values.values())) == len(found) and all(key != value for key, value in values.items())


@_kind()
def _no_commas(args: Args, text: str) -> bool:
    return _is_prose(text) and not any(comma in text for comma in ",，、")


@_kind(count=int)
def _max_words(args: Args, text: str) -> bool:
    return min(MIN_WORDS, _count(args)) <= len(words(text)) <= _count(args)


@_kind(count=int)
def _comma_list(args: Args, text: str) -> bool:
    items = [" ".join(folded_words(item)) for item in text.split(",")]
    if len(filled_lines(text)) != 1 or len(items) != _count(args) or len(set(items)) != len(items):
        return False
    return all(1 <= len(item.split()) <= 4 for item in items)


@_kind()
def _title_line(args: Args, text: str) -> bool:
    lines = filled_lines(text)
    return bool(lines) and bool(_TITLE.match(lines[0])) and _is_prose(" ".join(lines[1:]))


@_kind()
def _two_paragraphs(args: Args, text: str) -> bool:
    paragraphs = [part for part in re.split(r"\n[ \t]*\n\s*", text) if part.strip()]
    return len(paragraphs) == 2 and all(map(_is_prose, paragraphs))


@_kind()
def _in_quotes(args: Args, text: str) -> bool:
    wrapped = len(text) > 2 and text[0] in '"“' and text[-1] in '"”'
    return wrapped and not re.search('["“”]', text[1:-1]) and _is_prose(text)


@_kind()
def _end_question(args: Args, text: str) -> bool:
    parts = sentences(text)
    if len(parts) < 2 or not re.search(r"\?[\"'”’)]*$", text):
        return False
    return _is_prose(text) and len(words(parts[-1])) >= MIN_SENTENCE_WORDS
