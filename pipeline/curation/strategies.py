"""Which pairs each strategy of the queue would show a person, the most wanted first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from pipeline.texts import content_ids, unit_interval

Strategy = Callable[[pl.DataFrame, int], pl.DataFrame]
"""From :data:`FACTS` of the candidates and a seed to the pair_ids it wants, in order."""

FACTS = {
    "pair_id": pl.String,
    "margin": pl.Float64,
    "aspect_margin": pl.Float64,
    "conflict": pl.String,
    "critique_margin": pl.Float64,
    "suspicion": pl.Float64,
}
"""What strategies know of a pair: columns of the pairs table, what the critiques say of chosen less what they
say of rejected, and the suspicion; all but pair_id may be null."""


def seeded_draws(pair_ids: pl.Series, salt: str) -> pl.Series:
    """A number in [0, 1) for each pair that depends on its id and the salt alone; float64."""
    salts = pl.Series([salt], dtype=pl.String).new_from_index(0, pair_ids.len())
    drawn = content_ids(salts, pair_ids).alias("draw").to_frame()
    return drawn.select(unit_interval(pl.col("draw"))).to_series()


def random(facts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """All pairs, in an order drawn by pair_id: what the others are compared with."""
    draws = seeded_draws(facts["pair_id"], f"random {seed}")
    return facts.select("pair_id", draw=draws).sort("draw", "pair_id").select("pair_id")


def disagreement(facts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Pairs whose judge contradicts itself, the greatest contradiction first.

    The aspect ratings order the two responses against the overall scores, or the critique of chosen reads
    worse than that of rejected. How far is told in standard deviations of that difference over all pairs, so
    that ratings and words can be compared; the greater of the two counts.
    """
    against = [
        pl.when(pl.col("conflict") == "contradicted").then(-_standard("aspect_margin")),
        -_standard("critique_margin"),
    ]
    apart = facts.select("pair_id", apart=pl.max_horizontal(against))
    return apart.filter(pl.col("apart") > 0).sort("apart", "pair_id", descending=[True, False])


def small_margin(facts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Pairs whose scores lie closest together first; equal margins in an order drawn by pair_id."""
    draws = seeded_draws(facts["pair_id"], f"small_margin {seed}")
    near = facts.select("pair_id", near=pl.col("margin").abs(), draw=draws).drop_nulls("near")
    return near.sort("near", "draw", "pair_id")


def suspects(facts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Pairs whose label the model disbelieves, by :mod:`pipeline.suspect_commands`, the worst first."""
    disbelieved = facts.select("pair_id", "suspicion").drop_nulls()
    return disbelieved.sort("suspicion", "pair_id", descending=[True, False])


STRATEGIES: Mapping[str, Strategy] = {
    "random": random,
    "disagreement": disagreement,
    "small_margin": small_margin,
    "suspects": suspects,
}
"""By the names that curate.queue.weights has."""


def _standard(column: str) -> pl.Expr:
    """A difference in standard deviations about 0; null where no pair differs."""
    spread = pl.col(column).pow(2).mean().sqrt()
    return pl.when(spread > 0).then(pl.col(column) / spread)
