"""Raw files as streams of bytes: plain, gzip and zstd, refused where they are cut off, damaged or bombs."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

from pipeline.errors import PipelineError
from pipeline.sources.encodings import without_mark
from pipeline.sources.formats import Format, format_of
from pipeline.sources.magic import HEAD_BYTES, check_content

AGAIN = "Copy or download the file again"
"""What to do about a damaged file."""

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a damaged compressed file raises."""

LONGEST_ROW = 64 << 20
"""Bytes of text that one row may have: a line, or an object of a JSON array. Nothing longer is held."""

BOMB_BYTES = 1 << 30
"""Bytes that any compressed file may unpack to."""

BOMB_RATIO = 200
"""How many times its own size a larger one may unpack to; rows of text come to 3 to 50 times."""


class Stream(Protocol):
    """Bytes that can be read from the beginning to the end."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, as many as asked for (the first time, some more); fewer only at the end."""


def check_file(path: Path) -> None:
    """Refuse what is no file of a known kind.

    Raises:
        PipelineError: If the name has no known extension, no file is there, or its first bytes are those of
            another kind than its name says.
        OSError: If it cannot be read.
    """
    kind = format_of(path)
    if not path.is_file():
        raise PipelineError(
            "A source file is missing",
            file=path,
            found="a folder" if path.is_dir() else "nothing there",
            hint="Correct source.path in params.yaml; paths are relative to the project's top folder",
        )
    with path.open("rb") as file:
        check_content(path, kind, file.read(HEAD_BYTES), is_unpacked=False)


def no_rows(path: Path) -> PipelineError:
    """The error for a file without rows."""
    return PipelineError("A source file has no rows", file=path, expected="at least one row", hint=AGAIN)


def damaged(path: Path, rows: int, error: Exception) -> PipelineError:
    """The error for a compressed file that ends early or is not what its name says.

    Args:
        path: The file.
        rows: How many whole rows or lines it gave before.
        error: What the decompressor said.
    """
    return PipelineError(
        "A compressed source file is cut off or damaged",
        file=path,
        row=f"after {rows}",
        found=str(error),
        expected="a whole .gz or .zst file",
        hint=AGAIN,
    )


def not_whole(path: Path, what: str, rows: int, error: Exception) -> PipelineError:
    """The error for a file that is cut off, or not of the format that its name says.

    Args:
        path: The file.
        what: The format.
        rows: How many rows it gave before.
        error: What its reader said.
    """
    return PipelineError(
        f"A source file is not whole {what}",
        file=path,
        row=f"after {rows}",
        found=str(error),
        expected=f"{what}, from its beginning to its end",
        hint=AGAIN,
    )


def too_long(path: Path, row: int, what: str) -> PipelineError:
    """The error for a row of which more than :data:`LONGEST_ROW` bytes were read without its end.

    Args:
        path: The file.
        row: The row's number.
        what: What it is, such as ``"line"``.
    """
    return PipelineError(
        f"A {what} is too long",
        file=path,
        row=row,
        found=f"no end after {LONGEST_ROW >> 20} MB",
        expected=f"at most {LONGEST_ROW >> 20} MB in each row",
        hint="Check that the file is what its name says, or shorten the row",
    )


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[Stream, IO[bytes]]]:
    """A file's text as a stream, and the file itself, whose position tells how far it has been read.

    A byte order mark of UTF-8 at the beginning is left out.

    Raises:
        OSError: If the file cannot be opened. Reading may raise any of :data:`DAMAGED`, and PipelineError if
            the text is UTF-16 or UTF-32, if something else than text was packed, or if the file unpacks to
            more than :data:`BOMB_BYTES` and :data:`BOMB_RATIO` times its size.
    """
    kind = format_of(path)
    with path.open("rb") as file:
        if kind.packing == "gz":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield _Text(path, kind, unpacked, file), file
        else:
            yield _Text(path, kind, _Zstd(file) if kind.packing else file, file), file


class _Text:
    """A stream of text: looked at when it begins, and counted while it is unpacked."""

    def __init__(self, path: Path, kind: Format, stream: Stream, file: IO[bytes]) -> None:
        self._path, self._kind, self._stream, self._file = path, kind, stream, file
        self._count = 0

    def read(self, size: int = -1, /) -> bytes:
        begins = self._count == 0
        data = self._stream.read(max(size, HEAD_BYTES) if begins and size >= 0 else size)
        self._count += len(data)
        if begins:
            check_content(self._path, self._kind, data[:HEAD_BYTES], is_unpacked=True)
            return without_mark(self._path, data)
        if self._kind.packing and self._count > BOMB_BYTES:
            self._refuse_bomb()
        return data

    def _refuse_bomb(self) -> None:
        packed = self._file.tell()
        if self._count > BOMB_RATIO * packed:
            raise PipelineError(
                "A compressed source file unpacks to far more than rows of text do",
                file=self._path,
                found=f"{self._count >> 20} MB out of {packed >> 10} KB",
                expected=f"at most {BOMB_RATIO} times its size, or {BOMB_BYTES >> 20} MB",
                hint="If it is what it should be, unpack it and name the unpacked file",
            )


class _Zstd:
    """A zstd stream of one or more frames, unpacked little by little however much a frame holds."""

    def __init__(self, file: IO[bytes]) -> None:
        # Not zstandard's reader, which takes a file that is cut off inside a frame for a whole one.
        self._stream: Any = pa.CompressedInputStream(pa.PythonFile(_Kept(file), "r"), "zstd")

    def read(self, size: int = -1, /) -> bytes:
        try:
            return bytes(self._stream.read(size if size >= 0 else None))
        except OSError as error:
            if error.errno is not None:
                raise
            raise EOFError(str(error)) from error


class _Kept(io.RawIOBase):
    """A file that Arrow may read but not close: its position is asked for afterwards."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)
