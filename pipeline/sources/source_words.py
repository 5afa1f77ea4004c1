"""How a source was understood, in lines of text: what ``check`` shows and ``pull`` says first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.sources.formats import format_of
from pipeline.sources.private.understood import Layout
from pipeline.visible import visible

_FORMATS = {
    "jsonl": "JSON Lines",
    "json": "JSON",
    "csv": "CSV",
    "tsv": "TSV",
    "parquet": "Parquet",
    "arrow": "Arrow",
}
_PACKINGS = {"": "", "gz": ", gzip", "zst": ", zstd"}
_FEW_FILES = 8


@dataclass(frozen=True)
class FileFacts:
    """One file of a source.

    Attributes:
        name: What tables call it.
        format: In words, such as ``JSON Lines, gzip``.
        bytes: Its size.
        rows: How many rows were read of it; None: not counted.
    """

    name: str
    format: str
    bytes: int
    rows: int | None = None


def file_facts(files: Mapping[str, Path]) -> list[FileFacts]:
    """What is to say of files before they are read.

    Args:
        files: Name (as tables record it) to path, in order.

    Raises:
        PipelineError: If a name does not say what the file is.
        OSError: If a file is not there.
    """
    return [FileFacts(name, _format(path), path.stat().st_size) for name, path in files.items()]


def understood_lines(kind: str | None, files: Sequence[FileFacts], layout: Layout | None) -> list[str]:
    """What a source is taken for; nothing in the lines steers a terminal.

    Args:
        kind: Its kind; None: it cannot be told.
        files: Its files, in order.
        layout: Which field is which, and why; None: a known dataset's own.
    """
    why = {} if layout is None else layout.why
    lines = [f"source.kind: {kind or 'cannot be told'}" + _because(why.get("kind"))]
    lines += [_file(file) for file in files[:_FEW_FILES]]
    if rest := files[_FEW_FILES:]:
        lines.append(f"  and {len(rest)} files more, {sum(file.bytes for file in rest):,} bytes")
    if layout is not None:
        lines += _fields(layout)
    return [visible(line) for line in lines]


def _fields(layout: Layout) -> Iterator[str]:
    """Field by field what it is read as; what else was seen; what a person should know."""
    width = max(map(len, layout.fields), default=0)
    for role, columns in layout.fields.items():
        names = columns if isinstance(columns, str) else ", ".join(columns)
        yield f"  {role:<{width}} <- {names}{_because(layout.why.get(role))}"
    for about, reason in layout.why.items():
        if about not in layout.fields and about != "kind":
            yield f"  {about}: {reason}"
    for note in layout.notes:
        yield f"  {note}"


def _because(reason: str | None) -> str:
    return f"  ({reason})" if reason else ""


def _file(file: FileFacts) -> str:
    counted = "" if file.rows is None else f", {file.rows:,} rows"
    return f"  {file.name}: {file.format}, {file.bytes:,} bytes{counted}"


def _format(path: Path) -> str:
    found = format_of(path)
    return _FORMATS[found.kind] + _PACKINGS[found.packing]
