"""The sample's ratings: what an honest judge who reads the verdict would say of a response.

The ranges are chosen so that a response that passes its checks stands above every one that does not, whatever
the draw inside the range; planted defects break that on purpose, later and elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pipeline.checks import Verdict

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
WEIGHTS = {"instruction_following": 0.4, "honesty": 0.1, "truthfulness": 0.2, "helpfulness": 0.3}
_SPOILT = frozenset(("empty", "echo", "repetition"))
_GRADES = {1: "Very poor.", 2: "Weak.", 3: "Fair.", 4: "Good.", 5: "Excellent."}
_FAULTS = {
    "empty": "gives no answer",
    "constraint": "does not do what the instruction asks of its form",
    "topic": "is not about {topic}",
    "echo": "hands the instruction back",
    "repetition": "repeats itself",
}
_PRAISE = (
    "Does what was asked and stays on {topic}.",
    "Follows the instruction and says something true about {topic}.",
    "Clear and in the right form.",
    "A fitting answer about {topic}.",
)
NO_RATING = "N/A"


@dataclass(frozen=True)
class Judgement:
    """What a judge recorded of one response: ratings of 1 to 5 (None: not given), a score, and why."""

    ratings: Mapping[str, int | None]
    overall: float
    critique: str

    @property
    def fine_grained(self) -> float:
        """Give the mean of the ratings that were given, to two places."""
        given = [rating for rating in self.ratings.values() if rating is not None]
        return round(sum(given) / len(given), 2) if given else 0.0

    def without(self, aspect: str) -> Judgement:
        """Give the judgement with one aspect left unrated."""
        return replace(self, ratings={**self.ratings, aspect: None})

    def annotations(self) -> dict[str, dict[str, Any]]:
        """Give the ratings in the shape of the raw dataset, where two aspects carry two more keys."""
        return {aspect: _annotation(aspect, self.ratings[aspect]) for aspect in ASPECTS}


def _annotation(aspect: str, rating: int | None) -> dict[str, Any]:
    reason = "There is nothing to judge this by." if rating is None else _GRADES[rating]
    given: dict[str, Any] = {"Rating": NO_RATING if rating is None else str(rating), "Rationale": reason}
    if aspect in ("truthfulness", "helpfulness"):
        given |= {"Type": ["None"], "Rationale For Rating": reason}
    return given


def judge(verdict: Verdict, stray: bool, topic: str, rng: Random) -> Judgement:
    """Rate a response by its verdict; `stray` says that it mixes in facts of another topic."""
    ratings = {aspect: rng.choice(choices) for aspect, choices in _ranges(verdict, stray).items()}
    return Judgement(ratings, overall_of(ratings), _critique(verdict, stray, topic, rng))


def _ranges(verdict: Verdict, stray: bool) -> dict[str, tuple[int, ...]]:
    """Give the ratings a judge may choose from, per aspect in the order of `ASPECTS`."""
    failed = set(verdict.failures)
    ranges: tuple[tuple[int, ...], ...]
    if not failed:
        ranges = ((4, 5, 5), (3, 4), (3,), (4, 5)) if stray else ((4, 5, 5), (4, 5, 5), (4, 5, 5), (4, 5))
    elif failed & _SPOILT:
        ranges = ((1,), (1, 2), (1, 2), (1,))
    elif "topic" in failed:
        candour = (1, 2) if stray else (2, 3)
        ranges = ((1,) if "constraint" in failed else (2,), candour, candour, (1, 2))
    else:
        ranges = ((2,), (2, 3), (1, 2), (2, 3)) if stray else ((2,), (3, 4), (3, 4, 4), (2, 3))
    return dict(zip(ASPECTS, ranges, strict=True))


def overall_of(ratings: Mapping[str, int]) -> float:
    """Give the overall score, 1 to 10 in half steps, of a full set of ratings."""
    mean = sum(WEIGHTS[aspect] * rating for aspect, rating in ratings.items())
    return round(2 * (1 + (mean - 1) * 9 / 4)) / 2


def _critique(verdict: Verdict, stray: bool, topic: str, rng: Random) -> str:
    if verdict.passed:
        praise = rng.choice(_PRAISE).format(topic=topic)
        return f"{praise} One remark belongs to another subject." if stray else praise
    faults = [_FAULTS[name].format(topic=topic) for name in verdict.failures]
    text = f"The response {', and '.join(faults)}."
    return f"{text} It speaks of another subject." if stray else text


def uniform(rating: int, critique: str) -> Judgement:
    """Give a judgement with the same rating throughout: its fine-grained score is that rating."""
    ratings: dict[str, int] = dict.fromkeys(ASPECTS, rating)
    return Judgement(ratings, overall_of(ratings), critique)
