"""What check found as one JSON object, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.inspection.findings import Findings
from pipeline.inspection.lengths import TokenFindings
from pipeline.inspection.trial import Trial
from pipeline.params import TokenizeParams
from pipeline.sources.layout import Layout


def to_json(found: Findings, params: TokenizeParams) -> dict[str, Any]:
    """The object that ``check --json`` writes; every key is there whatever went wrong.

    ``rows`` is ``usable`` and what ``dropped`` counts, together.

    Args:
        found: What was found.
        params: The section ``tokenize``.
    """
    return {
        "kind": found.kind,
        "would_run": found.would_run,
        "stops": [error.paragraph() for error in found.stops],
        "files": [asdict(file) for file in found.files],
        "rows": found.rows,
        "usable": found.usable,
        "dropped": {defect.reason: defect.rows for defect in found.defects},
        "first_rows": {
            defect.reason: [{"file": file, "row": row} for file, row in defect.first]
            for defect in found.defects
        },
        "errors": [asdict(error) for error in found.errors],
        **_layout(found.layout),
        "tokens": _tokens(found.tokens, found.tokenizer, params),
        "filters": _trial(found.trial, found.tried_of),
        "estimates": {
            each.stage: {
                "seconds": None if each.seconds is None else round(each.seconds, 1),
                "memory_bytes": each.memory_bytes,
                "basis": each.basis,
            }
            for each in found.estimates
        },
        "observations": list(found.observations),
        "changes": [asdict(change) for change in found.changes],
    }


def _layout(layout: Layout | None) -> dict[str, Any]:
    if layout is None:
        return {"columns": {}, "why": {}, "notes": []}
    plain = layout.as_lineage()
    return {"columns": plain["fields"], "why": plain["why"], "notes": plain["notes"]}


def _tokens(tokens: TokenFindings | None, tokenizer: str | None, params: TokenizeParams) -> dict[str, Any]:
    limits = {
        "tokenizer": tokenizer,
        "max_length": params.max_length,
        "max_prompt_length": params.max_prompt_length,
        "truncation": params.truncation,
    }
    if tokens is None:
        return {**limits, "pairs": 0, "percentiles": {}, "over_max_length": 0, "dropped": {}, "cut": 0}
    return {
        **limits,
        "pairs": tokens.pairs,
        "percentiles": tokens.percentiles(),
        "over_max_length": tokens.over(params.max_length),
        "dropped": dict(tokens.dropped),
        "cut": tokens.cut,
        "noted": dict(tokens.notes),
    }


def _trial(trial: Trial | None, tried_of: int) -> dict[str, Any]:
    if trial is None:
        return {"sampled_rows": 0, "of_rows": tried_of, "stages": {}, "notes": []}
    return {
        "sampled_rows": trial.rows,
        "of_rows": tried_of,
        "stages": {
            stage.stage: {
                "unit_in": stage.unit,
                "in": stage.taken,
                "kept": stage.kept,
                "dropped": stage.dropped,
            }
            for stage in trial.stages
        },
        "notes": list(trial.notes),
    }
