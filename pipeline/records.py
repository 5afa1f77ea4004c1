"""JSON that one stage leaves for another: lineage of models, counts of metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import read_json


def read_record(path: Path, stage: str, needs: str | None = None) -> dict[str, Any]:
    """The JSON object in a file that a stage wrote.

    Args:
        path: The file.
        stage: The stage, for the error.
        needs: A key that it must have.

    Raises:
        PipelineError: If the file is missing, is not a JSON object or lacks the key.
    """
    try:
        value = read_json(path)
    except FileNotFoundError as error:
        raise PipelineError(
            f"What stage {stage} writes is missing",
            file=path,
            hint=f"Run `dvc repro {stage}`, which makes it",
        ) from error
    except (OSError, ValueError) as error:  # Bad JSON and bad UTF-8 are ValueErrors.
        raise _refusal(path, stage, str(error)) from error
    if not isinstance(value, dict):
        raise _refusal(path, stage, type(value).__name__)
    if needs is not None and needs not in value:
        raise _refusal(path, stage, f"no key {needs}")
    return value


def _refusal(path: Path, stage: str, found: str) -> PipelineError:
    return PipelineError(
        f"What stage {stage} wrote cannot be read",
        file=path,
        found=found,
        expected="a JSON object",
        hint=f"Run `dvc repro --force --single-item {stage}`, or restore it with `dvc checkout`",
    )
