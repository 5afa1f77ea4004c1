"""What people's decisions make of one pair: which are stale, which counts, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.curation.decisions import Decision
from pipeline.curation.resolve import APPLIED, CONTESTED, OUTVOTED, STALE, SUPERSEDED, Resolved, Rule, resolve
from pipeline.curation.texts_hash import texts_hash
from pipeline.files import content_id
from pipeline.texts import fold_text

_TEXTS = ("prompt", "chosen", "rejected")

Pair = Mapping[str, Any]
"""A row of the clustered pairs: pair_id, row_id, prompt, chosen and rejected are looked at."""


@dataclass(frozen=True)
class Outcome:
    """What becomes of a pair.

    Attributes:
        resolved: What the decisions that fit the pair come to; None: none fits.
        fates: What became of each line, and why it was not applied (None: it was).
        edits: New texts, by prompt, chosen and rejected; only those that differ from the pair's.
    """

    resolved: Resolved | None
    fates: dict[int, tuple[str, str | None]]
    edits: dict[str, Any]

    @property
    def decision(self) -> Decision | None:
        """The decision that counts; None: the pair stays as it is."""
        return None if self.resolved is None else self.resolved.decision

    @property
    def action(self) -> str | None:
        """What it asks for."""
        return None if self.decision is None else self.decision.action

    @property
    def is_contested(self) -> bool:
        """Whether decisions fit the pair, but none of them counts."""
        return self.resolved is not None and self.decision is None

    @property
    def agreement(self) -> float | None:
        """Share of the annotators who decided on the pair that said so."""
        return None if self.resolved is None else self.resolved.agreement

    @property
    def changed(self) -> list[str]:
        """Which of prompt, chosen and rejected are others now."""
        return ["chosen", "rejected"] if self.action == "swap" else list(self.edits)

    @property
    def evidence(self) -> str | None:
        """The action, by whom, their share of all who decided, and why; None where nothing counts."""
        if self.resolved is None or self.decision is None:
            return None
        who = ", ".join(self.resolved.annotators)
        share = "" if self.agreement is None else f" (agreement {self.agreement:.2f})"
        why = f": {self.decision.reason}" if self.decision.reason else ""
        return f"{self.decision.action} by {who}{share}{why}"

    def changed_row(self, pair: Pair) -> dict[str, Any]:
        """A row of the table CHANGED_PAIRS; only where something changed.

        Args:
            pair: The pair as it was.
        """
        if self.resolved is None or self.decision is None:
            raise ValueError("a pair on which no decision counts has not changed")
        before = {name: pair[name] for name in _TEXTS}
        after = {**before, **self.edits}
        if self.action == "swap":
            after |= {"chosen": pair["rejected"], "rejected": pair["chosen"]}
        return {
            **said(self.decision),
            "annotators": list(self.resolved.annotators),
            "agreement": self.agreement,
            "row_id": pair["row_id"],
            "line": self.resolved.line,
            "changed": self.changed,
            "texts_sha256": texts_hash(**before),
            "new_texts_sha256": texts_hash(**after),
        }


def outcome_of(pair: Pair, lines: Mapping[int, Decision], rule: Rule) -> Outcome:
    """What the decisions on a pair make of it.

    A stale decision has no vote: what others decided on the texts as they are now counts without it.

    Args:
        pair: The pair as it comes in.
        lines: The decisions on it, by line number.
        rule: What counts where several decided.
    """
    problems = {number: _problem(decision, pair) for number, decision in lines.items()}
    fates: dict[int, tuple[str, str | None]] = {
        number: (STALE, problem) for number, problem in problems.items() if problem is not None
    }
    live = {number: decision for number, decision in lines.items() if problems[number] is None}
    if not live:
        return Outcome(None, fates, {})
    resolved = resolve(live, rule)
    why = {
        APPLIED: None,
        SUPERSEDED: "a later decision took its place",
        OUTVOTED: f"others outvoted it: {resolved.votes}",
        CONTESTED: f"no outcome is {rule}: {resolved.votes}",
    }
    fates |= {number: (fate, why[fate]) for number, fate in resolved.fates.items()}
    edits = {} if resolved.decision is None else _edits(resolved.decision, pair)
    return Outcome(resolved, fates, edits)


def said(decision: Decision) -> dict[str, Any]:
    """What the tables DECISIONS and CHANGED_PAIRS both hold of a decision."""
    return decision.model_dump(include={"pair_id", "action", "annotators", "agreement", "reason", "when"})


def _problem(decision: Decision, pair: Pair) -> str | None:
    """Why a decision does not fit the pair as it is; None: it does."""
    now = {name: pair[name] for name in _TEXTS}
    if decision.texts_sha256 is not None:
        is_same = decision.texts_sha256 == texts_hash(**now)
    else:
        is_same = decision.texts in (None, content_id(pair["chosen"], pair["rejected"]))
    if not is_same:
        return "the pair's texts have changed since"
    edited = now | _edits(decision, pair)
    if fold_text(edited["chosen"]) == fold_text(edited["rejected"]) and decision.action == "edit":
        return "the edit would make both responses the same"
    return None


def _edits(decision: Decision, pair: Pair) -> dict[str, Any]:
    """The new texts of a decision that differ from those of the pair."""
    given = decision.model_dump(include=set(_TEXTS), exclude_none=True)
    return {name: given[name] for name in _TEXTS if name in given and given[name] != pair[name]}
