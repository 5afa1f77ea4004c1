"""Several decisions on one pair: which counts, by the rule in ``curate.resolve``.

Every annotator has one vote: the latest line that names them, and of equally late ones the lower. A line no
annotator stands by any more is superseded. What counts is then

- ``latest``: the latest line of all, whatever the others say;
- ``majority``: what more than half of the annotators say;
- ``unanimous``: what all of them say.

Lines say the same if they have the same action and, for an edit, the same texts. Where no outcome meets the
rule the pair is contested: it stays as it is, and is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.curation.decisions import Decision
from pipeline.files import canonical_json
from pipeline.schema import FATES

Rule = Literal["latest", "majority", "unanimous"]

APPLIED, SUPERSEDED, OUTVOTED, CONTESTED, STALE = FATES


@dataclass(frozen=True)
class Resolved:
    """What the decisions on one pair come to.

    Attributes:
        decision: The one that counts, the latest of those that say the same; None: the pair is contested.
        line: Its number; None likewise.
        annotators: Who stands by it, by name; empty where the pair is contested.
        agreement: Their share of all who decided; None where one person did, and said no share of more.
        votes: Annotators by action, the most first, as words: ``2 swap, 1 keep``.
        fates: What became of each line, by its number: one of :data:`pipeline.schema.FATES`, never stale.
    """

    decision: Decision | None
    line: int | None
    annotators: tuple[str, ...]
    agreement: float | None
    votes: str
    fates: dict[int, str]


def resolve(lines: Mapping[int, Decision], rule: Rule) -> Resolved:
    """Resolve the decisions on one pair, none of them stale.

    Args:
        lines: At least one decision, by line number.
        rule: As in the module's description.
    """
    order = sorted(lines, key=lambda number: (lines[number].moment, number))
    vote = {annotator: number for number in order for annotator in lines[number].annotators}
    if rule == "latest":
        vote = {annotator: number for annotator, number in vote.items() if number == order[-1]}
    said = {annotator: _outcome(lines[number]) for annotator, number in vote.items()}
    counted = Counter(said.values())
    winner = _winner(counted, rule)
    fates = {number: SUPERSEDED for number in sorted(lines)}
    for annotator, number in vote.items():
        fates[number] = CONTESTED if winner is None else APPLIED if said[annotator] == winner else OUTVOTED
    votes = _words(Counter(lines[number].action for number in vote.values()))
    if winner is None:
        return Resolved(None, None, (), None, votes, fates)
    standing = [number for number in order if fates[number] == APPLIED]
    supporters = tuple(sorted(annotator for annotator in vote if said[annotator] == winner))
    decision = lines[standing[-1]]
    alone = len(set(vote.values())) == 1
    agreement = decision.agreement if alone else counted[winner] / len(vote)
    return Resolved(decision, standing[-1], supporters, agreement, votes, fates)


def _winner(counted: Counter[str], rule: Rule) -> str | None:
    (outcome, votes), *others = counted.most_common()
    if rule == "majority":
        return outcome if 2 * votes > counted.total() else None
    return None if others else outcome


def _outcome(decision: Decision) -> str:
    """What a decision makes of its pair, as a text that only the same outcome has."""
    return canonical_json(decision.model_dump(include={"action", "prompt", "chosen", "rejected"}))


def _words(actions: Counter[str]) -> str:
    ranked = sorted(actions.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {action}" for action, count in ranked)
