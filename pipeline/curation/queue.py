"""The queue: which pairs deserve a person's minute, and why.

    pairs, critiques, suspects -> facts -> strategies -> wish lists -> queue

What is known of all pairs is thin; texts are read of the chosen ones alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pipeline.curation.critiques import critique_scores, text_ids
from pipeline.curation.shares import interleave
from pipeline.curation.strategies import FACTS, STRATEGIES, seeded_draws
from pipeline.curation.texts_hash import texts_hashes
from pipeline.params import QueueParams
from pipeline.schema import QUEUE
from pipeline.tables import Blocks

_FACT_COLUMNS = ["pair_id", "margin", "aspect_margin", "conflict"]
_PAIR_COLUMNS = [*_FACT_COLUMNS, "row_id", "prompt", "chosen", "rejected"]


_SETTLED = {"pair_id": pl.String, "settled_sha256": pl.String}


@dataclass(frozen=True)
class Queue:
    """The queue and how it came about.

    Attributes:
        rows: Of :data:`~pipeline.schema.QUEUE`, the first to be shown first; language is null.
        wished: How many pairs each strategy that was asked had to offer.
    """

    rows: pl.DataFrame
    wished: dict[str, int]


def build_queue(
    pairs: Blocks,
    completions: Blocks | None,
    suspects: pl.DataFrame | None,
    params: QueueParams,
    decided: Mapping[str, str | None] | None = None,
) -> Queue:
    """Choose the pairs; the same input gives the same queue, whatever the order of the rows.

    Args:
        pairs: The clustered pairs that reach curate.
        completions: Where critiques are; None: nothing is known of them.
        suspects: pair_id, texts_sha256 and suspicion; None: nobody is suspected. What was found out about a
            pair the other way round does not count.
        params: The section ``curate.queue``.
        decided: Pairs that need no person any more: pair_id to the hash of the texts that were decided on;
            None: whatever its texts. A pair whose texts have changed since is asked about again.

    Returns:
        Rows by priority: its whole part is how many strategies chose the pair, its fraction falls from 1 in
        the order in which they chose.
    """
    facts = _facts(pairs, completions, suspects, decided or {})
    weights = {name: weight for name, weight in params.weights.model_dump().items() if weight > 0}
    wishes = {
        name: strategy(facts, params.seed)["pair_id"].to_list()
        for name, strategy in STRATEGIES.items()
        if name in weights
    }
    reasons = interleave(wishes, weights, params.size)
    rows = _rows(pairs, facts, reasons, params.seed)
    return Queue(rows, {name: len(ids) for name, ids in wishes.items()})


def _facts(
    pairs: Blocks,
    completions: Blocks | None,
    suspects: pl.DataFrame | None,
    decided: Mapping[str, str | None],
) -> pl.DataFrame:
    """:data:`~pipeline.curation.strategies.FACTS` of every pair that is not decided, sorted by pair_id."""
    settled = pl.DataFrame(list(decided.items()), schema=_SETTLED, orient="row")
    said = None if completions is None else critique_scores(completions)
    parts = [pl.DataFrame(schema=FACTS)]
    for block in pairs.blocks(_PAIR_COLUMNS):
        open_pairs = _undecided(block.with_columns(texts_hashes(block)), settled)
        parts.append(_suspicions(_critique_margins(open_pairs, said), suspects).select(list(FACTS)))
    return pl.concat(parts).sort("pair_id")


def _undecided(block: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """The pairs but those that were decided on as they stand."""
    joined = block.join(settled, on="pair_id", how="left", maintain_order="left")
    holds = pl.col("settled_sha256").is_null() | (pl.col("settled_sha256") == pl.col("texts_sha256"))
    is_settled = pl.col("pair_id").is_in(settled["pair_id"].implode()) & holds
    return joined.filter(~is_settled).drop("settled_sha256")


def _critique_margins(block: pl.DataFrame, said: pl.DataFrame | None) -> pl.DataFrame:
    """The pairs with what their critiques say of chosen less what they say of rejected."""
    if said is None:
        return block.with_columns(critique_margin=pl.lit(None, pl.Float64))
    for side in ("chosen", "rejected"):
        ids = text_ids(block["row_id"], block[side]).alias("text_id")
        told = said.rename({"said": f"{side}_said"})
        block = block.with_columns(ids).join(told, on="text_id", how="left", maintain_order="left")
    return block.with_columns(critique_margin=pl.col("chosen_said") - pl.col("rejected_said"))


def _suspicions(block: pl.DataFrame, suspects: pl.DataFrame | None) -> pl.DataFrame:
    """The pairs with the suspicion on them as they stand."""
    if suspects is None:
        return block.with_columns(suspicion=pl.lit(None, pl.Float64))
    known = suspects.select("pair_id", "texts_sha256", "suspicion")
    return block.join(known, on=["pair_id", "texts_sha256"], how="left", maintain_order="left")


def _rows(pairs: Blocks, facts: pl.DataFrame, reasons: dict[str, list[str]], seed: int) -> pl.DataFrame:
    """The queue's rows, with the texts of the chosen pairs."""
    chosen = pl.DataFrame(
        {"pair_id": list(reasons), "reasons": list(reasons.values())},
        schema={"pair_id": pl.String, "reasons": pl.List(pl.String)},
    ).with_row_index("place")
    wanted = ["pair_id", "source", "prompt", "chosen", "rejected", "margin"]
    parts = [QUEUE.empty().select(wanted)]
    for block in pairs.blocks(wanted):
        parts.append(block.filter(pl.col("pair_id").is_in(chosen["pair_id"].implode())))
    texts = pl.concat(parts)
    rows = texts.join(chosen, on="pair_id").join(facts.select("pair_id", "suspicion"), on="pair_id")
    rows = rows.with_columns(
        texts_hashes(rows),
        draw=seeded_draws(rows["pair_id"], f"first {seed}"),
        priority=pl.col("reasons").list.len() + 1 - pl.col("place") / max(len(reasons), 1),
        chosen_chars=pl.col("chosen").str.len_chars().cast(pl.Int64),
        rejected_chars=pl.col("rejected").str.len_chars().cast(pl.Int64),
        language=pl.lit(None, pl.String),
    )
    first = pl.when(pl.col("draw") < 0.5).then(pl.lit("chosen")).otherwise(pl.lit("rejected"))
    ordered = rows.with_columns(first=first).sort("priority", "pair_id", descending=[True, False])
    return ordered.select(list(QUEUE.columns))
