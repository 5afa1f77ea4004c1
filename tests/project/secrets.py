"""Secrets that tests plant in the environment, and the search for them in whatever a run left."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import zstandard

# In two pieces, for copies of the project hold this file.
MARK = "planted" + "5ecret"

SECRETS = {
    name: f"{MARK}-{name.lower().replace('_', '-')}"
    for name in (
        "HF_TOKEN",
        "ARGILLA_API_KEY",
        "OPENAI_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "WANDB_API_KEY",
        "TEST_JUDGE_KEY",
    )
}
"""Environment variables with secrets in them, each recognisable."""


def leaks(folder: Path) -> list[str]:
    """The files below a folder that hold a planted secret, in their bytes or in what these decompress to."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and any(MARK.encode() in content for content in _contents(path))
    )


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes as they are, and unpacked; by its first bytes, for DVC's cache knows no endings."""
    content = path.read_bytes()
    yield content
    if content.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(content))
        yield str(table.to_pylist()).encode()
        yield repr(table.schema.metadata).encode()
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        yield zstandard.ZstdDecompressor().stream_reader(content).read()
