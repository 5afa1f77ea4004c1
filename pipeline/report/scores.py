"""The report's outcome: the headline, and its numbers in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pipeline.report import words
from pipeline.report.artifacts import Artifacts
from pipeline.report.evaluation import SHARES, Values, interval_of
from pipeline.results import MODELS, Scores


@dataclass(frozen=True)
class Score:
    """One headline number, before and after."""

    name: str
    base: str
    trained: str
    change: str
    verdict: str
    base_note: str
    trained_note: str
    words: str


def headline(scores: Scores) -> str:
    """What training did, in one sentence."""
    base, trained = scores.base, scores.trained
    parts = [_moved("preference accuracy", base.accuracy, trained.accuracy)]
    if base.instruction_success is not None and trained.instruction_success is not None:
        parts.append(_moved("instruction success", base.instruction_success, trained.instruction_success))
    return f"On the held-out {scores.split} split, training {' and '.join(parts)}."


def _moved(name: str, before: float, after: float) -> str:
    points = round((after - before) * 100, 1)
    if points == 0:
        return f"left {name} at {after:.1%}"
    verb = "raised" if points > 0 else "lowered"
    return f"{verb} {name} from {before:.1%} to {after:.1%}"


def score_cards(artifacts: Artifacts) -> list[Score]:
    """The headline numbers: accuracy, instruction success, margin and likelihood."""
    base, trained = artifacts.scores.base, artifacts.scores.trained
    right, wrong = turned(artifacts.evaluated)
    known = {model: artifacts.evaluation[model] for model in MODELS}
    cards = [
        _share_card(
            "Preference accuracy",
            _notes(known, "accuracy"),
            (base.accuracy, base.pairs),
            (trained.accuracy, trained.pairs),
            "How often a model finds the chosen response likelier than the rejected one, of "
            f"{trained.pairs:,} held-out pairs. Training turned {right:,} wrong pairs right and {wrong:,} "
            "right pairs wrong.",
        )
    ]
    if base.instruction_success is not None and trained.instruction_success is not None:
        cards.append(
            _share_card(
                "Instruction success",
                _notes(known, "instruction_success"),
                (base.instruction_success, base.checked_prompts),
                (trained.instruction_success, trained.checked_prompts),
                "How often an answer to a held-out prompt does what the prompt asks, as checked by code, of "
                f"{trained.checked_prompts:,} prompts.",
            )
        )
    cards.append(
        _number_card(
            "Log-odds margin",
            _notes(known, "log_odds_margin"),
            base.log_odds_margin,
            trained.log_odds_margin,
            "How far the log odds of the chosen response lie above those of the rejected one, on average. "
            "Above 0 favours the chosen one.",
            higher_is_better=True,
        )
    )
    cards.append(
        _number_card(
            "Chosen NLL",
            _notes(known, "chosen_nll"),
            base.chosen_nll,
            trained.chosen_nll,
            "Negative log-probability per token of the chosen responses, in nats: lower means that the model "
            "would sooner write them itself.",
            higher_is_better=False,
        )
    )
    return cards


def turned(evaluated: pl.DataFrame) -> tuple[int, int]:
    """How many held-out pairs training turned right, and how many it turned wrong."""
    base, trained = (
        evaluated.filter(pl.col("model") == model).select("pair_id", pl.col("correct").alias(model))
        for model in MODELS
    )
    both = base.join(trained, on="pair_id")
    right = both.filter(~pl.col("base") & pl.col("trained")).height
    return right, both.filter(pl.col("base") & ~pl.col("trained")).height


def _notes(models: Mapping[str, Values], metric: str) -> tuple[str, str]:
    """The intervals that evaluate gives, as words; empty where it gives none."""
    bounds = [interval_of(models[model], metric) for model in MODELS]
    said = words.number if metric not in SHARES else words.share
    base, trained = ("" if found is None else f"{said(found[0])} to {said(found[1])}" for found in bounds)
    return base, trained


def _share_card(
    name: str, notes: tuple[str, str], base: tuple[float, int], trained: tuple[float, int], text: str
) -> Score:
    points = round((trained[0] - base[0]) * 100, 1)
    return Score(
        name=name,
        base=words.share(base[0]),
        trained=words.share(trained[0]),
        change=f"{words.signed(points, 1)} points",
        verdict=_verdict(points),
        base_note=notes[0] or _wilson_note(*base),
        trained_note=notes[1] or _wilson_note(*trained),
        words=text,
    )


def _wilson_note(share: float, total: int) -> str:
    return words.interval(round(share * total), total)


def _number_card(
    name: str, notes: tuple[str, str], base: float, trained: float, text: str, *, higher_is_better: bool
) -> Score:
    change = round(trained - base, 3)
    return Score(
        name=name,
        base=words.number(base),
        trained=words.number(trained),
        change=words.signed(change),
        verdict=_verdict(change if higher_is_better else -change),
        base_note=notes[0],
        trained_note=notes[1],
        words=text,
    )


def _verdict(gain: float) -> str:
    return "better" if gain > 0 else "worse" if gain < 0 else "same"
