"""Rules on pairs: a rule's function name is the reason in the ledger, the first rule broken is the reason.

To add a rule: a field in :class:`~pipeline.params.FilterParams`, and a function here under ``@_rule``.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from pipeline.ledger import Ledger, conserve
from pipeline.pairs.rules import Evidence, sort_out
from pipeline.params import FilterParams
from pipeline.schema import PAIRS
from pipeline.texts import fold

Rule = Callable[[FilterParams], Evidence]

RULES: dict[str, Rule] = {}
"""Reason to rule, in the order in which they are asked."""

_SIDES = ("chosen", "rejected")


def apply_filters(params: FilterParams, pairs: pl.DataFrame) -> tuple[pl.DataFrame, Ledger]:
    """The pairs that break no rule, sorted by pair_id, and the ledger of the others.

    Filtering what was kept once more drops nothing.

    Args:
        params: The section ``filter``.
        pairs: The pairs table.
    """
    ledger = Ledger("filter")
    evidence = {name: rule(params) for name, rule in RULES.items()}
    kept = sort_out(_measured(pairs), evidence, ledger).select(list(PAIRS.columns)).sort("pair_id")
    conserve("filter", pairs["pair_id"], kept["pair_id"], ledger.frame()["pair_id"])
    return kept, ledger


def _rule(rule: Rule) -> Rule:
    RULES[rule.__name__] = rule
    return rule


def _measured(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs with what the rules measure: lengths in characters, and how many prompts share each response."""
    messages = pl.col("prompt").list.eval(pl.element().struct.field("content"))
    measured = pairs.with_columns(
        *(pl.col(side).str.len_chars().alias(f"{side}_chars") for side in _SIDES),
        *(pl.col(side).str.strip_chars().str.len_chars().alias(f"{side}_bare_chars") for side in _SIDES),
        messages.list.eval(pl.element().str.len_chars()).list.sum().alias("prompt_chars"),
        *(fold(pl.col(side)).alias(f"{side}_folded") for side in _SIDES),
    )
    given = pl.concat([measured.select("prompt_id", response=f"{side}_folded") for side in _SIDES])
    shared = given.group_by("response").agg(pl.col("prompt_id").n_unique().alias("prompts"))
    for side in _SIDES:
        counted = shared.rename({"response": f"{side}_folded", "prompts": f"{side}_prompts"})
        measured = measured.join(counted, on=f"{side}_folded", how="left", maintain_order="left")
    return measured


def _sides_where(condition: Callable[[str], pl.Expr]) -> pl.Expr:
    """The names of the sides that meet a condition."""
    named = [pl.when(condition(side)).then(pl.lit(side)) for side in _SIDES]
    return pl.concat_str(named, separator=", ", ignore_nulls=True)


@_rule
def excluded_source(params: FilterParams) -> Evidence:
    """The pair comes from a source named in ``exclude_sources``."""
    return Evidence(pl.col("source").is_in(params.exclude_sources), detail=pl.col("source"))


@_rule
def response_too_short(params: FilterParams) -> Evidence:
    """A response has fewer than ``min_response_chars`` characters, outer whitespace apart."""
    least = params.min_response_chars
    shortest = pl.min_horizontal("chosen_bare_chars", "rejected_bare_chars")
    return Evidence(
        shortest < least, shortest, least, _sides_where(lambda side: pl.col(f"{side}_bare_chars") < least)
    )


@_rule
def response_too_long(params: FilterParams) -> Evidence:
    """A response has more than ``max_response_chars`` characters."""
    most = params.max_response_chars
    longest = pl.max_horizontal("chosen_chars", "rejected_chars")
    return Evidence(longest > most, longest, most, _sides_where(lambda side: pl.col(f"{side}_chars") > most))


@_rule
def prompt_too_long(params: FilterParams) -> Evidence:
    """A prompt has more than ``max_prompt_chars`` characters, all turns together."""
    most = params.max_prompt_chars
    return Evidence(pl.col("prompt_chars") > most, pl.col("prompt_chars"), most)


@_rule
def constant_response(params: FilterParams) -> Evidence:
    """A response is given, on either side, to more than ``max_prompts_per_response`` distinct prompts."""
    most = params.max_prompts_per_response
    prompts = pl.max_horizontal("chosen_prompts", "rejected_prompts")
    return Evidence(
        prompts > most, prompts, most, _sides_where(lambda side: pl.col(f"{side}_prompts") > most)
    )
