"""The metrics files as typed values, for whoever shows them: the summary and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import read_json
from pipeline.intervals import Interval
from pipeline.model_scores import MODELS, Change, LengthBaseline, ModelScores, Scores, parse_scores

__all__ = [
    "FUNNEL_STAGES",
    "MODELS",
    "Change",
    "Funnel",
    "Interval",
    "LengthBaseline",
    "ModelScores",
    "Scores",
    "missing",
    "read_funnel",
    "read_funnels",
    "read_metrics",
    "read_scores",
]

FUNNEL_STAGES = ("pull", "binarize", "filter", "decontaminate", "dedupe", "curate", "split", "tokenize")
"""Stages that count what they keep and drop, in the order of the flow."""

_FUNNEL_KEYS = ("unit_in", "in", "unit_out", "kept", "dropped")


@dataclass(frozen=True)
class Funnel:
    """What one stage took in, kept and dropped.

    Attributes:
        stage: The stage.
        unit_in: What is counted on the way in.
        rows_in: How many went in.
        unit_out: What is counted on the way out.
        kept: How many stayed.
        dropped: How many were dropped, by reason; the most first.
        extra: The stage's other counts.
    """

    stage: str
    unit_in: str
    rows_in: int
    unit_out: str
    kept: int
    dropped: dict[str, int]
    extra: dict[str, Any]

    @property
    def dropped_total(self) -> int:
        """How many were dropped, for whatever reason."""
        return sum(self.dropped.values())


def read_metrics(path: Path, stage: str) -> dict[str, Any]:
    """The JSON object in a metrics file.

    Args:
        path: The file.
        stage: The stage that writes it, for the error.

    Raises:
        PipelineError: If the file is missing or is not a JSON object.
    """
    try:
        value = read_json(path)
    except FileNotFoundError as error:
        raise missing(path, stage) from error
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _unreadable(path, stage, str(error)) from error
    if not isinstance(value, dict):
        raise _unreadable(path, stage, type(value).__name__)
    return value


def missing(path: Path, stage: str) -> PipelineError:
    """The error for an artifact that is not there, naming the stage that makes it."""
    return PipelineError(
        f"What stage {stage} writes is missing", file=path, hint=f"Run `dvc repro {stage}`, which makes it"
    )


def read_funnels(root: Path) -> list[Funnel]:
    """The counts of every funnel stage, in the order of the flow.

    Raises:
        PipelineError: If one of the files is missing or lacks a count, naming the stage to run.
    """
    return [read_funnel(root, stage) for stage in FUNNEL_STAGES]


def read_funnel(root: Path, stage: str) -> Funnel:
    """The counts of one stage, from ``metrics/<stage>.json`` under ``root``.

    Raises:
        PipelineError: If the file is missing or lacks a count.
    """
    path = root / "metrics" / f"{stage}.json"
    values = read_metrics(path, stage)
    _require(values, _FUNNEL_KEYS, path, stage)
    try:
        dropped = {str(reason): int(count) for reason, count in values["dropped"].items()}
        return Funnel(
            stage=stage,
            unit_in=str(values["unit_in"]),
            rows_in=int(values["in"]),
            unit_out=str(values["unit_out"]),
            kept=int(values["kept"]),
            dropped=dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0]))),
            extra={key: value for key, value in values.items() if key not in _FUNNEL_KEYS},
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise _unreadable(path, stage, str(error)) from error


def read_scores(root: Path) -> Scores:
    """Base, trained and further models, from ``metrics/evaluate.json`` under ``root``.

    Raises:
        PipelineError: If the file is missing or lacks a score.
    """
    path = root / "metrics" / "evaluate.json"
    values = read_metrics(path, "evaluate")
    try:
        return parse_scores(values)
    except KeyError as error:
        raise _lacking(str(error.args[0]), values, path, "evaluate") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise _unreadable(path, "evaluate", str(error)) from error


def _require(values: Mapping[str, Any], keys: tuple[str, ...], path: Path, stage: str) -> None:
    absent = [key for key in keys if key not in values]
    if absent:
        raise _lacking(absent[0], values, path, stage)


def _lacking(key: str, values: Mapping[str, Any], path: Path, stage: str) -> PipelineError:
    return PipelineError(
        "A metrics file lacks a value",
        file=path,
        key=key,
        found=", ".join(values),
        hint=f"Run `dvc repro --force --single-item {stage}`",
    )


def _unreadable(path: Path, stage: str, found: str) -> PipelineError:
    return PipelineError(
        "A metrics file cannot be read",
        file=path,
        found=found,
        expected="a JSON object of numbers",
        hint=f"Run `dvc repro --force --single-item {stage}`",
    )
