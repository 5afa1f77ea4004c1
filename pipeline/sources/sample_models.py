"""The sample's models: four invented ones, and the manners they answer in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from pipeline.checks import verify
from pipeline.sources.sample_instructions import Ask
from pipeline.sources.sample_responses import meet, miss, pick, prose
from pipeline.sources.sample_topics import TOPICS, Topic

JUNK = "Thank you for your question. Please see the page below for more details."
"""What the junk model says to anything at all."""

_STUBS = ("I know nothing of {}.", "Sure, {}.", "{}? That depends.", "It is about {}.", "No answer on {}.")


@dataclass(frozen=True)
class Draft:
    """A response, and whether it mixes in facts of some other topic."""

    text: str
    stray: bool = False


def plain(ask: Ask, rng: Random) -> str:
    """Give fluent prose on the topic, heedless of the constraint; a near miss where it meets it by luck."""
    text = prose(ask.topic, rng)
    return miss(ask, rng) if verify(ask.constraint, ask.instruction, text).passed else text


def another_topic(topic: Topic, rng: Random) -> Topic:
    """Draw a topic other than the one given."""
    return rng.choice([other for other in TOPICS if other.name != topic.name])


def _off_topic(ask: Ask, rng: Random) -> str:
    """Give a good answer to the wrong question, in the asked format where that needs no word of the topic."""
    other = replace(ask, topic=another_topic(ask.topic, rng))
    if "word" in ask.constraint.args or rng.random() < 0.5:
        return prose(other.topic, rng)
    return meet(other, rng)


def _mixed(ask: Ask, rng: Random) -> str:
    other = another_topic(ask.topic, rng)
    return f"{pick(ask.topic, 1, rng)[0]} {rng.choice(other.facts)}"


def _echo(ask: Ask, rng: Random) -> str:
    return rng.choice(("{}", "Sure! {}", "You said: {}", "{} Okay.")).format(ask.instruction)


def _repeat(ask: Ask, rng: Random) -> str:
    fact = rng.choice(ask.topic.facts)
    name = " ".join([ask.topic.name] * rng.randint(4, 9))
    return rng.choice((f"{fact} {fact} {fact}", name, f"{fact}\n{fact}"))


_MANNERS: dict[str, Callable[[Ask, Random], Draft]] = {
    "meet": lambda ask, rng: Draft(meet(ask, rng)),
    "miss": lambda ask, rng: Draft(miss(ask, rng)),
    "plain": lambda ask, rng: Draft(plain(ask, rng)),
    "mixed": lambda ask, rng: Draft(_mixed(ask, rng), stray=True),
    "off_topic": lambda ask, rng: Draft(_off_topic(ask, rng), stray=True),
    "echo": lambda ask, rng: Draft(_echo(ask, rng)),
    "repeat": lambda ask, rng: Draft(_repeat(ask, rng)),
    # The topic in it: only JUNK is to be one answer given to many prompts.
    "stub": lambda ask, rng: Draft(rng.choice(_STUBS).format(ask.topic.name)),
}

SKILLS: dict[str, dict[str, float]] = {
    "sample-expert": {"meet": 0.97, "miss": 0.03},
    "sample-good": {"meet": 0.75, "miss": 0.14, "plain": 0.07, "mixed": 0.04},
    "sample-weak": {
        "meet": 0.08,
        "miss": 0.3,
        "plain": 0.34,
        "mixed": 0.08,
        "off_topic": 0.1,
        "echo": 0.05,
        "repeat": 0.05,
    },
    "sample-junk": {"miss": 0.3, "plain": 0.22, "off_topic": 0.2, "echo": 0.11, "repeat": 0.11, "stub": 0.06},
}
"""How often each model answers in each manner."""

MODELS = tuple(SKILLS)
JUNK_MODEL = "sample-junk"


def answer(model: str, ask: Ask, rng: Random) -> Draft:
    """Give a model's answer: the manner drawn by its skill, the text by the manner."""
    manners = SKILLS[model]
    return _MANNERS[rng.choices(list(manners), list(manners.values()))[0]](ask, rng)
