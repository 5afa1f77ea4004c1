"""People's decisions replayed on the pairs, block by block: decisions are few, pairs are many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from pipeline.curation.decisions import Decision
from pipeline.curation.outcome import Outcome, outcome_of, said
from pipeline.curation.resolve import STALE, Rule
from pipeline.labels import MARGINS, swap_labels
from pipeline.ledger import Ledger, conserve
from pipeline.schema import CHANGED_PAIRS, CLUSTERED_PAIRS, DECISIONS, FATES, MESSAGES
from pipeline.tables import Blocks, HeldTable
from pipeline.texts import content_ids, prompt_keys

_TEXTS = {"prompt": MESSAGES, "chosen": pl.String(), "rejected": pl.String()}
_OUTCOME = {
    "pair_id": pl.String(),
    "action": pl.String(),
    "value": pl.Float64(),
    "detail": pl.String(),
    **{f"new_{name}": dtype for name, dtype in _TEXTS.items()},
}
"""Columns that say what is to become of a decided pair; a new text is null where it stays as it is."""


def apply_decisions(
    pairs: pl.DataFrame, decisions: Mapping[int, Decision], rule: Rule
) -> tuple[pl.DataFrame, Ledger, Replay]:
    """Replay decisions on pairs in memory, as :class:`Replay` does.

    Args:
        pairs: The clustered pairs table.
        decisions: As :func:`~pipeline.curation.decisions.read_decisions` gives them.
        rule: What counts where several decided on one pair.

    Returns:
        The clustered pairs, sorted by pair_id; the pairs that were dropped; and the replay, gone through.
    """
    ledger, replay = Ledger("curate"), Replay(decisions, rule)
    kept = list(replay.blocks(HeldTable(pairs), ledger))
    return pl.concat([CLUSTERED_PAIRS.empty(), *kept]).sort("pair_id"), ledger, replay


class Replay:
    """Decisions on their way through the pairs.

    ``swap`` exchanges the responses with their scores and models, and turns the margins round. ``edit``
    replaces the texts; a response whose text changed has no judge's score and no model any more, and the
    pair no margin. A pair whose prompt changed has another prompt_id, no score and no constraint; pair_id
    and cluster_id stay.

    Args:
        decisions: As :func:`~pipeline.curation.decisions.read_decisions` gives them.
        rule: What counts where several decided on one pair.
    """

    def __init__(self, decisions: Mapping[int, Decision], rule: Rule) -> None:
        self._rule = rule
        self._lines: dict[str, dict[int, Decision]] = {}
        for number, decision in decisions.items():
            self._lines.setdefault(decision.pair_id, {})[number] = decision
        self._ids = pl.Series("pair_id", list(self._lines), dtype=pl.String)
        self._outcomes: dict[str, Outcome] = {}
        self._changed: list[dict[str, Any]] = []

    def blocks(self, source: Blocks, ledger: Ledger) -> Iterator[pl.DataFrame]:
        """The pairs as decided, block by block, in their order.

        Args:
            source: The clustered pairs table.
            ledger: Takes the pairs that annotators dropped.

        Raises:
            PipelineError: If a pair is neither kept nor dropped, or both.
        """
        ids_in, ids_kept = [self._ids.clear()], [self._ids.clear()]
        for block in source.blocks():
            kept = self._applied(block, ledger).select(list(CLUSTERED_PAIRS.columns))
            ids_in.append(block["pair_id"])
            ids_kept.append(kept["pair_id"])
            yield kept
        conserve("curate", pl.concat(ids_in), pl.concat(ids_kept), ledger.frame()["pair_id"])

    # --- known once all blocks have been gone through ---------------------------------------------------

    def decisions(self) -> pl.DataFrame:
        """Every decision and what became of it: the table DECISIONS, in the order of the file."""
        rows = [
            {"line": number, **said(decision), "fate": fate, "problem": problem}
            for pair_id, lines in self._lines.items()
            for number, decision in lines.items()
            for fate, problem in [self._fate(pair_id, number)]
        ]
        return pl.DataFrame(rows, schema=DECISIONS.schema()).sort("line")

    def changed(self) -> pl.DataFrame:
        """The pairs that were swapped or edited: the table CHANGED_PAIRS, by pair_id."""
        return pl.DataFrame(self._changed, schema=CHANGED_PAIRS.schema()).sort("pair_id")

    def counts(self) -> dict[str, int]:
        """Decisions by fate, which sum to ``decisions``, then pairs by what became of them."""
        fates = Counter(self.decisions()["fate"].to_list())
        actions = Counter(row["action"] for row in self._changed)
        contested = sum(outcome.is_contested for outcome in self._outcomes.values())
        return {
            "decisions": fates.total(),
            **{fate: fates[fate] for fate in FATES},
            "pairs_swapped": actions["swap"],
            "pairs_edited": actions["edit"],
            "pairs_contested": contested,
        }

    def _fate(self, pair_id: str, number: int) -> tuple[str, str | None]:
        outcome = self._outcomes.get(pair_id)
        return (STALE, "no such pair") if outcome is None else outcome.fates[number]

    # --- one block --------------------------------------------------------------------------------------

    def _applied(self, block: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
        """One block as decided; the pairs nobody decided on, which are nearly all, pass as they are."""
        is_decided = block["pair_id"].is_in(self._ids.implode())
        if not is_decided.any():
            return block
        texts = block.filter(is_decided).select("pair_id", "row_id", *_TEXTS)
        outcomes = pl.DataFrame(
            [self._outcome(pair) for pair in texts.iter_rows(named=True)], schema=_OUTCOME
        )
        decided = block.join(outcomes, on="pair_id", how="left", maintain_order="left")
        dropped = pl.col("action").eq_missing(pl.lit("drop"))
        ledger.add("dropped_by_annotator", decided.filter(dropped))
        swapped = swap_labels(decided.filter(~dropped), pl.col("action").eq_missing(pl.lit("swap")))
        return _edited(swapped)

    def _outcome(self, pair: dict[str, Any]) -> dict[str, Any]:
        """What becomes of a pair, as a row of :data:`_OUTCOME`; it is noted for the tables, too."""
        outcome = outcome_of(pair, self._lines[pair["pair_id"]], self._rule)
        self._outcomes[pair["pair_id"]] = outcome
        if outcome.changed:
            self._changed.append(outcome.changed_row(pair))
        return {
            "pair_id": pair["pair_id"],
            "action": outcome.action,
            "value": outcome.agreement,
            "detail": outcome.evidence,
            **{f"new_{name}": outcome.edits.get(name) for name in _TEXTS},
        }


def _edited(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs with their new texts, and without what no longer describes them."""
    changed = {name: pl.col(f"new_{name}").is_not_null() for name in _TEXTS}
    any_changed = pl.any_horizontal(changed.values())
    columns = [pl.coalesce(f"new_{name}", name).alias(name) for name in changed]
    for side in ("chosen", "rejected"):
        same_text, same_prompt = ~changed[side], ~changed["prompt"]
        columns.append(pl.when(same_text & same_prompt).then(f"{side}_score").alias(f"{side}_score"))
        columns.append(pl.when(same_text).then(f"{side}_model").alias(f"{side}_model"))
    columns += [pl.when(~any_changed).then(name).alias(name) for name in (*MARGINS, "conflict")]
    columns.append(pl.when(~changed["prompt"]).then("constraint").alias("constraint"))
    edited = pairs.with_columns(*columns)
    if not pairs["new_prompt"].is_not_null().any():
        return edited
    own_ids = content_ids(prompt_keys(edited["prompt"]))
    prompt_id = pl.when(changed["prompt"]).then(own_ids).otherwise("prompt_id")
    return edited.with_columns(prompt_id=prompt_id)
