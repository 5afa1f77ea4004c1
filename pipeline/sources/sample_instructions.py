"""The sample's instructions: which one a row asks, and its wording.

A row's instruction is read off its index, not drawn. Rows are cut into blocks of kinds x topics; inside a
block, every (kind, topic) comes once. The block's number then turns three wheels, wording, verb and audience,
whose sizes share no factor, so that a (kind, topic) meets every combination of them before any comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from random import Random

from pipeline.checks import ArgValue, Constraint
from pipeline.prose import words
from pipeline.sources.sample_topics import TOPICS, Topic
from pipeline.sources.sample_wordings import AUDIENCES, LIST_VERBS, VERBS, WORDINGS

SAMPLE_KINDS = tuple(WORDINGS)
"""The kinds the sample asks for: leave one out here and no row asks for it."""

SOURCES = {
    "sample/case": ("all_lowercase", "all_capitals"),
    "sample/format": (
        "bullet_points",
        "numbered_list",
        "json_keys",
        "comma_list",
        "title_line",
        "two_paragraphs",
        "in_quotes",
    ),
    "sample/length": ("one_sentence", "sentence_count", "max_words"),
    "sample/content": (
        "end_with",
        "start_with",
        "include_keyword",
        "avoid_keyword",
        "no_commas",
        "end_question",
    ),
}
SOURCE_OF = {kind: source for source, members in SOURCES.items() for kind in members}

OPENING_WORDS = ("Indeed", "Interestingly", "Remember", "Basically", "Yes", "Actually", "Clearly", "Honestly")
KEY_SETS = (
    ("topic", "fact"),
    ("subject", "summary"),
    ("title", "text"),
    ("name", "detail", "example"),
    ("topic", "fact", "related"),
)
DULL_WORDS = frozenset(
    words(
        """about again against along always almost another around because before beside called during
        early every first from inside into large larger later longer makes many most often other people
        several small some takes than their them then there these they things through under until when
        where which while with"""
    )
)


@dataclass(frozen=True)
class Ask:
    """What one row asks: its text, the constraint a checker reads, and the topic it is about."""

    instruction: str
    constraint: Constraint
    topic: Topic

    @property
    def kind(self) -> str:
        """Give the kind of the constraint."""
        return self.constraint.kind


def stream(*parts: object) -> Random:
    """Give the random stream named by the parts: the same parts give the same stream on any machine."""
    name = "\x1f".join(map(str, parts)).encode()
    return Random(int.from_bytes(blake2b(name, digest_size=8).digest(), "big"))


def place(index: int, seed: int, kinds: tuple[str, ...] = SAMPLE_KINDS) -> tuple[str, Topic, int]:
    """Give a row's kind, topic and turn of the wheels: no two rows of a block share both kind and topic."""
    block, step = divmod(index, len(kinds) * len(TOPICS))
    some_kinds, some_topics = _shuffled(seed, block, kinds)
    # Each lap takes every kind once. A kind's topic moves on by one a lap, so it meets them all; neighbouring
    # kinds stand `gap` topics apart, so even the first few laps spread over nearly all topics.
    lap, turn = divmod(step, len(kinds))
    gap = math.ceil(len(TOPICS) / len(kinds))
    kind, topic = some_kinds[turn], some_topics[(lap + gap * turn) % len(TOPICS)]
    return kind, topic, block + stream("wheels", seed, kind, topic.name).randrange(1 << 32)


@lru_cache(maxsize=1024)
def _shuffled(seed: int, block: int, kinds: tuple[str, ...]) -> tuple[list[str], list[Topic]]:
    rng = stream("block", seed, block)
    return rng.sample(kinds, len(kinds)), rng.sample(TOPICS, len(TOPICS))


def ask(index: int, seed: int) -> Ask:
    """Give what row `index` asks where nothing is planted: a function of the seed and the index alone."""
    kind, topic, turn = place(index, seed)
    return build(kind, topic, turn, stream("args", seed, index))


