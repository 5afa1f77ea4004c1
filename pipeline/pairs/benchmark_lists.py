"""Lists of benchmark prompts from JSON Lines files: every item with its id, ready to be searched for."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import zstandard

from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.json_lines import json_objects
from pipeline.params import BenchmarkParams, project_path

PROMPT_FIELDS = ("prompt", "instruction", "question", "turns")
"""Where a prompt is looked for when params name no field; the first one that a list's first item has."""

ID_FIELDS = ("id", "key", "question_id")
"""Where an id is looked for when params name no field; without any, the line's number is the id."""

_KEY = "decontaminate.benchmarks"
_ITEMS = {"item": pl.UInt32, "benchmark": pl.String, "item_id": pl.String, "text": pl.String}


@dataclass(frozen=True)
class Benchmarks:
    """The benchmarks that training prompts are compared with.

    Attributes:
        names: The benchmarks, in the order of params.
        items: One row per prompt, or per turn of a prompt of several: ``item`` (its number, from 0),
            ``benchmark``, ``item_id`` (with ``#1``, ``#2`` for turns) and ``text``, as it stands in the list.
        files: Per benchmark its name, its file's bare name and SHA-256, and how many items it has: lineage.
    """

    names: tuple[str, ...]
    items: pl.DataFrame
    files: list[dict[str, Any]]


def read_benchmarks(lists: Sequence[BenchmarkParams]) -> Benchmarks:
    """Read every list that params name.

    Raises:
        PipelineError: If a file is missing, empty or damaged, a line is not a JSON object, an item lacks its
            prompt or id or has one of the wrong type, or two items share an id; with file, row and field.
    """
    items: list[tuple[str, str, str]] = []
    files: list[dict[str, Any]] = []
    for listed in lists:
        path = project_path(listed.path)
        found = list(_items(listed, path))
        items += found
        files.append(
            {"benchmark": listed.name, "name": path.name, "sha256": sha256_file(path), "items": len(found)}
        )
    rows = [(number, *item) for number, item in enumerate(items)]
    names = tuple(listed.name for listed in lists)
    return Benchmarks(names, pl.DataFrame(rows, schema=_ITEMS, orient="row"), files)


def _items(listed: BenchmarkParams, path: Path) -> Iterator[tuple[str, str, str]]:
    """Benchmark, item id and text of every item of a list."""
    prompt_field, id_field = listed.prompt, listed.id
    lines: dict[str, int] = {}
    for line, row in _rows(path):
        if not lines:
            prompt_field = prompt_field or _first(PROMPT_FIELDS, row)
            id_field = id_field or _first(ID_FIELDS, row)
            if prompt_field is None:
                expected = f"one of {', '.join(PROMPT_FIELDS)}, or decontaminate.benchmarks.prompt in params"
                raise _fault(path, line, None, f"the fields {', '.join(row)}", expected)
        item_id = str(line) if id_field is None else _id(row, id_field, path, line)
        if item_id in lines:
            raise _fault(path, line, id_field, f"{item_id}, as in row {lines[item_id]}", "each id once")
        lines[item_id] = line
        for turn, text in _turns(row, str(prompt_field), path, line):
            yield listed.name, item_id + turn, text
    if not lines:
        raise _fault(path, None, None, "no rows", "at least one item")


def _first(names: Iterable[str], row: dict[str, Any]) -> str | None:
    return next((name for name in names if name in row), None)


def _id(row: dict[str, Any], field: str, path: Path, line: int) -> str:
    value = row.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise _fault(path, line, field, _described(row, field), "the item's id, a text or a whole number")
    return str(value)


def _turns(row: dict[str, Any], field: str, path: Path, line: int) -> Iterator[tuple[str, str]]:
    """The texts of a prompt, each with what its turn adds to the id."""
    value = row.get(field)
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise _fault(
            path, line, field, _described(row, field), "the prompt, a text or a list of turns, none blank"
        )
    for turn, text in enumerate(texts, start=1):
        yield f"#{turn}" if isinstance(value, list) else "", text


def _described(row: dict[str, Any], field: str) -> str:
    if field not in row:
        return f"the fields {', '.join(row) or 'none'}"
    return json.dumps(row[field], ensure_ascii=False)


def _fault(path: Path, line: int | None, field: str | None, found: str, expected: str) -> PipelineError:
    return PipelineError(
        "A benchmark list is not as it should be",
        file=path,
        row=line,
        column=field,
        key=_KEY,
        found=found,
        expected=expected,
        hint="Correct the list, or name its fields under decontaminate.benchmarks in params.yaml",
    )


# --- JSON Lines, plain or compressed ----------------------------------------------------------------------


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their line numbers; lines of whitespace are none, but count."""

    def fault(line: int, found: str, expected: str) -> PipelineError:
        return _fault(path, line, None, found, expected)

    return json_objects(_content(path), fault)


def _content(path: Path) -> bytes:
    """A whole file, unpacked; benchmark lists are small."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PipelineError(
            "A benchmark list cannot be read",
            file=path,
            key=_KEY,
            found=error.strerror,
            expected="a JSON Lines file (.jsonl, .jsonl.gz, .jsonl.zst)",
            hint="Correct its path in params.yaml; paths are relative to the project's top folder",
        ) from error
    try:
        if path.suffix == ".gz":
            return gzip.decompress(data)
        return _unpacked(data) if path.suffix == ".zst" else data
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise _fault(path, None, None, str(error), "a whole .gz or .zst file") from error


def _unpacked(data: bytes) -> bytes:
    """All zstd frames of a file; zstandard's own reader takes a frame that is cut off for a whole one."""
    parts = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        parts.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("the file ends in the middle of a zstd frame")
        data = frame.unused_data
    return b"".join(parts)
