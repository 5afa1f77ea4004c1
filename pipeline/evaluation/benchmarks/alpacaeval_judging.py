"""Asking a judge whose answer is better, in one order or in both, and how much the order decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.benchmarks.alpacaeval_files import ModelOutput
from pipeline.evaluation.benchmarks.alpacaeval_package import Evaluator, shows_reference_second
from pipeline.evaluation.benchmarks.judge import Judge, Judged, Question

DRAW = 1.5
"""The preference for neither answer; 1 is the reference's, 2 the model's."""

Pair = tuple[int, ModelOutput, ModelOutput]
"""An instruction's place in AlpacaEval, the reference's answer and the model's."""


@dataclass(frozen=True)
class PositionBias:
    """How much a judge goes by the order in which two answers are shown.

    Attributes:
        first_position_win_rate: Share of verdicts for the answer shown first, draws half; 0.5 without bias,
            if orders are balanced. None without verdicts.
        changed_share: Share of the pairs judged in both orders whose winner changes with the order. None
            where no pair was.
        verdicts: Verdicts counted.
        pairs_in_both_orders: Pairs with a verdict in either order.
    """

    first_position_win_rate: float | None
    changed_share: float | None
    verdicts: int
    pairs_in_both_orders: int


@dataclass(frozen=True)
class Annotated:
    """The judged pairs.

    Attributes:
        annotations: One object per pair, in their order, as AlpacaEval's ``annotations.json`` holds them;
            ``preference`` is None where there is no verdict, and ``failure`` says why.
        bias: How much the order decided.
        judged: The questions, their verdicts and failures.
    """

    annotations: list[dict[str, Any]]
    bias: PositionBias
    judged: Judged[float]


def annotate(pairs: Sequence[Pair], evaluator: Evaluator, judge: Judge, swap_positions: bool) -> Annotated:
    """Have each pair judged.

    The order is the one that the package draws from the instruction. Two equal answers are a draw without
    asking, as in the package.

    Args:
        pairs: What to judge.
        evaluator: How to ask.
        judge: Whom to ask.
        swap_positions: Ask in the other order too; the preference is then the mean of both, and there is
            none where either lacks a verdict.

    Raises:
        PipelineError: As :meth:`~pipeline.evaluation.benchmarks.judge.Judge.ask`.
    """
    orders = (False, True) if swap_positions else (False,)
    asked = [pair for pair in pairs if pair[1].output != pair[2].output]
    questions = [_question(pair, evaluator, swapped) for pair in asked for swapped in orders]
    judged = judge.ask(questions, evaluator.settings, evaluator.parse)
    annotations = []
    for pair in pairs:
        place, reference, answer = pair
        keys = [_key(place, swapped) for swapped in orders]
        failure = next((judged.failures[key] for key in keys if key in judged.failures), None)
        preferences: list[float] = []
        if failure is None:
            preferences = [
                _preference(pair, swapped, judged.verdicts.get(_key(place, swapped))) for swapped in orders
            ]
        annotations.append(
            {
                "index": place,
                "instruction": reference.instruction,
                "dataset": reference.dataset,
                "output_1": reference.output,
                "generator_1": reference.generator,
                "output_2": answer.output,
                "generator_2": answer.generator,
                "annotator": evaluator.name,
                "judge": judge.model,
                "preference": sum(preferences) / len(preferences) if preferences else None,
                "preferences": preferences,
                "replies": [judged.replies[key].text for key in keys if key in judged.replies],
                "failure": failure,
            }
        )
    return Annotated(annotations, position_bias(asked, judged, swap_positions), judged)


def position_bias(pairs: Sequence[Pair], judged: Judged[float], swap_positions: bool) -> PositionBias:
    """How much the order decided, from the verdicts there are."""
    verdicts = list(judged.verdicts.values())
    changed = [
        _winner(_preference(pair, False, first)) != _winner(_preference(pair, True, second))
        for pair in pairs
        if swap_positions
        and (first := judged.verdicts.get(_key(pair[0], False))) is not None
        and (second := judged.verdicts.get(_key(pair[0], True))) is not None
    ]
    first_won = [1.0 if verdict < DRAW else 0.5 if verdict == DRAW else 0.0 for verdict in verdicts]
    return PositionBias(
        first_position_win_rate=sum(first_won) / len(first_won) if first_won else None,
        changed_share=sum(changed) / len(changed) if changed else None,
        verdicts=len(verdicts),
        pairs_in_both_orders=len(changed),
    )


def _key(place: int, swapped: bool) -> str:
    return f"{place}/swapped" if swapped else str(place)


def _model_is_first(pair: Pair, swapped: bool) -> bool:
    return shows_reference_second(pair[1].instruction) != swapped


def _question(pair: Pair, evaluator: Evaluator, swapped: bool) -> Question:
    place, reference, answer = pair
    first, second = (answer, reference) if _model_is_first(pair, swapped) else (reference, answer)
    messages = evaluator.messages(reference.instruction, first.output, second.output)
    return Question(_key(place, swapped), messages)


def _preference(pair: Pair, swapped: bool, verdict: float | None) -> float:
    """From 1, the reference's, to 2, the model's; two equal answers were not asked about and are a draw."""
    if verdict is None:
        return DRAW
    return 3 - verdict if _model_is_first(pair, swapped) else verdict


def _winner(preference: float) -> int:
    """-1 the reference, 0 neither, 1 the model."""
    return (preference > DRAW) - (preference < DRAW)
