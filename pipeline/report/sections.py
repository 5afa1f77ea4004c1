"""The report's data and training sections: sources and charts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from pipeline.report import charts, distributions, words
from pipeline.report.artifacts import Artifacts
from pipeline.report.charts import Series
from pipeline.report.duplicates import similarities
from pipeline.report.grid import Cell, Grid, Head, count
from pipeline.results import MODELS
from pipeline.schema import SPLITS

_TAIL_FROM = 100  # values from which on a tail is cut off, so that one outlier does not flatten the rest


def source_grid(artifacts: Artifacts) -> Grid:
    """Every source, the largest in training first: pairs by split, both models' accuracy held out."""
    counts = {name: dict(artifacts.splits[name].group_by("source").len().iter_rows()) for name in SPLITS}
    held_out = artifacts.evaluated.group_by("model", "source").agg(pl.len(), pl.col("correct").mean())
    accuracy = {(model, source): (pairs, mean) for model, source, pairs, mean in held_out.iter_rows()}
    sources = sorted(set().union(*counts.values()), key=lambda name: (-counts["train"].get(name, 0), name))
    columns = [Head("Source"), *(Head(name.capitalize(), True) for name in SPLITS), Head("Evaluated", True)]
    columns += [Head(f"Accuracy, {model}", True, model) for model in MODELS]
    rows = []
    for source in sources:
        found = [accuracy.get((model, source), (0, None)) for model in MODELS]
        pairs = [count(counts[name].get(source, 0)) for name in SPLITS]
        scored = [Cell(words.share(mean), mean) for _, mean in found]
        rows.append([Cell(source), *pairs, count(found[-1][0]), *scored])
    return Grid(columns, rows)


def data_charts(artifacts: Artifacts) -> list[charts.Chart]:
    """Margins, lengths and tokens of the pairs that are trained on, and how alike the duplicates were."""
    trained = artifacts.splits["train"]["margin"].drop_nulls().to_list()
    lengths, ends = _cut(artifacts.response_chars)
    tokens, longest = artifacts.lengths
    drawn = [
        charts.histogram(
            "Score margin",
            {"all pairs made": artifacts.made_margins, "trained on": trained},
            "score of chosen minus score of rejected",
            f"{len(trained):,} of {artifacts.splits['train'].height:,} training pairs have scores. "
            "A small margin is a weak preference.",
        ),
        charts.histogram(
            "Response length",
            lengths,
            "characters",
            "Where chosen responses are longer throughout, a model may learn length instead of quality."
            + ends,
        ),
        charts.histogram(
            "Tokens of a training pair",
            {"tokens": tokens.tolist()},
            "tokens of the prompt and the longer response",
            f"At most {longest:,} tokens are allowed (dashed, where near).",
            limit=longest,
        ),
        charts.histogram(
            "Similarity of near-duplicates",
            {"similarity": similarities(artifacts.ledger)},
            "Jaccard similarity to the prompt that was kept",
            "What dedupe dropped without being equal. Many close to the threshold: look at them below.",
        ),
    ]
    return [chart for chart in drawn if chart is not None]


def spread_charts(stages: list[distributions.Stage]) -> list[charts.Chart]:
    """Each measure before and after each stage: what it kept, and what it dropped, as strips."""
    drawn = []
    for measure, unit in distributions.MEASURES.items():
        rows = []
        for stage in stages:
            for found, dropped in ((stage.kept, False), (stage.dropped, True)):
                if measure in found:
                    low, first, middle, third, high = found[measure].quantiles
                    label = f"{stage.stage}, dropped" if dropped else stage.stage
                    rows.append(charts.Strip(label, (low, first, middle, third, high), dropped))
        title = f"{words.title(measure.removesuffix('_chars')).capitalize()} by stage"
        title = title.replace(" by stage", " length by stage") if measure.endswith("_chars") else title
        caption = (
            "Blue: kept; orange: what the stage dropped. Line: middle 90%; bar: middle half; dot: median."
        )
        drawn.append(charts.strips(title, rows, unit, caption))
    return [chart for chart in drawn if chart is not None]


def spread_grid(stages: list[distributions.Stage]) -> Grid:
    """The numbers behind :func:`spread_charts`."""
    names = [f"{share:.0%}" for share in distributions.QUANTILES]
    columns = [Head("Stage"), Head("Rows"), Head("Measure"), Head("Values", True), Head("Mean", True)]
    columns += [Head(name, True) for name in names]
    rows = []
    for place, stage in enumerate(stages):
        for what, found in (("kept", stage.kept), ("dropped", stage.dropped)):
            for measure, spread in found.items():
                values = [spread.mean, *spread.quantiles]
                cells = [Cell(f"{value:,.6g}", value) for value in values]
                head = [Cell(stage.stage, float(place)), Cell(what), Cell(words.title(measure))]
                rows.append([*head, count(spread.count), *cells])
    return Grid(columns, rows)


def _cut(lengths: Mapping[str, list[int]]) -> tuple[dict[str, list[float]], str]:
    """Lengths with their tail put into the last bar, and the words that say so."""
    limit = _tail([value for values in lengths.values() for value in values])
    cut = {name: [min(float(value), limit) for value in values] for name, values in lengths.items()}
    return cut, f" The last bar holds all from {limit:,.0f}." if limit < math.inf else ""


def _tail(values: list[int]) -> float:
    """The length above which values count as the tail; infinity where there are few or no long ones."""
    if len(values) < _TAIL_FROM:
        return math.inf
    limit = sorted(values)[math.ceil(len(values) * 0.99) - 1]
    return float(limit) if limit < max(values) else math.inf


def training_charts(curves: dict[str, Series]) -> list[charts.Chart]:
    """The course of training: losses, log-probabilities, accuracy."""
    plans = (
        ("Loss", {"loss": "loss", "nll": "likelihood term"}, "Nats, per step; lower is better."),
        (
            "Odds-ratio term",
            {"odds_ratio_term": "odds-ratio term"},
            "-log sigmoid of the log-odds margin, before lambda; lower is better, "
            f"{math.log(2):.3f} is a coin toss.",
        ),
        (
            "Mean log-probability per token",
            {"chosen_logp": "chosen", "rejected_logp": "rejected"},
            "The gap between the lines is what the odds-ratio term widens.",
        ),
        ("Accuracy on training batches", {"accuracy": "accuracy"}, "Share of a step's pairs ranked right."),
        (
            "Log-odds margin in training",
            {"log_odds": "margin"},
            "Log odds of chosen less those of rejected, mean over a step's pairs.",
        ),
        ("Gradient norm", {"grad_norm": "gradient norm"}, "Before clipping; a spike is a batch to look at."),
        ("Learning rate", {"lr": "learning rate"}, "The rate each step was taken with."),
        ("Speed", {"tokens_per_second": "tokens per second"}, "Tokens that passed through the model."),
    )
    drawn = []
    for title, names, caption in plans:
        lines = {label: curves[name] for name, label in names.items() if name in curves}
        validation = {
            label: curves[f"validation/{name}"]
            for name, label in names.items()
            if f"validation/{name}" in curves
        }
        drawn.append(charts.curves(title, lines, validation, caption))
    return [chart for chart in drawn if chart is not None]
