"""The held-out scores as tables for a terminal, with intervals, changes and p-values."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from pipeline.intervals import Interval
from pipeline.model_scores import Change, ModelScores, Scores

DASH = "–"

SHARES = {"accuracy": "preference accuracy", "instruction_success": "instruction success"}
"""Metrics shown in per cent, and what they are called."""

NUMBERS = {
    "log_odds_margin": "log-odds margin",
    "chosen_nll": "chosen NLL",
    "rejected_nll": "rejected NLL",
    "odds_ratio_term": "odds-ratio term",
}
"""Metrics shown as numbers: nats, but for the margin and the term of odds."""


def scores_table(scores: Scores) -> Table:
    """Each metric before and after training, its change, and the change's p-value."""
    trained = scores.trained
    table = _table(
        f"Held-out {scores.split} split: before and after training",
        ("base", "trained", "change", "p"),
        f"{trained.pairs:,} pairs, {trained.checked_prompts:,} checked prompts; 95% intervals in brackets",
    )
    for name, words in {**SHARES, **NUMBERS}.items():
        if name in NUMBERS and getattr(trained, name) is None:
            continue  # a file of an older version
        change = _change(scores, name)
        table.add_row(
            words,
            _score(name, scores.base),
            _score(name, trained),
            DASH if change is None else _difference(name, change),
            p_value(change),
        )
    return table


def beside_table(scores: Scores) -> Table | None:
    """Accuracy of further models and of choosing by length alone; None where there is nothing to show."""
    baseline = scores.length_baseline
    if not scores.further and baseline is None:
        return None
    table = _table(
        "Beside them: preference accuracy on the same pairs", ("accuracy", "against trained", "p"), None
    )
    for name, model in scores.further.items():
        change = scores.change(name, "trained", "accuracy")
        shown = DASH if change is None else _difference("accuracy", change)
        table.add_row(escape(name), _score("accuracy", model), shown, p_value(change))
    if baseline is not None:
        shares = {"longer": baseline.choose_longer, "shorter": baseline.choose_shorter}
        for length, share in shares.items():
            ends = _share_ends(baseline.intervals.get(f"choose_{length}"))
            table.add_row(f"always the {length} response", percent(share) + ends, "", "")
    return table


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal; a dash where there is none."""
    return DASH if share is None else f"{share:.1%}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{_number(difference * 100, 1, '+')} points"


def p_value(change: Change | None) -> str:
    """A p-value with three decimals, ``<0.001`` below that; a dash where there is none."""
    if change is None or change.p_value is None:
        return DASH
    return "<0.001" if change.p_value < 0.001 else f"{change.p_value:.3f}"


def _change(scores: Scores, name: str) -> Change | None:
    """The change from base to trained; without interval and p-value where these were not computed."""
    known = scores.change("trained", "base", name)
    before, after = getattr(scores.base, name), getattr(scores.trained, name)
    if known is not None or before is None or after is None:
        return known
    return Change(after - before, None, None)


def _table(title: str, columns: tuple[str, ...], caption: str | None) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _score(name: str, model: ModelScores) -> str:
    value, interval = getattr(model, name), model.intervals.get(name)
    if name in SHARES:
        return percent(value) + _share_ends(interval)
    return DASH if value is None else _number(value, 2) + _ends(interval, 2)


def _difference(name: str, change: Change) -> str:
    if name in SHARES:
        return points(change.difference) + _ends(change.interval, 1, "+", 100)
    return _number(change.difference, 2, "+") + _ends(change.interval, 2, "+")


def _share_ends(interval: Interval | None) -> str:
    return _ends(interval, 1, scale=100)


def _ends(interval: Interval | None, digits: int, sign: str = "-", scale: float = 1) -> str:
    """An interval to stand after its value, as ``" [low, high]"``; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (_number(end * scale, digits, sign) for end in (interval.low, interval.high))
    return escape(f" [{low}, {high}]")


def _number(value: float, digits: int, sign: str = "-") -> str:
    """A number with a fixed count of decimals, never minus zero; sign: ``+`` shows that of gains too."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"
