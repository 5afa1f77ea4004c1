"""What somebody asks of ``init``, by flags or answers, and the params it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.params import parse_yaml, project_path
from pipeline.recipes import Overlay, merge, parse_settings

_ON_THE_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>\S+))?", flags=re.ASCII)

DEFAULT_MODEL = "wheel"
"""The word for the model that comes as a Python package."""


@dataclass(frozen=True)
class Wishes:
    """What is asked for; None and empty where nothing is, so that the data or a default decides.

    Attributes:
        kind: For ``source.kind``.
        paths: For ``source.path``, as given.
        hub_repo: For ``source.hub.repo``.
        revision: For ``source.hub.revision``.
        split: For ``source.hub.split``.
        model: A model directory, ``owner/name@revision`` on the hub, or :data:`DEFAULT_MODEL`.
        max_length: For ``tokenize.max_length``, as typed.
        lambda_: For ``train.lambda``, as typed.
        columns: ``role=column`` texts for ``source.columns``.
        settings: ``dotted.key=value`` texts for any key.
    """

    kind: str | None = None
    paths: Sequence[str] = ()
    hub_repo: str | None = None
    revision: str | None = None
    split: str | None = None
    model: str | None = None
    max_length: str | None = None
    lambda_: str | None = None
    columns: Sequence[str] = ()
    settings: Sequence[str] = ()


def overlay_of(wishes: Wishes, faults: list[str]) -> Overlay:
    """The keys of ``params.yaml`` that wishes set, not validated.

    Args:
        wishes: What is asked for.
        faults: Takes what cannot be read, as ``key: what``; such a wish is left out.
    """
    source = {
        "kind": wishes.kind,
        "path": _one_or_all(wishes.paths),
        "columns": _columns(wishes.columns, faults),
        "hub": _given({"repo": wishes.hub_repo, "revision": wishes.revision, "split": wishes.split}),
    }
    overlay: Overlay = {
        "source": _given(source),
        "model": _model(wishes.model, faults),
        "tokenize": _given({"max_length": _number(wishes.max_length)}),
        "train": _given({"lambda": _number(wishes.lambda_)}),
    }
    if wishes.paths and wishes.hub_repo is not None:
        faults.append("source: a path and a hub repository are both given: give one of the two")
    try:
        overlay = merge(overlay, parse_settings(wishes.settings))
    except PipelineError as error:
        faults.append(f"setting: {error}")
    return _given(overlay)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != {}}


def _one_or_all(paths: Sequence[str]) -> str | list[str] | None:
    if not paths:
        return None
    return paths[0] if len(paths) == 1 else list(paths)


def _number(text: str | None) -> Any:
    """What was typed as YAML reads it, or as it is: whether it is a number is for the params to say."""
    if text is None:
        return None
    try:
        return float(text) if re.fullmatch(r"[-+.\d]+[eE][-+]?\d+", text) else parse_yaml(text, "a flag")
    except PipelineError:
        return text


def _columns(columns: Sequence[str], faults: list[str]) -> dict[str, Any]:
    """Column of each role; a list of columns in brackets."""
    found: dict[str, Any] = {}
    for text in columns:
        role, equals, column = text.partition("=")
        if not equals or not role or not column:
            faults.append(f"source.columns: found {text!r}, expected: role=column")
        elif column.startswith("[") and column.endswith("]"):
            found[role] = [name.strip() for name in column[1:-1].split(",")]
        else:
            found[role] = column
    return found


def _model(model: str | None, faults: list[str]) -> dict[str, Any]:
    if model is None:
        return {}
    if model == DEFAULT_MODEL:
        return {"source": "wheel"}
    if project_path(model).is_dir():
        return {"source": "path", "path": model}
    on_the_hub = _ON_THE_HUB.fullmatch(model)
    if on_the_hub is None:
        faults.append(
            f"model: found {model!r}, expected: a model directory, or owner/name@revision on the hub"
        )
        return {}
    if on_the_hub["revision"] is None:
        faults.append(f"model.hub: {model} needs a revision so that it cannot change: {model}@COMMIT")
        return {}
    return {"source": "hub", "hub": {"repo": on_the_hub["repo"], "revision": on_the_hub["revision"]}}


def place_of(text: str) -> Wishes:
    """What a person means who was asked where the rows are.

    Nothing is the generated sample, ``owner/name`` that is no file or folder here is a dataset on the hub
    (``owner/name@revision`` names its commit too), all else a path.
    """
    text = text.strip()
    if not text:
        return Wishes(kind="sample")
    on_the_hub = _ON_THE_HUB.fullmatch(text)
    if on_the_hub is None or Path(text).exists() or Path(text).suffix in _ENDINGS:
        return Wishes(paths=[text])
    return Wishes(hub_repo=on_the_hub["repo"], revision=on_the_hub["revision"])


_ENDINGS = frozenset(
    {".jsonl", ".ndjson", ".json", ".parquet", ".arrow", ".feather", ".csv", ".tsv", ".gz", ".zst"}
)
"""Names that end so are meant as files, also where there is none."""
