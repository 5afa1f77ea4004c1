"""The report: read the artifacts, work out what to say, fill the page."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipeline.files import write_json, write_text
from pipeline.params import ReportParams
from pipeline.report import (
    answers,
    duplicates,
    evaluation,
    examples,
    lineage,
    scores,
    sections,
    token_stats,
    variants,
    words,
)
from pipeline.report.artifacts import Artifacts, read_artifacts
from pipeline.report.benchmarks import benchmark_tables
from pipeline.report.dataset_card import dataset_card
from pipeline.report.document import report_document
from pipeline.report.dropped import dropped_rows
from pipeline.report.funnel import funnel_grid
from pipeline.report.kinds import kind_grid, kind_rows
from pipeline.report.model_card import model_card
from pipeline.report.page import SECTIONS, TEMPLATES
from pipeline.report.script import POLICY, SCRIPT
from pipeline.report.style import STYLE
from pipeline.results import FUNNEL_STAGES

_ORDER = [
    *FUNNEL_STAGES[:1],
    "pull_model",
    *FUNNEL_STAGES[1:],
    "reference",
    "train",
    "evaluate",
    "benchmark",
    "report",
]


def build_report(root: Path, params: ReportParams, out: Path) -> None:
    """Write the report: report.html, which needs nothing beside it, report.json, and the two cards.

    Equal artifacts give equal bytes. Text from data is escaped, whatever it holds.

    Args:
        root: The project's top folder.
        params: How much to show, and the cards' licences.
        out: The folder to write report.html, report.json, dataset_card.md and model_card.md in.

    Raises:
        PipelineError: If an artifact is missing or broken, naming the stage to run.
        OSError: If a file cannot be written.
    """
    artifacts = read_artifacts(root)
    texts = {
        "report.html": render(artifacts, params),
        "dataset_card.md": dataset_card(artifacts, root / "data" / "split", params),
        "model_card.md": model_card(artifacts, root / "models" / "trained", params),
    }
    document = report_document(artifacts)
    for name, text in texts.items():
        write_text(out / name, text)
    write_json(out / "report.json", document)


def render(artifacts: Artifacts, params: ReportParams) -> str:
    """The report's HTML."""
    environment = Environment(
        loader=TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(title=words.title, share=words.share, start_of=words.start_of)
    return environment.get_template("page").render(
        style=Markup(STYLE),
        script=Markup(SCRIPT),
        policy=POLICY,
        sections=SECTIONS,
        headline=scores.headline(artifacts.scores),
        cards=scores.score_cards(artifacts),
        commit=artifacts.commit.commit,
        **_data(artifacts),
        **_results(artifacts),
        **_texts(artifacts, params),
        lineage=_lineage(artifacts),
    )


def _data(artifacts: Artifacts) -> dict[str, Any]:
    extra = {funnel.stage: funnel.extra for funnel in artifacts.funnels}
    return {
        "funnel": funnel_grid(artifacts.funnels),
        "counts": [(stage, words.flat(counts)) for stage, counts in extra.items() if counts],
        "sources": sections.source_grid(artifacts),
        "data_charts": sections.data_charts(artifacts),
        "spread_charts": sections.spread_charts(artifacts.distributions),
        "spreads": sections.spread_grid(artifacts.distributions),
        "clusters": duplicates.clusters(artifacts.splits),
        "leak_grid": duplicates.leak_grid(_searched(artifacts)),
        "duplicates": duplicates.duplicates(artifacts.shown, artifacts.pairs),
        "leaks": duplicates.leaks(artifacts.shown, artifacts.pairs),
        "tokens": token_stats.token_grid(extra["tokenize"].get("splits") or {}),
    }


def _results(artifacts: Artifacts) -> dict[str, Any]:
    comparison = artifacts.comparison
    return {
        "split": artifacts.scores.split,
        "evaluation": evaluation.evaluation_grid(artifacts.evaluation),
        "length_baseline": evaluation.length_baseline(artifacts.evaluation),
        "outcomes": answers.outcomes(artifacts.evaluation),
        "kinds": kind_grid(kind_rows(artifacts.generations)),
        "answers": answers.answer_grid(artifacts.evaluation),
        "diversity": answers.diversity(artifacts.evaluation),
        "slices": evaluation.slice_grids(artifacts.slices),
        "benchmarks": benchmark_tables(artifacts.benchmarks, _searched(artifacts)),
        "variants": None if comparison is None else variants.variant_grid(comparison),
        "variant_charts": [] if comparison is None else variants.variant_charts(comparison.curves),
        "training_charts": sections.training_charts(dict(artifacts.curves)),
        "training": words.flat(artifacts.training),
    }


def _texts(artifacts: Artifacts, params: ReportParams) -> dict[str, Any]:
    worst, best = examples.scored_pairs(artifacts.evaluated, artifacts.held_out)
    return {
        "worst": worst,
        "best": best,
        "examples": examples.side_by_side(artifacts.generations, params.examples),
        "dropped": dropped_rows(artifacts.ledger, artifacts.shown, artifacts.pairs, artifacts.completions),
    }


def _lineage(artifacts: Artifacts) -> SimpleNamespace:
    return SimpleNamespace(
        commit=lineage.commit_facts(artifacts.commit),
        runs=lineage.run_grid(artifacts.runs, _ORDER),
        lock=lineage.lock_grid(artifacts.outputs),
        versions=list(lineage.versions().items()),
        dataset=lineage.dataset_facts(artifacts.dataset),
        models=[(name, words.flat(facts)) for name, facts in artifacts.lineage.items()],
    )


def _searched(artifacts: Artifacts) -> dict[str, Any]:
    """What decontaminate found of each benchmark."""
    (found,) = [funnel.extra for funnel in artifacts.funnels if funnel.stage == "decontaminate"]
    return dict(found.get("benchmarks") or {})
