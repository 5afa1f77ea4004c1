"""Raw rows from files: JSON Lines (plain, gzip, zstd) and Parquet, in batches, each row with its number."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pipeline.errors import PipelineError

Row = dict[str, Any]
Batch = list[tuple[int, Row]]

EXTENSIONS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
BATCH_ROWS = 1000

_REPAIR = "Correct that line, or take it out, and run the stage again"
_AGAIN = "Copy or download the file again"


def read_rows(path: Path, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """Yield a file's rows in order, as lists of (1-based row or line number, row).

    Lines of whitespace only are no rows; they count as lines.

    Args:
        path: A ``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst`` or ``.parquet`` file.
        batch_rows: Most rows per list.

    Raises:
        PipelineError: If the file is missing, empty, cut off, of another kind, or a line is not one JSON
        object
            in UTF-8; with the file, the row and what was found there.
    """
    if not path.name.endswith(EXTENSIONS):
        raise PipelineError(
            "A source file is of an unknown kind",
            file=path,
            found=path.suffix or "no extension",
            expected=f"one of {', '.join(EXTENSIONS)}",
            hint="Convert it, or correct source.path in params.yaml",
        )
    if not path.is_file():
        raise PipelineError(
            "A source file is missing",
            file=path,
            found="a folder" if path.is_dir() else "nothing there",
            hint="Correct source.path in params.yaml; paths are relative to the project's top folder",
        )
    rows = _parquet_rows(path, batch_rows) if path.suffix == ".parquet" else _json_rows(path)
    yield from _batched(path, rows, batch_rows)


def _batched(path: Path, rows: Iterator[tuple[int, Row]], size: int) -> Iterator[Batch]:
    batch: Batch = []
    empty = True
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
            empty = False
    if batch:
        yield batch
    elif empty:
        raise PipelineError("A source file has no rows", file=path, expected="at least one row", hint=_AGAIN)


# --- JSON Lines ---------------------------------------------------------------------------------------


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    try:
        with _open(path) as handle:
            for number, line in enumerate(handle, start=1):
                if line.strip():
                    yield number, _parse(path, number, line)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise PipelineError(
            "A compressed source file is cut off or damaged",
            file=path,
            row=f"after {number}",
            found=str(error),
            expected="a whole .gz or .zst file",
            hint=_AGAIN,
        ) from error


def _open(path: Path) -> gzip.GzipFile | IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zst":
        return io.BufferedReader(_WholeZstd(path))
    return path.open("rb")


class _WholeZstd(io.RawIOBase):
    """A zstd stream; zstandard's own reader takes a file cut off inside a frame for a whole one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the stream; 0 at its end.

        Raises:
            EOFError: If the file ends inside a frame.
            zstandard.ZstdError: If the bytes are not zstd.
        """
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._inside = False
            data = data or self._file.read(1 << 16)
            if not data:
                if self._inside:
                    raise EOFError("the file ends in the middle of a zstd frame")
                return 0
            self._inside = True
            self._ready = memoryview(self._frame.decompress(data))
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def close(self) -> None:
        """Close the file beneath."""
        self._file.close()
        super().close()


class _Refused(ValueError):
    """A value JSON itself has no word for, or says twice."""


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"the constant {name}, which is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Refused(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice in one object")
    return row


def _parse(path: Path, number: int, line: bytes) -> Row:
    """One line as an object."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PipelineError(
            "A line is not UTF-8",
            file=path,
            row=number,
            found=f"byte 0x{line[error.start]:02x} at {error.start + 1}",
            expected="text in UTF-8",
            hint="Convert the file, e.g. with `iconv -t UTF-8`",
        ) from error
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique_keys)
    except _Refused as error:
        raise _not_json(path, number, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _not_json(path, number, f"{error} in {text[:100]!r}") from error
    if not isinstance(value, dict):
        raise _not_json(path, number, f"{type(value).__name__}: {text[:100]}")
    # JSON can escape half of a surrogate pair, which is no character and has no UTF-8.
    if b"\\ud" in line or b"\\uD" in line:
        _refuse_surrogates(path, number, value)
    return value


def _not_json(path: Path, number: int, found: str) -> PipelineError:
    return PipelineError(
        "A line is not one JSON object",
        file=path,
        row=number,
        found=found,
        expected="one JSON object per line",
        hint=_REPAIR,
    )


def _refuse_surrogates(path: Path, number: int, row: Row) -> None:
    for column, value in row.items():
        try:
            json.dumps({column: value}, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise PipelineError(
                "A text holds half of a surrogate pair",
                file=path,
                row=number,
                column=column.encode("ascii", "backslashreplace").decode(),
                found=f"\\u{ord(error.object[error.start]):04x}",
                expected="whole characters",
                hint=_REPAIR,
            ) from error


# --- Parquet ------------------------------------------------------------------------------------------


def _parquet_rows(path: Path, batch_rows: int) -> Iterator[tuple[int, Row]]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=batch_rows):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise PipelineError(
            "A source file is not whole Parquet",
            file=path,
            row=f"after {number}",
            found=str(error),
            expected="a Parquet file",
            hint=_AGAIN,
        ) from error
