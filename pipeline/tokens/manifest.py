"""The manifest beside token shards: what made them, and what each holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import read_json, write_json

SHARD_VERSION = 3
MANIFEST = "manifest.json"


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: the shard version and ``facts``, among them ``splits`` with their shards."""
    write_json(folder / MANIFEST, {"shard_version": SHARD_VERSION, **facts})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a shard set.

    Raises:
        PipelineError: If it is missing, is not a JSON object, or is of another version.
    """
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
    except FileNotFoundError as error:
        raise PipelineError(
            "There is no shard set", file=path, hint="Run `dvc repro tokenize`, which makes it"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PipelineError(
            "The shards' manifest cannot be read",
            file=path,
            found=str(error),
            hint="Run `dvc repro --force tokenize`",
        ) from error
    version = manifest.get("shard_version") if isinstance(manifest, dict) else None
    if version != SHARD_VERSION:
        raise PipelineError(
            "The shards are of another version",
            file=path,
            column="shard_version",
            found=str(version),
            expected=str(SHARD_VERSION),
            hint="Run `dvc repro --force tokenize`",
        )
    return dict(manifest)


def check_fingerprints(manifest: Mapping[str, Any], folder: Path, tokenizer: str, template: str) -> None:
    """Check that shards were made with a model's own tokenizer and template.

    Args:
        manifest: The shards'.
        folder: The model's, for the error.
        tokenizer: Fingerprint of the model's tokenizer.
        template: Fingerprint of its chat template.

    Raises:
        PipelineError: If either differs.
    """
    for column, found in (("tokenizer_sha256", tokenizer), ("template_sha256", template)):
        if manifest.get(column) != found:
            raise PipelineError(
                "The shards were made with another tokenizer or chat template than the model's",
                file=folder,
                column=column,
                found=found,
                expected=str(manifest.get(column)),
                hint="Run `dvc repro tokenize`",
            )
