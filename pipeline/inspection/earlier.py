"""What earlier runs of the stages cost here, and how much they had to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.results import FUNNEL_STAGES, read_funnel
from pipeline.runs import Run, read_runs

_OF_THE_MODEL = ("tokenize", "reference", "train", "evaluate")
"""Stages whose cost depends on the base model: a run with another one tells nothing."""


@dataclass(frozen=True)
class EarlierRun:
    """One stage's last run.

    Attributes:
        run: Time and memory.
        units: How many of its units it took in (see :class:`~pipeline.inspection.workload.Workload`); None:
            unknown.
        unit: What they are called.
    """

    run: Run
    units: float | None
    unit: str


def earlier_runs(root: Path) -> dict[str, EarlierRun]:
    """By stage what ``data/runs`` and ``metrics`` tell; runs with another base model are left out.

    Args:
        root: The project's top folder.
    """
    model_changed = _model_changed(root)
    found = {}
    for stage, run in read_runs(root / "data" / "runs").items():
        if model_changed and stage in _OF_THE_MODEL:
            continue
        units, unit = _units(root, stage)
        found[stage] = EarlierRun(run, units, unit)
    return found


def _units(root: Path, stage: str) -> tuple[float | None, str]:
    try:
        if stage in FUNNEL_STAGES:
            funnel = read_funnel(root, stage)
            return float(funnel.rows_in), funnel.unit_in
        if stage == "train":
            split = read_funnel(root, "tokenize").extra["splits"]["train"]
            tokens = sum(int(split[f"{part}_tokens"]) for part in ("prompt", "chosen", "rejected"))
            return float(tokens * int(_trained(root)["params"]["epochs"])), "tokens"
        if stage == "evaluate":
            return float(read_funnel(root, "tokenize").extra["splits"]["test"]["pairs"]), "pairs"
    except (PipelineError, OSError, KeyError, TypeError, ValueError):
        pass
    return None, ""


def _trained(root: Path) -> dict[str, Any]:
    return dict(read_json(root / "models" / "trained" / "lineage.json"))


def _model_changed(root: Path) -> bool:
    """Whether the base model that is there is known to be another than the one that was trained."""
    try:
        there = read_json(root / "models" / "base" / "lineage.json")
        return bool(_trained(root)["base"] != there)
    except (OSError, KeyError, TypeError, ValueError, json.JSONDecodeError):
        return False