def build(kind: str, topic: Topic, turn: int, rng: Random) -> Ask:
    """Give an instruction of a kind about a topic: the turn sets its words, the stream its arguments."""
    wordings = WORDINGS[kind]
    args = choose_args(kind, topic, rng)
    wheels = (wordings[turn % len(wordings)], turn % len(VERBS), AUDIENCES[turn % len(AUDIENCES)])
    return Ask(word_it(*wheels, topic.name, args), Constraint(kind, args, checked_topic(kind, topic)), topic)


def checked_topic(kind: str, topic: Topic) -> tuple[str, ...]:
    """Give the keywords a checker looks for: a bare list of things need not name what they are linked to."""
    return topic.keywords + topic.nouns if kind == "comma_list" else topic.keywords


def word_it(wording: str, verb: int, audience: str, topic: str, args: dict[str, ArgValue]) -> str:
    """Fill a wording with its verb, audience, topic and arguments."""
    task = f"{VERBS[verb]} {topic} {audience}".strip()
    slots: dict[str, object] = {
        "Task": task,
        "task": task[0].lower() + task[1:],
        "List": LIST_VERBS[verb],
        "list": LIST_VERBS[verb].lower(),
        "topic": topic,
        "audience": audience,
        **args,
    }
    if isinstance(count := args.get("count"), int):
        slots["over"] = count + 1
    if isinstance(keys := args.get("keys"), list):
        slots["keys"] = " and ".join(keys) if len(keys) == 2 else ", ".join(keys)
    return wording.format(**slots)


# --- arguments: always ones that the topic's own facts can meet -----------------------------------


def choose_args(kind: str, topic: Topic, rng: Random) -> dict[str, ArgValue]:
    """Draw the arguments of a constraint so that the topic's facts can meet it."""
    chooser = _ARGS.get(kind)
    return chooser(topic, rng) if chooser else {}


def content_words(topic: Topic, fact: str) -> list[str]:
    """Give a fact's lower case words that carry meaning: none of the topic's keywords, no small words."""
    plain = [word for word in words(fact) if word.islower() and word.isalpha() and len(word) >= 5]
    return [word for word in plain if word not in DULL_WORDS and not word.startswith(topic.keywords)]


@cache
def last_words(topic: Topic) -> tuple[str, ...]:
    """Give the words the topic's facts end on that may be asked for: lower case, none of its keywords."""
    ends = [words(fact)[-1] for fact in topic.facts]
    plain = [word for word in ends if word.islower() and word.isalpha()]
    return tuple(word for word in plain if not word.startswith(topic.keywords))


@cache
def spared_words(topic: Topic, others: int) -> tuple[str, ...]:
    """Give the words of some fact that at least so many `others`, of those naming the topic, do without."""
    found = {word for fact in topic.facts for word in content_words(topic, fact)}
    return tuple(sorted(word for word in found if len(facts_without(topic, word)) >= others))


def facts_without(topic: Topic, word: str) -> list[str]:
    """Give the facts that name the topic and use no word that begins with `word`."""
    return [fact for fact in topic.naming_facts if not any(w.lower().startswith(word) for w in words(fact))]


def _counts(*choices: int) -> Callable[[Topic, Random], dict[str, ArgValue]]:
    return lambda topic, rng: {"count": rng.choice(choices)}


def _include(topic: Topic, rng: Random) -> dict[str, ArgValue]:
    return {"word": rng.choice(spared_words(topic, 2))}


_ARGS: dict[str, Callable[[Topic, Random], dict[str, ArgValue]]] = {
    "bullet_points": _counts(2, 3, 4),
    "numbered_list": _counts(2, 3, 4),
    "sentence_count": _counts(2, 3, 4),
    "max_words": _counts(15, 18, 20, 25),
    "comma_list": _counts(3, 4, 5, 6),
    "end_with": lambda topic, rng: {"word": rng.choice(last_words(topic))},
    "start_with": lambda topic, rng: {"word": rng.choice(OPENING_WORDS)},
    "include_keyword": _include,
    "avoid_keyword": lambda topic, rng: {"word": rng.choice(spared_words(topic, 3))},
    "json_keys": lambda topic, rng: {"keys": list(rng.choice(KEY_SETS))},
}
