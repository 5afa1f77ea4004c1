"""JSON files in blocks of rows: an array of objects is read bit by bit, however long it is.

A file may also be one object that holds the rows (:mod:`pipeline.sources.json_documents`), or JSON Lines
under another name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.sources.blocks import BLOCK_BYTES, Block
from pipeline.sources.json_documents import document_blocks
from pipeline.sources.json_elements import elements
from pipeline.sources.jsonl import ELEMENT
from pipeline.sources.line_blocks import LineBlock, line_blocks
from pipeline.sources.raw_files import AGAIN, DAMAGED, LONGEST_ROW, Stream, damaged, open_stream, too_long

_STEP_BYTES = 1 << 16


def json_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """A JSON file's rows in blocks.

    Args:
        path: An array of objects, an object of rows or of columns, or JSON Lines.
        block_bytes: About how much text of an array is in a block.

    Raises:
        PipelineError: If the file is cut off or damaged, or is none of these.
        OSError: If it cannot be read.
    """
    first, is_lines = _beginning(path)
    if first == b"[":
        yield from _array_blocks(path, block_bytes)
    elif is_lines or not first:
        yield from line_blocks(path, block_bytes)
    else:
        yield from document_blocks(path)


def _beginning(path: Path) -> tuple[bytes, bool]:
    """The first byte that is not blank, and whether a whole object is the first of several lines."""
    held = b""
    with open_stream(path) as (stream, _):
        while True:
            data = _read(path, stream, max(_STEP_BYTES, len(held)), 0)
            held = (held + data).lstrip()
            line, newline, rest = held.partition(b"\n")
            if held[:1] == b"[" or not data or len(held) > LONGEST_ROW or (newline and rest.strip()):
                return held[:1], bool(rest.strip()) and _is_object(line)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _array_blocks(path: Path, block_bytes: int) -> Iterator[LineBlock]:
    count = 0
    wanted = block_bytes
    with open_stream(path) as (stream, file):
        held = b""
        while not held:
            held = _read(path, stream, block_bytes, 0).lstrip()
        held = held[1:]
        while True:
            data = _read(path, stream, wanted, count)
            found = elements(held + data)
            held = found.rest
            is_empty = found.has_ended and not count and found.whole == [b""]
            if found.whole and not is_empty:
                yield _block(path, found.whole, count + 1, file.tell())
                count += len(found.whole)
            if found.has_ended:
                _refuse_more(path, held + _read(path, stream, _STEP_BYTES, count), count)
                return
            if not data:
                raise _unending(path, count + 1, held)
            if len(held) > LONGEST_ROW:
                raise too_long(path, count + 1, ELEMENT)
            # What is scanned again is at most as much as what is new.
            wanted = max(block_bytes, len(held))


def _block(path: Path, whole: list[bytes], first: int, done: int) -> LineBlock:
    empty = next((place for place, element in enumerate(whole) if not element), None)
    if empty is not None:
        raise _fault(path, first + empty, "nothing between two commas, or behind the last one")
    lengths = np.array([len(element) for element in whole], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(lengths + 1)[:-1]))
    text = b"\n".join(whole) + b"\n"
    numbers = np.arange(first, first + len(whole))
    return LineBlock(path, text, starts, starts + lengths, numbers, done, ELEMENT)


def _read(path: Path, stream: Stream, size: int, count: int) -> bytes:
    try:
        return stream.read(size)
    except DAMAGED as error:
        raise damaged(path, count, error) from error


def _refuse_more(path: Path, rest: bytes, count: int) -> None:
    if rest.strip():
        raise _fault(path, f"after {count}", f"{_shown(rest)} behind the end of the array")


def _unending(path: Path, row: int, rest: bytes) -> PipelineError:
    """The error for an array without its end: what is wrong where its last element begins."""
    text = rest.decode("utf-8", "replace").lstrip()
    try:
        json.JSONDecoder().raw_decode(text)
        why = "the end of the file within the array"
    except (ValueError, RecursionError) as error:
        why = f"{error} in {_shown(rest)}" if text else "the end of the file within the array"
    return _fault(path, row, why, AGAIN + ", or correct it from that element on")


def _shown(text: bytes) -> str:
    return repr(text.strip()[:60].decode("utf-8", "replace"))


def _fault(path: Path, row: int | str, found: str, hint: str = "Correct the file there") -> PipelineError:
    return PipelineError(
        "A JSON file is not one whole array",
        file=path,
        row=row,
        found=found,
        expected="one array of objects, and nothing behind it",
        hint=hint,
    )
