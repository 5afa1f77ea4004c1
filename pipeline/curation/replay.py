"""People's decisions replayed on the pairs, block by block: decisions are few, pairs are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from pipeline.curation.decisions import Decided, Decision
from pipeline.labels import MARGINS, swap_labels
from pipeline.ledger import Ledger, conserve
from pipeline.schema import CLUSTERED_PAIRS
from pipeline.tables import Blocks, HeldTable
from pipeline.texts import content_ids

STALE = {
    "line": pl.Int64,
    "pair_id": pl.String,
    "action": pl.String,
    "problem": pl.String,
    "annotator": pl.String,
    "when": pl.String,
    "why": pl.String,
}
"""Columns of the decisions that could not be applied."""

_APPLIED = ["pair_id", "action", "new_chosen", "new_rejected", "said"]


def apply_decisions(pairs: pl.DataFrame, decided: Decided) -> tuple[pl.DataFrame, Ledger, pl.DataFrame]:
    """Replay decisions on pairs, as :class:`Replay` does.

    Args:
        pairs: The clustered pairs table.
        decided: As :func:`~pipeline.curation.decisions.read_decisions` gives it.

    Returns:
        The clustered pairs, sorted by pair_id; the pairs an annotator dropped; and the stale decisions.
    """
    ledger, replay = Ledger("curate"), Replay(decided)
    kept = list(replay.blocks(HeldTable(pairs), ledger))
    return pl.concat([CLUSTERED_PAIRS.empty(), *kept]).sort("pair_id"), ledger, replay.stale()


class Replay:
    """Decisions on their way through the pairs.

    ``swap`` exchanges the responses with their scores and models, and turns the margins round. ``edit``
    replaces the texts; a response whose text changed has no judge's score and no model any more, and the
    pair no margin. The pair_id stays.

    Args:
        decided: As :func:`~pipeline.curation.decisions.read_decisions` gives it.
    """

    def __init__(self, decided: Decided) -> None:
        self._decisions = _frame(decided.latest)
        self._changed = [self._decisions["pair_id"].clear()]
        self._seen = [self._decisions["pair_id"].clear()]

    def blocks(self, source: Blocks, ledger: Ledger) -> Iterator[pl.DataFrame]:
        """The pairs as decided, block by block, in their order.

        Args:
            source: The clustered pairs table.
            ledger: Takes the pairs that an annotator dropped.

        Raises:
            PipelineError: If a pair is neither kept nor dropped, or both.
        """
        ids_in, ids_kept = [self._seen[0]], [self._seen[0]]
        for block in source.blocks():
            kept = self._applied(block, ledger).select(list(CLUSTERED_PAIRS.columns))
            ids_in.append(block["pair_id"])
            ids_kept.append(kept["pair_id"])
            yield kept
        conserve("curate", pl.concat(ids_in), pl.concat(ids_kept), ledger.frame()["pair_id"])

    def stale(self) -> pl.DataFrame:
        """The decisions whose pair is not there or has other texts than the annotator saw.

        They are reported, never applied. Known once all blocks have been gone through.

        Returns:
            The columns of :data:`STALE`, in the order of the file.
        """
        changed = pl.col("pair_id").is_in(pl.concat(self._changed).implode())
        missing = ~pl.col("pair_id").is_in(pl.concat(self._seen).implode())
        problem = (
            pl.when(missing)
            .then(pl.lit("no such pair"))
            .when(changed)
            .then(pl.lit("the pair's texts have changed since"))
        )
        judged = self._decisions.with_columns(problem=problem)
        return judged.filter(pl.col("problem").is_not_null()).select(list(STALE))

    def _applied(self, block: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
        """One block as decided; the pairs nobody decided on, which are nearly all, pass as they are."""
        is_decided = block["pair_id"].is_in(self._decisions["pair_id"].implode())
        if not is_decided.any():
            return block
        pairs = block.filter(is_decided)
        seen = pairs.select("pair_id", now=content_ids(pairs["chosen"], pairs["rejected"]))
        decisions = self._decisions.join(seen, on="pair_id", how="inner")
        changed = decisions.select((pl.col("texts") != pl.col("now")).fill_null(False)).to_series()
        self._seen.append(seen["pair_id"])
        self._changed.append(decisions["pair_id"].filter(changed))
        live = decisions.filter(~changed).select(_APPLIED)
        decided = block.join(live, on="pair_id", how="left", maintain_order="left")
        dropped = pl.col("action").eq_missing(pl.lit("drop"))
        entries = decided.filter(dropped).with_columns(detail=pl.col("said"))
        ledger.add("dropped_by_annotator", entries)
        swapped = swap_labels(decided.filter(~dropped), pl.col("action").eq_missing(pl.lit("swap")))
        return _edited(swapped)


def _frame(latest: dict[int, Decision]) -> pl.DataFrame:
    schema = {**STALE, "texts": pl.String, "new_chosen": pl.String, "new_rejected": pl.String}
    schema = {name: dtype for name, dtype in schema.items() if name != "problem"}
    rows: Sequence[dict[str, object]] = [
        {"line": number, "new_chosen": item.chosen, "new_rejected": item.rejected, **item.model_dump()}
        for number, item in latest.items()
    ]
    said = pl.concat_str(
        ["annotator", pl.when(pl.col("why") != "").then("why")], separator=": ", ignore_nulls=True
    )
    return pl.DataFrame(rows, schema=schema).with_columns(said=said)


def _edited(pairs: pl.DataFrame) -> pl.DataFrame:
    changed = {
        side: (pl.col(f"new_{side}") != pl.col(side)).fill_null(False) for side in ("chosen", "rejected")
    }
    columns = [pl.coalesce(f"new_{side}", side).alias(side) for side in changed]
    columns += [
        pl.when(is_changed.not_()).then(pl.col(f"{side}{part}")).alias(f"{side}{part}")
        for side, is_changed in changed.items()
        for part in ("_score", "_model")
    ]
    judged = (changed["chosen"] | changed["rejected"]).not_()
    columns += [pl.when(judged).then(pl.col(name)).alias(name) for name in (*MARGINS, "conflict")]
    return pairs.with_columns(*columns)
