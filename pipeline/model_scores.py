"""What ``metrics/evaluate.json`` says of the models, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.intervals import Interval
from pipeline.params import RESERVED_MODELS

BASE, TRAINED = "base", "trained"
MODELS = (BASE, TRAINED)
"""The two models that evaluate always compares."""

OUTCOMES = ("win", "tie", "loss")
"""How an answer may compare with another to the same prompt."""


@dataclass(frozen=True)
class Change:
    """A metric of one model less that of another, on the same pairs or prompts.

    Attributes:
        difference: How far it lies above.
        interval: Of the difference; None where there are too few prompts for one.
        p_value: Two-sided, of no difference, by the paired test over prompts; None where it was not computed.
    """

    difference: float
    interval: Interval | None
    p_value: float | None


@dataclass(frozen=True)
class ModelScores:
    """One model on the held-out pairs and prompts.

    Attributes:
        accuracy: Share of pairs whose chosen response the model finds likelier (by log odds).
        instruction_success: Share of checked prompts whose answer passes; None where no prompt has a check.
        log_odds_margin: Mean of log odds(chosen) - log odds(rejected).
        chosen_nll: Mean negative log-probability per token of the chosen responses, nats.
        pairs: Held-out pairs.
        answers: Prompts that were answered.
        checked_prompts: Prompts with a check.
        finished_share: Share of the answers that end before the token limit; None where none was written.
        mean_tokens: Mean length of an answer; None likewise.
        repetition_share: Mean share of an answer's word trigrams that repeat earlier ones; None likewise.
        prompts: Distinct prompts of the pairs.
        rejected_nll: As chosen_nll, of the rejected responses; None in older files.
        odds_ratio_term: Mean of L_OR (eq. 7); None likewise.
        intervals: 95 % intervals by metric, of those that have one.
    """

    accuracy: float
    instruction_success: float | None
    log_odds_margin: float
    chosen_nll: float
    pairs: int
    answers: int
    checked_prompts: int
    finished_share: float | None
    mean_tokens: float | None
    repetition_share: float | None
    prompts: int | None = None
    rejected_nll: float | None = None
    odds_ratio_term: float | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class LengthBaseline:
    """What choosing by length alone scores on the same pairs.

    Attributes:
        choose_longer: Share of pairs whose chosen response is the longer; ties count half.
        choose_shorter: Share whose chosen response is the shorter, likewise.
        intervals: 95 % intervals of either.
    """

    choose_longer: float
    choose_shorter: float
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """All models on the same held-out split.

    Attributes:
        split: Its name.
        base: The base model.
        trained: The trained one.
        further: The models of ``evaluate.models``, by name.
        changes: ``<model>_vs_<other>`` to metric to change.
        outcomes: ``<model>_vs_<other>`` to answers that win, tie and lose, where they were compared.
        length_baseline: None in older files.
    """

    split: str
    base: ModelScores
    trained: ModelScores
    further: Mapping[str, ModelScores] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Change]] = field(default_factory=dict)
    outcomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    length_baseline: LengthBaseline | None = None

    def change(self, model: str, other: str, metric: str) -> Change | None:
        """The change of a metric from one model to another; None where they were not compared by it."""
        return self.changes.get(f"{model}_vs_{other}", {}).get(metric)


def parse_scores(values: Mapping[str, Any]) -> Scores:
    """The scores in the contents of ``metrics/evaluate.json``.

    Raises:
        KeyError: If a model or one of its scores is missing; the key names it.
        AttributeError: If something is not a mapping that should be.
        TypeError: If a value is not of a number's type.
        ValueError: If a value is not a number.
    """
    comparison = values.get("comparison") or {}
    further = [name for name in values if name not in RESERVED_MODELS]
    baseline = values.get("length_baseline")
    return Scores(
        split=str(values.get("split", "test")),
        base=_model_scores(values["base"]),
        trained=_model_scores(values["trained"]),
        further={name: _model_scores(values[name]) for name in further},
        changes={
            name: {metric: _change(change) for metric, change in metrics.items() if "difference" in change}
            for name, metrics in comparison.items()
        },
        outcomes={
            name: {outcome: int(metrics["outcomes"][outcome]) for outcome in OUTCOMES}
            for name, metrics in comparison.items()
            if "outcomes" in metrics
        },
        length_baseline=None if baseline is None else _length_baseline(baseline),
    )


def _model_scores(values: Mapping[str, Any]) -> ModelScores:
    generation = values.get("generation") or {}
    return ModelScores(
        accuracy=float(values["accuracy"]),
        instruction_success=_optional(values, "instruction_success"),
        log_odds_margin=float(values["log_odds_margin"]),
        chosen_nll=float(values["chosen_nll"]),
        pairs=int(values["pairs"]),
        answers=int(generation.get("prompts") or 0),
        checked_prompts=int(generation.get("checked_prompts") or 0),
        finished_share=_optional(generation, "finished_share"),
        mean_tokens=_optional(generation, "mean_tokens"),
        repetition_share=_optional(generation, "repetition_share"),
        prompts=None if values.get("prompts") is None else int(values["prompts"]),
        rejected_nll=_optional(values, "rejected_nll"),
        odds_ratio_term=_optional(values, "odds_ratio_term"),
        intervals=_intervals(values),
    )


def _length_baseline(values: Mapping[str, Any]) -> LengthBaseline:
    return LengthBaseline(float(values["choose_longer"]), float(values["choose_shorter"]), _intervals(values))


def _intervals(values: Mapping[str, Any]) -> dict[str, Interval]:
    return {
        metric: Interval(float(ends["low"]), float(ends["high"]))
        for metric, ends in (values.get("intervals") or {}).items()
        if ends is not None
    }


def _change(values: Mapping[str, Any]) -> Change:
    low, high = _optional(values, "low"), _optional(values, "high")
    return Change(
        difference=float(values["difference"]),
        interval=None if low is None or high is None else Interval(low, high),
        p_value=_optional(values, "p_value"),
    )


def _optional(values: Mapping[str, Any], key: str) -> float | None:
    value = values.get(key)
    return None if value is None else float(value)
