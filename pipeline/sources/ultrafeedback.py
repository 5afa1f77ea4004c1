"""Raw UltraFeedback rows (one instruction, several rated completions) to completions.

Nothing is repaired here: a null or empty response stays, a rating of ``N/A`` becomes null, a suspicious
overall score is the business of :mod:`pipeline.pairs.scoring`.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.schema import ASPECTS
from pipeline.sources.fields import (
    Completion,
    Parsed,
    Place,
    as_constraint,
    as_optional_number,
    as_optional_text,
    as_text,
    required,
)
from pipeline.sources.jsonl import Row

NO_COMPLETIONS = "no_completions"


def parse(row: Row, place: Place) -> Parsed:
    """Read one raw UltraFeedback row.

    ``source``, ``instruction`` and ``completions`` must be there, and ``response``, ``model`` and
    ``overall_score`` in each completion. ``annotations``, ``critique``, ``fine-grained_score`` and a
    ``constraint`` beside the instruction may be null or missing; other fields are not read.

    Raises:
        PipelineError: If a field is missing or of the wrong type; with file, row and column.
    """
    source = as_text(required(row, "source", place, "the name of the part it comes from"), "source", place)
    instruction = as_text(required(row, "instruction", place, "the prompt"), "instruction", place)
    constraint = as_constraint(row.get("constraint"), "constraint", place)
    completions = required(row, "completions", place, "a list of completions")
    if not isinstance(completions, list):
        raise place.fault("completions", completions, "a list of completions")
    if not completions:
        return Parsed([], NO_COMPLETIONS, "the list of completions is empty")
    shared = {
        "source": source,
        "prompt": [{"role": "user", "content": instruction}],
        "label": None,
        "constraint": constraint,
    }
    return Parsed(
        [
            {**shared, **_completion(item, f"completions[{index}]", place)}
            for index, item in enumerate(completions)
        ]
    )


def _completion(item: Any, path: str, place: Place) -> Completion:
    if not isinstance(item, dict):
        raise place.fault(path, item, "an object with response, model, overall_score and annotations")

    def get(key: str, expected: str) -> Any:
        return required(item, key, place, expected, f"{path}.{key}")

    fine_grained = f"{path}.fine-grained_score"
    return {
        "completion": as_optional_text(get("response", "the response"), f"{path}.response", place),
        "model": as_optional_text(get("model", "who wrote it"), f"{path}.model", place),
        "overall_score": as_optional_number(
            get("overall_score", "the judge's score"), f"{path}.overall_score", place
        ),
        "fine_grained_score": as_optional_number(item.get("fine-grained_score"), fine_grained, place),
        "critique": as_optional_text(item.get("critique"), f"{path}.critique", place),
        **_ratings(item.get("annotations"), f"{path}.annotations", place),
    }


def _ratings(annotations: Any, path: str, place: Place) -> dict[str, float | None]:
    """The rating of each aspect; null where there is none."""
    if annotations is None:
        return dict.fromkeys(ASPECTS)
    if not isinstance(annotations, dict):
        raise place.fault(path, annotations, f"an object with {', '.join(ASPECTS)}, or null")
    return {aspect: _rating(annotations.get(aspect), f"{path}.{aspect}", place) for aspect in ASPECTS}


def _rating(annotation: Any, path: str, place: Place) -> float | None:
    """One rating; it stands beside other fields in an object, alone, or in a list of one."""
    if isinstance(annotation, list) and len(annotation) == 1:
        annotation = annotation[0]
    if isinstance(annotation, dict):
        path = f"{path}.Rating"
        annotation = annotation.get("Rating")
    if annotation is None or annotation == "N/A":
        return None
    rating = math.nan
    if isinstance(annotation, str | int | float) and not isinstance(annotation, bool):
        try:
            rating = float(annotation)
        except (ValueError, OverflowError):
            rating = math.nan
    if not 1.0 <= rating <= 5.0:
        raise place.fault(path, annotation, 'a rating from "1" to "5", "N/A" or null')
    return rating
