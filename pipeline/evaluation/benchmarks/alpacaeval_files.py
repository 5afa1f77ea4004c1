"""AlpacaEval's files: answers of a model, and annotations, which say whose answer the judge preferred."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.alpacaeval_package import REFERENCES
from pipeline.evaluation.benchmarks.prompt_files import hub_file

HUB = "tatsu-lab/alpaca_eval"
REVISION = "2edc6fad8be6b14ea7230aabfd08188da6b8b814"
"""The commit that AlpacaEval's data is pinned to."""

REFERENCE_FILES = {1: "alpaca_eval.json", 2: "alpaca_eval_gpt4_baseline.json"}
"""On the hub: the answers of each version's reference model."""


@dataclass(frozen=True)
class ModelOutput:
    """One answer, as AlpacaEval's ``model_outputs.json`` holds it.

    Attributes:
        instruction: What was asked.
        output: The answer.
        generator: The model's name.
        dataset: The part of AlpacaEval that the instruction comes from.
    """

    instruction: str
    output: str
    generator: str
    dataset: str

    def to_json(self) -> dict[str, str]:
        """The object as the file holds it."""
        return asdict(self)


def reference_file(version: int, path: Path | None) -> Path:
    """The file of the reference answers: the one given, else the version's own from the hub.

    Raises:
        PipelineError: If it is not to be had.
    """
    if path is not None:
        return path
    return hub_file(
        HUB,
        REFERENCE_FILES[version],
        REVISION,
        f"The file of answers of {REFERENCES[version]}",
        "benchmarks.alpacaeval.reference",
        "name a file of reference answers in benchmarks.alpacaeval.reference",
    )


def read_outputs(path: Path) -> list[ModelOutput]:
    """The answers in a file of AlpacaEval's shape; it may be compressed with gzip.

    Raises:
        PipelineError: If it cannot be read, a row lacks a field, or an instruction stands there twice.
    """
    outputs = []
    rows: dict[str, int] = {}
    for number, row in enumerate(read_list(path), start=1):
        for name in ("instruction", "output", "generator"):
            if not isinstance(row.get(name), str):
                raise _row_fault(path, number, name, row.get(name), "a text")
        if not row["instruction"].strip():
            raise _row_fault(path, number, "instruction", row["instruction"], "a text that is not blank")
        first = rows.setdefault(row["instruction"], number)
        if first != number:
            raise _row_fault(path, number, "instruction", f"the same as in row {first}", "each once")
        outputs.append(
            ModelOutput(row["instruction"], row["output"], row["generator"], str(row.get("dataset") or ""))
        )
    return outputs


def read_annotations(path: Path) -> list[dict[str, Any]]:
    """The annotations of one model in a file of AlpacaEval's shape; it may be compressed with gzip.

    A preference that is absent, null or no number from 1 to 2 (0: a draw, as in old files) becomes None.

    Raises:
        PipelineError: If it cannot be read, a row lacks a text, or there is more than one model or reference.
    """
    annotations = []
    names: dict[str, Any] = {}
    for number, row in enumerate(read_list(path), start=1):
        for name in ("instruction", "output_1", "output_2", "generator_1", "generator_2"):
            if not isinstance(row.get(name), str):
                raise _row_fault(path, number, name, row.get(name), "a text")
        for name in ("generator_1", "generator_2", "annotator"):
            if names.setdefault(name, row.get(name)) != row.get(name):
                raise _row_fault(path, number, name, row.get(name), f"{names[name]}, as in row 1")
        annotations.append({**row, "preference": _preference(row.get("preference"))})
    return annotations


def read_list(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON array, one or more.

    Raises:
        PipelineError: If the file cannot be read, or is anything else.
    """
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        rows = json.loads(content)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise PipelineError(
            "A file of AlpacaEval cannot be read", file=path, found=str(error), expected="a JSON array"
        ) from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise PipelineError(
            "A file of AlpacaEval is not as it should be",
            file=path,
            found=f"{type(rows).__name__} of {len(rows)}" if isinstance(rows, list) else type(rows).__name__,
            expected="a JSON array of objects, one or more",
        )
    return rows


def pair_up(
    reference: Sequence[ModelOutput], answers: Mapping[str, str], model: str
) -> list[tuple[int, ModelOutput, ModelOutput]]:
    """The reference's and the model's answer to each instruction answered, with its place in AlpacaEval.

    Args:
        reference: All of the reference model's answers.
        answers: The model's, by instruction.
        model: Its name.
    """
    return [
        (place, given, ModelOutput(given.instruction, answers[given.instruction], model, given.dataset))
        for place, given in enumerate(reference)
        if given.instruction in answers
    ]


def _preference(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return 1.5 if value == 0 else float(value) if 1 <= value <= 2 else None


def _row_fault(path: Path, row: int, column: str, found: object, expected: str) -> PipelineError:
    return PipelineError(
        "A file of AlpacaEval is not as it should be",
        file=path,
        row=row,
        column=column,
        found="nothing" if found is None else found,
        expected=expected,
        hint="Correct that row",
    )
