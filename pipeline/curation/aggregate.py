"""Annotations to decisions: every annotator one vote per pair, and one line for each thing they say.

Only submitted annotations are votes. Who prefers ``chosen`` votes to keep the pair, ``rejected`` to swap it,
``tie`` or ``both_bad`` to drop it. Annotators who vote alike make one decision together. Where they differ
each side becomes a decision of its own, with its share as ``agreement``: which counts is for
``curate.resolve`` to say when the decisions are applied, so no voice is lost, and a change of the rule needs
no new annotations.

A correction turns the decision of those who vote alike into an edit: the corrected text becomes ``chosen``,
and the response they did not prefer stays, or becomes, ``rejected`` (after ``tie`` and ``both_bad`` the old
``rejected`` stays). Of several corrections the latest is taken. Where somebody corrected texts that are not
known, nothing is written of the pair: without them a correction would come back as a plain keep or swap, and
take the place of the edit it made when they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl

from pipeline.curation.agreement import Agreement, agreement
from pipeline.curation.decisions import Decision
from pipeline.curation.resolve import resolve
from pipeline.params import CurateParams
from pipeline.texts import fold_text

_ACTIONS: dict[str, Literal["keep", "swap", "drop"]] = {
    "chosen": "keep",
    "rejected": "swap",
    "tie": "drop",
    "both_bad": "drop",
}
_WORDS = {
    "chosen": "chosen is better",
    "rejected": "rejected is better",
    "tie": "tie",
    "both_bad": "both bad",
}


@dataclass(frozen=True)
class Vote:
    """An annotator's latest submitted annotation of a pair."""

    annotator: str
    preferred: str
    correction: str | None
    note: str | None
    when: datetime


@dataclass(frozen=True)
class Aggregated:
    """What annotations come to.

    Attributes:
        decisions: One for each thing that annotators say of a pair, by pair_id, keep before swap before drop.
        agreement: Of all votes, those on pairs that still wait included.
        decided: Pairs, once for each wording of theirs, on which ``curate.resolve`` gives an outcome.
        contested: pair_ids on which it gives none, sorted.
        waiting: pair_ids with fewer votes than ``curate.argilla.min_submitted``, sorted; they have no
            decision yet.
        unknown: pair_ids with a correction of texts that are not known, sorted; what is said of these texts
            makes no decision.
    """

    decisions: list[Decision]
    agreement: Agreement
    decided: int
    contested: list[str]
    waiting: list[str]
    unknown: list[str]


def aggregate(annotations: pl.DataFrame, texts: pl.DataFrame, params: CurateParams) -> Aggregated:
    """Decisions and agreement of annotations; the order of the rows changes nothing.

    Args:
        annotations: The table ANNOTATIONS.
        texts: The texts annotators saw, for corrections: pair_id, texts_sha256, chosen and rejected, further
            columns allowed (such as the table QUEUE).
        params: For ``resolve``, ``corrections`` and ``argilla.min_submitted``.
    """
    rows = texts.select("pair_id", "texts_sha256", "chosen", "rejected").iter_rows()
    sides = {(pair_id, texts_sha256): (chosen, rejected) for pair_id, texts_sha256, chosen, rejected in rows}
    units = _votes(annotations)
    decisions: list[Decision] = []
    decided, contested, waiting, unknown = 0, [], [], []
    for (pair_id, texts_sha256), votes in units.items():
        if len(votes) < params.argilla.min_submitted:
            waiting.append(pair_id)
            continue
        corrects = params.corrections == "edit"
        seen = sides.get((pair_id, texts_sha256)) if corrects else None
        if corrects and seen is None and any(fold_text(vote.correction or "") for vote in votes):
            unknown.append(pair_id)
            continue
        made = [
            Decision(pair_id=pair_id, texts_sha256=texts_sha256, **fields)
            for fields in _decisions(votes, seen)
        ]
        decisions += made
        if resolve(dict(enumerate(made)), params.resolve).decision is None:
            contested.append(pair_id)
        else:
            decided += 1
    said = [{vote.annotator: vote.preferred for vote in votes} for votes in units.values()]
    undecided = (_distinct(pair_ids) for pair_ids in (contested, waiting, unknown))
    return Aggregated(decisions, agreement(said), decided, *undecided)


def _distinct(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _votes(annotations: pl.DataFrame) -> dict[tuple[str, str], list[Vote]]:
    """The votes on each pair and its texts, both in alphabetical order."""
    submitted = annotations.filter(pl.col("status") == "submitted")
    # Of one annotator the latest counts; the other columns only part what came at the same moment.
    order = ["pair_id", "texts_sha256", "annotator", "when", "where", "preferred", "correction", "note"]
    latest = submitted.sort(order).unique(order[:3], keep="last", maintain_order=True)
    units: dict[tuple[str, str], list[Vote]] = {}
    for row in latest.iter_rows(named=True):
        vote = Vote(row["annotator"], row["preferred"], row["correction"], row["note"], row["when"])
        units.setdefault((row["pair_id"], row["texts_sha256"]), []).append(vote)
    return units


def _decisions(votes: Sequence[Vote], seen: tuple[str, str] | None) -> Iterator[dict[str, Any]]:
    """The fields of one decision for each action that is voted for.

    Args:
        votes: Of one pair, by annotator.
        seen: chosen and rejected as the annotators saw them; None: there are no
            corrections, or they do not count.
    """
    for action in dict.fromkeys(_ACTIONS.values()):
        alike = [vote for vote in votes if _ACTIONS[vote.preferred] == action]
        if not alike:
            continue
        fields: dict[str, Any] = {"action": action}
        reason = ", ".join(dict.fromkeys(_WORDS[vote.preferred] for vote in _by_preference(alike)))
        edit = None if seen is None else _edit(alike, seen, swap=action == "swap")
        if edit is not None:
            fields, author = edit
            reason += f"; corrected by {author}"
        reason += "".join(f"; {vote.annotator}: {note}" for vote in alike if (note := _note(vote)))
        yield {
            **fields,
            "annotators": [vote.annotator for vote in alike],
            "agreement": len(alike) / len(votes) if len(votes) > 1 else None,
            "reason": reason,
            "when": max(vote.when for vote in alike).isoformat(),
        }


def _note(vote: Vote) -> str:
    """What else an annotator said, in one line."""
    return " ".join((vote.note or "").split())


def _by_preference(votes: Iterable[Vote]) -> list[Vote]:
    return sorted(votes, key=lambda vote: list(_WORDS).index(vote.preferred))


def _edit(votes: Sequence[Vote], seen: tuple[str, str], swap: bool) -> tuple[dict[str, Any], str] | None:
    """The fields of the edit that votes for one action ask for, and who wrote it; None: none of them does.

    A correction is passed over if it is blank, or says what one of the responses says already.
    """
    preferred, other = reversed(seen) if swap else seen
    known = {"", fold_text(preferred), fold_text(other)}
    corrected = [vote for vote in votes if vote.correction and fold_text(vote.correction) not in known]
    if not corrected:
        return None
    latest = max(corrected, key=lambda vote: (vote.when, vote.annotator))
    return {
        "action": "edit",
        "chosen": latest.correction,
        **({"rejected": other} if swap else {}),
    }, latest.annotator
