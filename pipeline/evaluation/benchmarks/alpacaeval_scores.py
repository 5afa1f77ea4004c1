"""AlpacaEval's numbers from annotations: win rate and length-controlled win rate, by the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.benchmarks.alpacaeval_length_control import LengthControl, length_controlled
from pipeline.evaluation.benchmarks.alpacaeval_package import alpaca_eval


@dataclass(frozen=True)
class AlpacaEvalScore:
    """What AlpacaEval says of one model.

    Attributes:
        win_rate: Mean preference for the model's answer, percent; None where nothing was judged.
        standard_error: Of the win rate, percentage points; None for fewer than two judgements.
        length_controlled_winrate: The win rate were the answers as long as the reference's, percent; None
            where it is not defined.
        lc_standard_error: Of that, percentage points; None where it is not defined.
        discrete_win_rate: Share of won judgements, draws half, percent.
        length_control: What it was fitted with, as
            :class:`~pipeline.evaluation.benchmarks.alpacaeval_length_control.LengthControlled` says.
        n: Judgements with a preference.
        wins: Of those, won by the model.
        losses: Lost.
        draws: Neither.
        unparsed: Judgements without a preference, which count for nothing.
    """

    win_rate: float | None
    standard_error: float | None
    length_controlled_winrate: float | None
    lc_standard_error: float | None
    discrete_win_rate: float | None
    length_control: LengthControl
    n: int
    wins: int
    losses: int
    draws: int
    unparsed: int


def score_annotations(
    annotations: Sequence[Mapping[str, Any]], calibration: Path | None = None
) -> AlpacaEvalScore:
    """Score one model's annotations.

    Args:
        annotations: As :func:`~pipeline.evaluation.benchmarks.alpacaeval_files.read_annotations` gives them.
            Their order, or ``index`` where there is one, says which of AlpacaEval's instructions each is.
        calibration: The package's ``df_gamed.csv``; None: the hub's, or else the recovered data.

    Raises:
        PipelineError: If the package is not installed, or the calibration file is not the package's.
    """
    judged = [row for row in annotations if row["preference"] is not None]
    unparsed = len(annotations) - len(judged)
    if not judged:
        return AlpacaEvalScore(None, None, None, None, None, "not_defined", 0, 0, 0, 0, unparsed)
    with alpaca_eval("metrics.winrate") as winrate:
        rates = winrate.get_winrate([{"preference": row["preference"]} for row in judged])
    controlled = length_controlled(annotations, calibration)
    several = len(judged) > 1
    return AlpacaEvalScore(
        win_rate=float(rates["win_rate"]),
        standard_error=float(rates["standard_error"]) if several else None,
        length_controlled_winrate=controlled.winrate,
        lc_standard_error=controlled.standard_error,
        discrete_win_rate=float(rates["discrete_win_rate"]),
        length_control=controlled.how,
        n=int(rates["n_total"]),
        wins=int(rates["n_wins"]),
        losses=int(rates["n_wins_base"]),
        draws=int(rates["n_draws"]),
        unparsed=unparsed,
    )


def describe(score: AlpacaEvalScore) -> str:
    """A score in one line."""
    if score.win_rate is None:
        return f"nothing was judged: {score.unparsed:,} annotations without a preference"
    line = f"win rate {score.win_rate:.2f}%"
    if score.standard_error is not None:
        line += f" (standard error {score.standard_error:.2f})"
    if score.length_controlled_winrate is not None:
        line += f", length-controlled {score.length_controlled_winrate:.2f}% ({score.length_control})"
    line += f"; {score.n:,} judged: {score.wins:,} won, {score.losses:,} lost, {score.draws:,} drawn"
    line += f"; {score.unparsed:,} without a preference"
    return line
