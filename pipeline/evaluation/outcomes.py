"""Which of two models does better on the same prompts, by checks that code can verify."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from pipeline.model_scores import BASE
from pipeline.schema import GREEDY


def compare_outcomes(generations: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Every model against base on the checked prompts, to merge under ``comparison``.

    Args:
        generations: The generations table of all models.

    Returns:
        ``{"<model>_vs_base": {"outcomes": ...}}`` with :func:`outcomes`, by model in the order of the table;
        empty without base or where no prompt has a check.
    """
    greedy = generations.filter(pl.col("decoding") == GREEDY, pl.col("success").is_not_null())
    names = greedy["model"].unique(maintain_order=True).to_list()
    if BASE not in names:
        return {}
    base = greedy.filter(model=BASE)
    return {
        f"{name}_vs_{BASE}": {"outcomes": outcomes(greedy.filter(model=name), base)}
        for name in names
        if name != BASE
    }


def outcomes(answers: pl.DataFrame, base: pl.DataFrame) -> dict[str, float | int]:
    """Win, tie and loss of a model's greedy answers against base's, prompt by prompt.

    An answer that passes its checks wins against one that does not; two that pass, or two that fail, tie.

    Args:
        answers: prompt_id and success (not null) of the model, each prompt once.
        base: The same of base.

    Returns:
        win, tie, loss: counts over the prompts that both answered; and ``p_value``, from :func:`sign_test`.
    """
    both = answers.select("prompt_id", "success").join(
        base.select("prompt_id", base="success"), on="prompt_id", validate="1:1"
    )
    mine, theirs = pl.col("success"), pl.col("base")
    counts = both.select(
        win=(mine & ~theirs).sum(), tie=(mine == theirs).sum(), loss=(~mine & theirs).sum()
    ).row(0, named=True)
    return {**counts, "p_value": sign_test(counts["win"], counts["loss"])}


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided p-value of wins against losses, if either were as likely as the other.

    Ties say nothing about the direction and are left out: on paired passes and failures this is McNemar's
    exact test. It is 1 where wins equal losses, none included.

    Args:
        wins: 0 or more.
        losses: 0 or more.
    """
    trials = wins + losses
    tail = sum(math.comb(trials, count) for count in range(min(wins, losses) + 1))
    # Whole numbers up to the one division: 2 * tail / 2^trials.
    return 1.0 if wins == losses else min(1.0, tail / 2 ** (trials - 1))
