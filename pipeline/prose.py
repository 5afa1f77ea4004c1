"""Reading an answer: its words, sentences and lines, and whether it echoes or repeats.

Standard library only. Used by the checks of :mod:`pipeline.checks` and by the sample's generator.
"""

from __future__ import annotations

import re

MIN_WORDS = 5  # fewer words than this are a label, not an answer in prose
ECHO_SHARE = 0.4  # share of the response's trigrams that may come from the instruction
QUOTED_SHARE = 0.6  # share of the instruction's trigrams that may come back in the response
DISTINCT_TRIGRAM_SHARE = 0.7
DISTINCT_WORD_SHARE = 0.5
SHORT_RESPONSE_WORDS = 40  # long texts repeat small words by nature, so the word share binds short ones only
SAME_WORD_RUN = 4

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
MARKER = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")
"""What begins an item of a list."""
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+")


def words(text: str) -> list[str]:
    """Give the words of a text in order, case kept; punctuation is not a word."""
    return _WORD.findall(text)


def word_trigrams(text: str) -> list[tuple[str, str, str]]:
    """Give the casefolded word 3-grams of a text in order, repeats included."""
    return _trigrams(folded_words(text))


def folded_words(text: str) -> list[str]:
    """Give the casefolded words of a text in order."""
    return words(text.casefold())


def _trigrams(said: list[str]) -> list[tuple[str, str, str]]:
    return list(zip(said, said[1:], said[2:], strict=False))


def trigram_jaccard(left: str, right: str) -> float:
    """Give the Jaccard similarity of two texts over their sets of word 3-grams; 0.0 where neither has one."""
    one, two = set(word_trigrams(left)), set(word_trigrams(right))
    return len(one & two) / len(one | two) if one or two else 0.0


def sentences(text: str) -> list[str]:
    """Give the sentences of a text; a line break ends a sentence too, and list markers are left out."""
    parts = [part for line in filled_lines(text) for part in _SENTENCE_END.split(MARKER.sub("", line))]
    return [part.strip() for part in parts if words(part)]


def filled_lines(text: str) -> list[str]:
    """Give the lines of a text that are not blank, outer whitespace removed."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_echo(instruction: str, response: str) -> bool:
    """Tell whether the response hands the instruction back instead of answering it."""
    said, asked = folded_words(response), folded_words(instruction)
    if not said or not asked:
        return False
    if f" {' '.join(said)} " in f" {' '.join(asked)} ":
        return True
    mine, theirs = _trigrams(said), set(_trigrams(asked))
    if mine and sum(gram in theirs for gram in mine) > ECHO_SHARE * len(mine):
        return True
    # An echo drowned in other words still gives most of the instruction back.
    return len(theirs) >= 4 and len(theirs & set(mine)) > QUOTED_SHARE * len(theirs)


def is_repetitive(response: str) -> bool:
    """Tell whether the response says the same thing over and over."""
    said = folded_words(response)
    run = SAME_WORD_RUN
    if any(len(set(said[start : start + run])) == 1 for start in range(len(said) - run + 1)):
        return True
    grams = _trigrams(said)
    if len(said) >= 8 and len(set(grams)) < DISTINCT_TRIGRAM_SHARE * len(grams):
        return True
    if MIN_WORDS <= len(said) <= SHORT_RESPONSE_WORDS and len(set(said)) < DISTINCT_WORD_SHARE * len(said):
        return True
    return _has_twin(filled_lines(response)) or _has_twin(sentences(response))


def _has_twin(parts: list[str]) -> bool:
    bare = [" ".join(folded_words(MARKER.sub("", part))) for part in parts]
    bare = [part for part in bare if part]
    return len(set(bare)) < len(bare)
