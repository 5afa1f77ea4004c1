"""The report's outcome: the headline, its numbers in plain words, success by kind of constraint."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from pipeline.report import words
from pipeline.report.artifacts import Artifacts
from pipeline.results import MODELS, Scores
from pipeline.schema import GREEDY

NO_KIND = "no check"
"""What prompts without a constraint are listed under."""


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


@dataclass(frozen=True)
class KindRow:
    """Instruction success on one kind of constraint."""

    kind: str
    prompts: int
    base: int
    trained: int

    @property
    def base_share(self) -> float:
        """Share of the prompts the base model's answers pass."""
        return self.base / self.prompts

    @property
    def trained_share(self) -> float:
        """Share of the prompts the trained model's answers pass."""
        return self.trained / self.prompts


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
    cards = [
        _share_card(
            "Preference accuracy",
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
                (base.instruction_success, base.checked_prompts),
                (trained.instruction_success, trained.checked_prompts),
                "How often an answer to a held-out prompt does what the prompt asks, as checked by code, of "
                f"{trained.checked_prompts:,} prompts.",
            )
        )
    cards.append(
        _number_card(
            "Log-odds margin",
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


def _share_card(name: str, base: tuple[float, int], trained: tuple[float, int], text: str) -> Score:
    points = round((trained[0] - base[0]) * 100, 1)
    return Score(
        name=name,
        base=words.share(base[0]),
        trained=words.share(trained[0]),
        change=f"{words.signed(points, 1)} points",
        verdict=_verdict(points),
        base_note=_interval_note(*base),
        trained_note=_interval_note(*trained),
        words=text,
    )


def _interval_note(share: float, total: int) -> str:
    return words.interval(round(share * total), total)


def _number_card(name: str, base: float, trained: float, text: str, *, higher_is_better: bool) -> Score:
    change = round(trained - base, 3)
    return Score(
        name=name,
        base=words.number(base),
        trained=words.number(trained),
        change=words.signed(change),
        verdict=_verdict(change if higher_is_better else -change),
        base_note="",
        trained_note="",
        words=text,
    )


def _verdict(gain: float) -> str:
    return "better" if gain > 0 else "worse" if gain < 0 else "same"


def answer_facts(scores: Scores) -> list[tuple[str, str, str]]:
    """How both models' answers look, whatever they say: name, base, trained. Empty where none was written."""
    base, trained = scores.base, scores.trained
    if not trained.answers:
        return []
    return [
        ("Answers", f"{base.answers:,}", f"{trained.answers:,}"),
        (
            "Ended before the token limit",
            words.share(base.finished_share),
            words.share(trained.finished_share),
        ),
        ("Mean tokens", words.number(base.mean_tokens, 1), words.number(trained.mean_tokens, 1)),
        (
            "Word trigrams that repeat earlier ones",
            words.share(base.repetition_share),
            words.share(trained.repetition_share),
        ),
    ]


def kind_of(constraint: str | None) -> str:
    """The kind named in a constraint's JSON; :data:`NO_KIND` for none."""
    if constraint is None:
        return NO_KIND
    try:
        value = json.loads(constraint)
    except json.JSONDecodeError:
        return NO_KIND
    return str(value.get("kind", NO_KIND)) if isinstance(value, dict) else NO_KIND


def kind_rows(generations: pl.DataFrame) -> list[KindRow]:
    """Success of both models' greedy answers by kind of constraint; most gained by training first."""
    passed: dict[str, dict[str, list[bool]]] = {}
    checked = generations.filter(
        pl.col("decoding") == GREEDY, pl.col("model").is_in(MODELS), pl.col("success").is_not_null()
    )
    for model, constraint, success in checked.select("model", "constraint", "success").iter_rows():
        passed.setdefault(kind_of(constraint), {name: [] for name in MODELS})[model].append(success)
    rows = [
        KindRow(kind, max(len(by["base"]), len(by["trained"])), sum(by["base"]), sum(by["trained"]))
        for kind, by in passed.items()
    ]
    return sorted(rows, key=lambda row: (row.base_share - row.trained_share, row.kind))
