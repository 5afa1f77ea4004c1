"""The sample's responses: text that meets a constraint, and text that nearly does.

`meet` has one small function per kind, and `miss` another; both are made of the topic's own facts and nouns.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from random import Random

from pipeline.checks import names_topic
from pipeline.prose import words
from pipeline.sources.sample_instructions import Ask, facts_without
from pipeline.sources.sample_topics import Topic

_KEEP_CAPITAL = ("African", "Halley", "Brazil", "Spanish")
_LINKERS = ("Also,", "In addition,", "What is more,", "Besides that,")
_TITLES = ("All About {}", "Facts About {}", "Getting to Know {}", "A Short Note on {}", "A Look at {}")
_QUESTIONS = (
    "Have you ever wondered about {}?",
    "What do you find most interesting about {}?",
    "What else would you like to know about {}?",
    "Did you already know this about {}?",
    "What comes to your mind when you think of {}?",
    "Which of these things about {} surprised you?",
)


# --- building blocks ------------------------------------------------------------------------------


def pick(topic: Topic, count: int, rng: Random, among: Sequence[str] | None = None) -> list[str]:
    """Draw `count` different facts, the first of which names the topic."""
    pool = list(topic.facts if among is None else among)
    first = rng.choice([fact for fact in pool if names_topic(topic.keywords, fact)])
    pool.remove(first)
    return [first, *rng.sample(pool, min(count - 1, len(pool)))]


def decapitalize(sentence: str) -> str:
    """Give a sentence as it reads after an opening word: first letter small, proper nouns aside."""
    return sentence if sentence.startswith(_KEEP_CAPITAL) else sentence[0].lower() + sentence[1:]


def linked(facts: Sequence[str], rng: Random, chance: float = 0.3) -> str:
    """Join facts into prose; by chance the last one is introduced by a linking word and a comma."""
    if len(facts) > 1 and rng.random() < chance:
        return " ".join([*facts[:-1], rng.choice(_LINKERS), decapitalize(facts[-1])])
    return " ".join(facts)


def prose(topic: Topic, rng: Random, low: int = 2, high: int = 3) -> str:
    """Give fluent sentences about a topic, in no particular format."""
    return linked(pick(topic, rng.randint(low, high), rng), rng)


def _ending_in(topic: Topic, word: str) -> list[str]:
    return [fact for fact in topic.facts if words(fact)[-1].casefold() == word.casefold()]


def _saying(topic: Topic, word: str) -> list[str]:
    return [fact for fact in topic.facts if word.casefold() in map(str.casefold, words(fact))]


def _with_naming(topic: Topic, fact: str, rng: Random) -> str:
    """Give another fact that names the topic, to stand beside one that may not."""
    return rng.choice([other for other in topic.naming_facts if other != fact])


def _title(topic: Topic, rng: Random) -> str:
    return rng.choice(_TITLES).format(topic.name.title())


def _bullets(facts: Sequence[str], topic: Topic, rng: Random) -> str:
    return _listed([f"- {fact}" for fact in facts], topic, rng)


def _numbers(facts: Sequence[str], topic: Topic, rng: Random) -> str:
    return _listed([f"{number}. {fact}" for number, fact in enumerate(facts, 1)], topic, rng)


def _listed(lines: list[str], topic: Topic, rng: Random) -> str:
    if len(lines) > 1 and rng.random() < 0.25:
        lines = [f"Here are {len(lines)} facts about {topic.name}:", *lines]
    return "\n".join(lines)


def _values(ask: Ask, rng: Random) -> dict[str, str]:
    """Fill the keys asked for: names and nouns where a name is due, facts elsewhere; no value twice."""
    facts, nouns = iter(pick(ask.topic, 3, rng)), iter(rng.sample(ask.topic.nouns, 3))
    keys = ask.constraint.args["keys"]
    assert isinstance(keys, list)
    values = {}
    for key in keys:
        if key in ("topic", "subject", "name"):
            values[key] = ask.topic.name
        elif key == "title":
            values[key] = _title(ask.topic, rng)
        else:
            values[key] = next(nouns) if key in ("example", "related") else next(facts)
    return values


def _count(ask: Ask) -> int:
    count = ask.constraint.args["count"]
    assert isinstance(count, int)
    return count


def _word(ask: Ask) -> str:
    word = ask.constraint.args["word"]
    assert isinstance(word, str)
    return word


def _off_by_one(ask: Ask, rng: Random) -> int:
    return _count(ask) + rng.choice((-1, 1))


# --- meeting a constraint -------------------------------------------------------------------------


def _meet_one_sentence(ask: Ask, rng: Random) -> str:
    one, two = pick(ask.topic, 2, rng)
    return one if rng.random() < 0.6 else f"{one[:-1]} and {decapitalize(two)}"


def _meet_end_with(ask: Ask, rng: Random) -> str:
    last = rng.choice(_ending_in(ask.topic, _word(ask)))
    return f"{_with_naming(ask.topic, last, rng)} {last}"


def _meet_start_with(ask: Ask, rng: Random) -> str:
    first, second = pick(ask.topic, 2, rng)
    return f"{_word(ask)}, {decapitalize(first)} {second}"


def _meet_include(ask: Ask, rng: Random) -> str:
    fact = rng.choice(_saying(ask.topic, _word(ask)))
    both = [fact, _with_naming(ask.topic, fact, rng)]
    rng.shuffle(both)
    return linked(both, rng)


def _meet_avoid(ask: Ask, rng: Random) -> str:
    # No linking words here: one of them could be the very word to avoid.
    return " ".join(pick(ask.topic, 2, rng, facts_without(ask.topic, _word(ask))))


def _meet_max_words(ask: Ask, rng: Random) -> str:
    chosen: list[str] = []
    for fact in pick(ask.topic, 3, rng):
        if len(words(" ".join([*chosen, fact]))) <= _count(ask):
            chosen.append(fact)
    return " ".join(chosen)


def _meet_title(ask: Ask, rng: Random) -> str:
    return f"Title: {_title(ask.topic, rng)}\n{prose(ask.topic, rng, 2, 2)}"


def _meet_two_paragraphs(ask: Ask, rng: Random) -> str:
    facts = pick(ask.topic, rng.randint(2, 4), rng)
    half = len(facts) // 2
    return f"{' '.join(facts[:half])}\n\n{' '.join(facts[half:])}"


def _meet_end_question(ask: Ask, rng: Random) -> str:
    return f"{prose(ask.topic, rng, 1, 2)} {rng.choice(_QUESTIONS).format(ask.topic.name)}"


Renderer = Callable[[Ask, Random], str]

_MEET: dict[str, Renderer] = {
    "all_lowercase": lambda ask, rng: prose(ask.topic, rng, 1, 2).lower(),
    "all_capitals": lambda ask, rng: prose(ask.topic, rng, 1, 2).upper(),
    "bullet_points": lambda ask, rng: _bullets(pick(ask.topic, _count(ask), rng), ask.topic, rng),
    "numbered_list": lambda ask, rng: _numbers(pick(ask.topic, _count(ask), rng), ask.topic, rng),
    "end_with": _meet_end_with,
    "start_with": _meet_start_with,
    "one_sentence": _meet_one_sentence,
    "sentence_count": lambda ask, rng: linked(pick(ask.topic, _count(ask), rng), rng),
    "include_keyword": _meet_include,
    "avoid_keyword": _meet_avoid,
    "json_keys": lambda ask, rng: json.dumps(_values(ask, rng)),
    "no_commas": lambda ask, rng: " ".join(pick(ask.topic, 2, rng)),
    "max_words": _meet_max_words,
    "comma_list": lambda ask, rng: ", ".join(rng.sample(ask.topic.nouns, _count(ask))),
    "title_line": _meet_title,
    "two_paragraphs": _meet_two_paragraphs,
    "in_quotes": lambda ask, rng: f'"{prose(ask.topic, rng, 1, 2)}"',
    "end_question": _meet_end_question,
}


def meet(ask: Ask, rng: Random) -> str:
    """Give a response that meets the constraint and is about the topic."""
    return _MEET[ask.kind](ask, rng)


# --- nearly meeting it ----------------------------------------------------------------------------


def _miss_lowercase(ask: Ask, rng: Random) -> str:
    small = prose(ask.topic, rng, 2, 2).lower()
    return small[0].upper() + small[1:] if rng.random() < 0.5 else string.capwords(small)


def _miss_capitals(ask: Ask, rng: Random) -> str:
    one, two = pick(ask.topic, 2, rng)
    return f"{one.upper()} {two}" if rng.random() < 0.5 else f"{one} {two}".title()


def _miss_bullets(ask: Ask, rng: Random) -> str:
    if rng.random() < 0.3:
        return _numbers(pick(ask.topic, _count(ask), rng), ask.topic, rng)
    return _bullets(pick(ask.topic, _off_by_one(ask, rng), rng), ask.topic, rng)


def _miss_numbers(ask: Ask, rng: Random) -> str:
    if rng.random() < 0.3:
        return _bullets(pick(ask.topic, _count(ask), rng), ask.topic, rng)
    return _numbers(pick(ask.topic, _off_by_one(ask, rng), rng), ask.topic, rng)


def _miss_end_with(ask: Ask, rng: Random) -> str:
    ending = _ending_in(ask.topic, _word(ask))
    other = rng.choice([fact for fact in ask.topic.naming_facts if fact not in ending])
    return f"{rng.choice(ending)} {other}"


def _miss_start_with(ask: Ask, rng: Random) -> str:
    one, two = pick(ask.topic, 2, rng)
    return f"{one} {_word(ask)}, {decapitalize(two)}" if rng.random() < 0.5 else f"{one} {two}"


def _miss_avoid(ask: Ask, rng: Random) -> str:
    fact = rng.choice(_saying(ask.topic, _word(ask)))
    return f"{_with_naming(ask.topic, fact, rng)} {fact}"


def _miss_json(ask: Ask, rng: Random) -> str:
    values = _values(ask, rng)
    style = rng.randrange(3)
    if style == 0:
        values.pop(rng.choice(list(values)))
        return json.dumps(values)
    if style == 1:
        return "\n".join(f"{key}: {value}" for key, value in values.items())
    return f"Here is the answer you asked for: {json.dumps(values)}"


def _miss_comma_list(ask: Ask, rng: Random) -> str:
    if rng.random() < 0.4:
        return "\n".join(rng.sample(ask.topic.nouns, _count(ask)))
    nouns = [*ask.topic.nouns, ask.topic.name]
    return ", ".join(rng.sample(nouns, _off_by_one(ask, rng)))


def _miss_title(ask: Ask, rng: Random) -> str:
    if rng.random() < 0.5:
        return f"Title: {_title(ask.topic, rng)}"
    return f"{_title(ask.topic, rng)}\n{prose(ask.topic, rng, 2, 2)}"


def _miss_quotes(ask: Ask, rng: Random) -> str:
    one, two = pick(ask.topic, 2, rng)
    return rng.choice((f'"{one}" {two}', f'"{one} {two}', f"'{one} {two}'"))


def _miss_end_question(ask: Ask, rng: Random) -> str:
    question = rng.choice(_QUESTIONS).format(ask.topic.name)
    return question if rng.random() < 0.3 else f"{question} {prose(ask.topic, rng, 1, 2)}"


_MISS: dict[str, Renderer] = {
    "all_lowercase": _miss_lowercase,
    "all_capitals": _miss_capitals,
    "bullet_points": _miss_bullets,
    "numbered_list": _miss_numbers,
    "end_with": _miss_end_with,
    "start_with": _miss_start_with,
    "one_sentence": lambda ask, rng: prose(ask.topic, rng, 2, 3),
    "sentence_count": lambda ask, rng: linked(pick(ask.topic, _off_by_one(ask, rng), rng), rng),
    "include_keyword": _meet_avoid,
    "avoid_keyword": _miss_avoid,
    "json_keys": _miss_json,
    "no_commas": lambda ask, rng: linked(pick(ask.topic, 2, rng), rng, chance=1.0),
    "max_words": lambda ask, rng: linked(pick(ask.topic, 5, rng), rng),
    "comma_list": _miss_comma_list,
    "title_line": _miss_title,
    "two_paragraphs": lambda ask, rng: (" " if rng.random() < 0.6 else "\n\n").join(pick(ask.topic, 3, rng)),
    "in_quotes": _miss_quotes,
    "end_question": _miss_end_question,
}


def miss(ask: Ask, rng: Random) -> str:
    """Give a response that is about the topic and fails the constraint by a little."""
    return _MISS[ask.kind](ask, rng)
