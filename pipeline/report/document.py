"""The report's numbers as JSON: what the page shows, for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.report import distributions
from pipeline.report.artifacts import Artifacts
from pipeline.report.duplicates import clusters
from pipeline.report.evaluation import Values
from pipeline.report.lineage import versions
from pipeline.report.scores import headline, turned
from pipeline.results import Funnel
from pipeline.schema import SPLITS

VERSION = 1
"""Raised when a key changes its meaning."""


def report_document(artifacts: Artifacts) -> dict[str, Any]:
    """Every number of the report as JSON values.

    Returns:
        ``version``, ``headline``, ``funnel`` (by stage: unit_in, in, unit_out, kept, dropped by reason,
        its own counts), ``distributions`` (by stage, kept or dropped, and measure: count, mean, quantiles
        by their share), ``sources`` (pairs by source and split), ``duplicates``, ``training`` (last values,
        curves as steps and values), ``evaluation`` and ``benchmarks`` (the metrics files as they are),
        ``turned``, ``slices``, ``variants`` (data/compare/summary.json, or null), ``lineage``.
    """
    right, wrong = turned(artifacts.evaluated)
    slices, comparison = artifacts.slices, artifacts.comparison
    document = {
        "version": VERSION,
        "headline": headline(artifacts.scores),
        "funnel": {funnel.stage: _funnel(funnel) for funnel in artifacts.funnels},
        "distributions": {
            stage.stage: {"kept": _spreads(stage.kept), "dropped": _spreads(stage.dropped)}
            for stage in artifacts.distributions
        },
        "sources": {
            name: dict(artifacts.splits[name].group_by("source").len().sort("source").iter_rows())
            for name in SPLITS
        },
        "duplicates": asdict(clusters(artifacts.splits)),
        "training": {
            "last": dict(artifacts.training),
            "curves": {
                name: {"steps": steps, "values": values} for name, (steps, values) in artifacts.curves.items()
            },
        },
        "evaluation": dict(artifacts.evaluation),
        "turned": {"right": right, "wrong": wrong},
        "slices": slices.to_dicts(),
        "benchmarks": dict(artifacts.benchmarks),
        "variants": None if comparison is None else dict(comparison.summary),
        "lineage": _lineage(artifacts),
    }
    return {key: _finite(value) for key, value in document.items()}


def _finite(value: Any) -> Any:
    """The value with null for NaN and infinity, which JSON has no word for: a diverged run has them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _funnel(funnel: Funnel) -> dict[str, Any]:
    counts = {
        "unit_in": funnel.unit_in,
        "in": funnel.rows_in,
        "unit_out": funnel.unit_out,
        "kept": funnel.kept,
    }
    return {**counts, "dropped": funnel.dropped, **funnel.extra}


def _spreads(found: Mapping[str, distributions.Spread]) -> Values:
    return {
        measure: {
            "count": spread.count,
            "mean": spread.mean,
            "quantiles": {
                f"{share:g}": value
                for share, value in zip(distributions.QUANTILES, spread.quantiles, strict=True)
            },
        }
        for measure, spread in found.items()
    }


def _lineage(artifacts: Artifacts) -> dict[str, Any]:
    return {
        "git": asdict(artifacts.commit),
        "dvc_lock": [asdict(output) for output in artifacts.outputs],
        "dataset": dict(artifacts.dataset),
        "models": {name: dict(facts) for name, facts in artifacts.lineage.items()},
        "versions": versions(),
        "runs": {stage: asdict(run) for stage, run in artifacts.runs.items()},
    }
