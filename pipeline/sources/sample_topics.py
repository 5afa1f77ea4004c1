"""The topic bank of the sample: everyday topics with keywords, short true facts and related nouns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pipeline.checks import names_topic
from pipeline.sources import sample_topics_home, sample_topics_nature


@dataclass(frozen=True)
class Topic:
    """One topic of the bank.

    Attributes:
        name: how a prompt names it, one or two words.
        keywords: word beginnings, one of which an answer about the topic must hold.
        facts: plain sentences without commas, each true on its own and in any order.
        nouns: related things, in lower case, for lists and JSON values.
    """

    name: str
    keywords: tuple[str, ...]
    facts: tuple[str, ...]
    nouns: tuple[str, ...]

    @cached_property
    def naming_facts(self) -> tuple[str, ...]:
        """Give the facts that name the topic by a keyword."""
        return tuple(fact for fact in self.facts if names_topic(self.keywords, fact))


def parse_topics(text: str) -> tuple[Topic, ...]:
    """Read topics from blocks of text: a line `name: keywords | nouns`, then sentences.

    Raises:
        ValueError: a block's first line lacks its colon or its bar.
    """
    topics = []
    for block in text.strip().split("\n\n"):
        head, *lines = block.split("\n")
        name, colon, rest = head.partition(":")
        keywords, bar, nouns = rest.partition("|")
        if not colon or not bar:
            raise ValueError(f"topic line is {head!r}, expected 'name: keywords | nouns'")
        facts = (" ".join(lines)).removesuffix(".").split(". ")
        topics.append(Topic(name, _items(keywords), tuple(f"{fact}." for fact in facts), _items(nouns)))
    return tuple(topics)


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(","))


TOPICS = parse_topics(sample_topics_nature.TEXT) + parse_topics(sample_topics_home.TEXT)
"""Every topic, in a fixed order: the sample's rows are a function of it."""
