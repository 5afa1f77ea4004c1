"""Atomic writes and content hashes: a killed stage leaves the old artifact or none, never half of one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash

from pipeline.errors import PipelineError
from pipeline.locks import locked
from pipeline.os_faults import name_target, os_error_in

FILE_WAIT = 10.0
"""Seconds to wait while another process writes the same file."""


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_id(*parts: str) -> str:
    """A 64-bit id of the parts, in order, as 16 hex digits.

    It is the beginning of the SHA-256 of the parts' XXH3 hashes: each part is hashed alone, so that
    ``("ab", "c")`` and ``("a", "bc")`` differ. :func:`pipeline.texts.content_ids` gives the same for columns.
    """
    hashes = ",".join(str(xxhash.xxh3_64_intdigest(part.encode("utf-8", "surrogatepass"))) for part in parts)
    return hashlib.sha256(hashes.encode()).hexdigest()[:16]


def canonical_json(value: object) -> str:
    """Compact JSON with sorted keys: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a fresh folder to fill; on success it replaces ``target`` whole, on failure it is removed.

    The folder being filled is ``<target>.partial`` beside the target, so both lie on one file system and the
    last step is a rename. What an earlier, killed run left there is removed first. A target that existed is
    moved to ``<target>.old`` for the moment between the two renames, and is put back if that is where a
    killed run stopped. One process at a time fills it.

    Raises:
        PipelineError: If another process is writing the same target.
        OSError: If the folder cannot be written (disk full, read-only), by whatever library.
    """
    partial = target.with_name(target.name + ".partial")
    old = target.with_name(target.name + ".old")
    with _os_errors_name(target), locked(partial, "Another process is writing this"):
        _put_back(old, target)
        _remove(partial)
        partial.mkdir()
        try:
            yield partial
            for path in partial.rglob("*"):
                _sync(path)
            _sync(partial)
            if target.exists():
                target.rename(old)
            partial.rename(target)
            _sync(target.parent)
            _remove(old)
        except BaseException:
            _remove(partial)
            _put_back(old, target)
            raise


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Give a path to write; on success it replaces ``target`` in one rename, on failure it is removed.

    One process at a time writes it; a second one waits up to :data:`FILE_WAIT` seconds.

    Raises:
        PipelineError: If another process is writing the same target for longer than that.
        OSError: If the file cannot be written, by whatever library.
    """
    partial = target.with_name(target.name + ".partial")
    with _os_errors_name(target), locked(partial, "Another process is writing this", FILE_WAIT):
        try:
            yield partial
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _put_back(old: Path, target: Path) -> None:
    """Undo a replacement that stopped between its two renames; remove the old folder where it was done."""
    if old.exists():
        if target.exists():
            _remove(old)
        else:
            old.rename(target)


@contextmanager
def _os_errors_name(target: Path) -> Iterator[None]:
    """Have what the operating system refuses be an OSError that names the artifact, not a temporary file."""
    try:
        yield
    except Exception as error:
        refused = None if isinstance(error, PipelineError) else os_error_in(error)
        if refused is None:
            raise
        name_target(refused, str(target), str(target.with_name(target.name + ".partial")))
        if refused is error:
            raise
        raise refused from error


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) atomically."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically, ending in a newline; key order is the value's own.

    Raises:
        ValueError: If the value holds NaN or infinity, which JSON has no word for.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: If the file cannot be read.
        json.JSONDecodeError: If it is not JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))
