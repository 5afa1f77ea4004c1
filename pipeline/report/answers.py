"""The models' answers as tables: how long they are, what checks say of them, and how much they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report import grid, words
from pipeline.report.evaluation import Values, model_names
from pipeline.report.grid import Cell, Grid, Head
from pipeline.results import MODELS

_SHARES = {
    "finished_share": "Ended by itself",
    "empty_share": "Empty",
    "repetition_share": "Repeated trigrams",
}
_LENGTHS = {"tokens": "Tokens", "chars": "Characters"}


@dataclass(frozen=True)
class Outcome:
    """How the answers of one model compare with another's, prompt by prompt.

    Attributes:
        versus: What is compared, in words.
        won: Prompts where only the first passes its checks.
        tied: Prompts where both pass or neither.
        lost: Prompts where only the second passes.
        p_value: Of as many wins against losses by chance, in words; empty where it was not computed.
    """

    versus: str
    won: int
    tied: int
    lost: int
    p_value: str


def outcomes(evaluation: Values) -> list[Outcome]:
    """The comparisons of metrics/evaluate.json that were counted by win, tie and loss."""
    found = []
    for name, compared in (evaluation.get("comparison") or {}).items():
        counts = compared.get("outcomes") if isinstance(compared, Mapping) else None
        if isinstance(counts, Mapping):
            won, tied, lost = (int(counts.get(key) or 0) for key in ("win", "tie", "loss"))
            p_value = counts.get("p_value")
            said = "" if p_value is None else words.p_value(float(p_value))
            if won + tied + lost:
                found.append(Outcome(words.title(name), won, tied, lost, said))
    return found


def answer_grid(evaluation: Values) -> Grid | None:
    """One row per model and way of decoding: lengths, endings and success; None without any answer."""
    found = [
        (model, decoding, facts)
        for model in model_names(evaluation)
        for decoding, facts in _decodings(evaluation[model]).items()
    ]
    if not found:
        return None
    columns = [Head("Answers"), Head("Count", True), Head("Pass their checks", True)]
    columns += [Head(label, True) for label in (*_LENGTHS.values(), *_SHARES.values())]
    rows = []
    for place, (model, decoding, facts) in enumerate(found):
        rows.append(
            [
                Cell(f"{model}, {decoding}", float(place)),
                grid.count(int(facts.get("answers") or 0)),
                _success(facts, model),
                *(_length(facts, unit) for unit in _LENGTHS),
                *(grid.share(facts.get(name)) for name in _SHARES),
            ]
        )
    return Grid(columns, rows)


def _decodings(model: Values) -> dict[str, dict[str, Any]]:
    """What is known of a model's greedy and of its sampled answers, with their number as ``answers``."""
    greedy = model.get("generation") or {}
    if not greedy.get("prompts"):
        return {}
    found = {
        "greedy": {
            **greedy,
            "answers": greedy["prompts"],
            "instruction_success": model.get("instruction_success"),
        }
    }
    sampled = greedy.get("sampled")
    return found | ({"sampled": dict(sampled)} if sampled else {})


def _success(facts: Values, model: str) -> Cell:
    value = facts.get("instruction_success")
    if value is None:
        return Cell(words.DASH)
    colour = model if model in MODELS else "trained"
    return Cell(words.share(value), value, fill=value, colour=colour)


def _length(facts: Values, unit: str) -> Cell:
    """The mean length, with the median and the 90th percentile beside it where they are known."""
    mean, median, high = (facts.get(f"{kind}_{unit}") for kind in ("mean", "median", "p90"))
    if mean is None:
        return Cell(words.DASH)
    note = "" if median is None or high is None else f"median {median:,.0f}, 90% up to {high:,.0f}"
    return Cell(words.number(float(mean), 1), float(mean), note)


@dataclass(frozen=True)
class Diversity:
    """How alike each model's answers are, and by what method that was measured."""

    method: str
    grid: Grid


def diversity(evaluation: Values) -> Diversity | None:
    """The two numbers of arXiv 2403.07691, section 6.4, by model; None where evaluate did not measure them.

    They are mean cosine similarities: higher is less diverse.
    """
    found = {
        model: (evaluation[model].get("generation") or {}).get("diversity")
        for model in model_names(evaluation)
    }
    measured = {model: values for model, values in found.items() if values}
    if not measured:
        return None
    columns = {
        "per_input": "Samples of one prompt",
        "across_input": "First samples of all prompts",
        "across_input_greedy": "Greedy answers to all prompts",
    }
    heads = [Head("Similarity of answers"), *(Head(label, True) for label in columns.values())]
    rows = [
        [Cell(model, float(place)), *(grid.number(values.get(name)) for name in columns)]
        for place, (model, values) in enumerate(measured.items())
    ]
    methods = dict.fromkeys(str(values["method"]) for values in measured.values())
    return Diversity(", ".join(methods), Grid(heads, rows))
