"""Preference metrics by slice: the same pairs parted by where they come from and what they look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.evaluation.preference import MEASURES
from pipeline.evaluation.statistics import by_cluster, share_interval
from pipeline.schema import EVALUATED_SLICES

UNKNOWN = "unknown"
"""The part of pairs that lack what a slice goes by."""


@dataclass(frozen=True)
class Buckets:
    """Parts of a number, fixed so that runs compare.

    Attributes:
        edges: Rising; a value on an edge belongs to the part above it.
        labels: One more than edges.
    """

    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def part(self, value: pl.Expr) -> pl.Expr:
        """The label of each value; :data:`UNKNOWN` for null."""
        place = pl.sum_horizontal((value >= edge).cast(pl.Int32) for edge in self.edges)
        named = place.replace_strict(
            list(range(len(self.labels))), list(self.labels), return_dtype=pl.String()
        )
        return pl.when(value.is_null()).then(pl.lit(UNKNOWN)).otherwise(named)


SCORE_MARGIN = Buckets(
    (0, 0.5, 1, 2, 4, 6), ("below 0", "0 to 0.5", "0.5 to 1", "1 to 2", "2 to 4", "4 to 6", "from 6")
)
"""Chosen minus rejected score, in the scores' own unit; the end of a range is not in it."""

LENGTH_GAP = Buckets(
    (-100, -20, 0, 1, 21, 101),
    (
        "over 100 shorter",
        "21 to 100 shorter",
        "1 to 20 shorter",
        "same length",
        "1 to 20 longer",
        "21 to 100 longer",
        "over 100 longer",
    ),
)
"""Tokens by which chosen is shorter or longer than rejected."""

TURNS = Buckets((2, 3, 4), ("1", "2", "3", "4 or more"))
"""Messages of the user in the prompt."""

PROMPT_TOKENS = Buckets(
    (64, 128, 256, 512, 1024),
    ("under 64", "64 to 127", "128 to 255", "256 to 511", "512 to 1023", "1024 or more"),
)
"""Tokens of the prompt, the chat template's included."""


def _model_pair() -> pl.Expr:
    writers = [pl.col(name).fill_null(UNKNOWN) for name in ("chosen_model", "rejected_model")]
    return pl.concat_str(writers, separator=" over ")


SLICES: dict[str, tuple[pl.Expr, tuple[str, ...]]] = {
    "source": (pl.col("source"), ()),
    "score_margin": (SCORE_MARGIN.part(pl.col("margin")), SCORE_MARGIN.labels),
    "length_gap": (
        LENGTH_GAP.part(pl.col("chosen_tokens") - pl.col("rejected_tokens")),
        LENGTH_GAP.labels,
    ),
    "model_pair": (_model_pair(), ()),
    "turns": (TURNS.part(pl.col("turns")), TURNS.labels),
    "prompt_tokens": (PROMPT_TOKENS.part(pl.col("prompt_tokens")), PROMPT_TOKENS.labels),
}
"""Name of a slice to the part of each evaluated pair, and the order of its parts; (): by name."""


def slice_pairs(scored: pl.DataFrame) -> pl.DataFrame:
    """One model's metrics on the parts of every slice.

    Args:
        scored: Evaluated pairs of one model, in pair_id order.

    Returns:
        A table of evaluated slices: slices as in :data:`SLICES`, parts in their order. Parts without a pair
        are left out. Intervals of accuracy are Wilson's, at the number of independent pairs that the part's
        pairs are worth (:func:`~pipeline.evaluation.statistics.effective_rows`).
    """
    rows: list[dict[str, object]] = []
    for name, (part, order) in SLICES.items():
        parted = scored.with_columns(value=part).partition_by("value", as_dict=True)
        for (value,) in sorted(parted, key=_in(order)):
            rows.append({"slice": name, "value": value, **_measure(parted[(value,)])})
    columns = {name: dtype for name, dtype in EVALUATED_SLICES.schema().items() if name != "model"}
    named = pl.DataFrame(rows, schema=columns).with_columns(model=pl.lit(scored["model"][0]))
    return named.select(list(EVALUATED_SLICES.columns))


def _in(order: Sequence[str]) -> Callable[[tuple[str, ...]], tuple[int, str]]:
    """A sort key: labels in their order, then others by name."""
    places = {label: place for place, label in enumerate(order)}
    return lambda key: (places.get(key[0], len(places)), key[0])


def _measure(pairs: pl.DataFrame) -> dict[str, object]:
    means = pairs.select(measure.mean().alias(name) for name, measure in MEASURES.items()).row(0, named=True)
    correct = pairs.select(MEASURES["accuracy"].alias("correct")).to_numpy()
    low, high = share_interval(by_cluster(correct, pairs["prompt_id"].to_list()))
    wanted = ("accuracy", "log_odds_margin", "chosen_nll", "rejected_nll")
    return {
        "pairs": pairs.height,
        **{name: means[name] for name in wanted},
        "accuracy_low": low,
        "accuracy_high": high,
    }
