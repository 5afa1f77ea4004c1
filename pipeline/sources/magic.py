"""What a file's first bytes say it is, where its name says something else."""

from __future__ import annotations

import codecs
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.sources.formats import Format

HEAD_BYTES = 512
"""How much of a file's beginning is looked at."""

_TEXT = "plain text"
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\xff\xff\xff\xff", "Arrow"),
    (b"FEA1", "Feather of version 1"),
    (b"PK\x03\x04", "a zip archive (or a sheet of Excel)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"SQLite format 3", "an SQLite database"),
)
_POINTER = "a pointer of Git LFS, not the file itself"
_WEB_PAGES = (b"<!doctype html", b"<html")
_HINTS = {
    "gzip": "Let its name end in .gz",
    "zstd": "Let its name end in .zst",
    "Parquet": "Let its name end in .parquet",
    "Arrow": "Let its name end in .arrow",
    "Feather of version 1": "Write it again as Parquet or as Feather of version 2",
    "a Python pickle": "It is never opened, as opening it can run code: write JSON Lines or Parquet",
    _POINTER: "Fetch the file with `git lfs pull`",
    "a web page": "Download the file itself; a page often asks for a login",
    _TEXT: "Let its name say what it is, such as .jsonl or .csv",
}
_NAMES = {
    "parquet": "Parquet",
    "arrow": "Arrow",
    "jsonl": "text",
    "json": "text",
    "csv": "text",
    "tsv": "text",
}
_PACKED = {"gz": "gzip", "zst": "zstd"}


def recognised(head: bytes) -> str | None:
    """What a file that begins with these bytes is; None if they do not tell."""
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head.startswith(b"version https://git-lfs"):
        return _POINTER
    if head.lstrip()[:20].lower().startswith(_WEB_PAGES):
        return "a web page"
    # Before the others: a column may be called PAR1.
    if head and _is_text(head):
        return _TEXT
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bzip2"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _is_text(head: bytes) -> bool:
    """Whether bytes are UTF-8, perhaps cut off within a letter, without control characters."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter >= " " or letter in "\t\r\n" for letter in text)


def check_content(path: Path, kind: Format, head: bytes, is_unpacked: bool) -> None:
    """Refuse a file that is surely not what its name says.

    Args:
        path: The file.
        kind: What its name says.
        head: Its first bytes, :data:`HEAD_BYTES` of them if it has as many.
        is_unpacked: Whether they are what came out of the compressed file.

    Raises:
        PipelineError: With what the bytes say it is.
    """
    found = recognised(head)
    expected = _PACKED[kind.packing] if kind.packing and not is_unpacked else _NAMES[kind.kind]
    if found is None or found == expected or (found == _TEXT and expected == "text"):
        return
    inside = " inside" if is_unpacked and kind.packing else ""
    raise PipelineError(
        "A source file is not what its name says",
        file=path,
        found=found + inside,
        expected=f"{expected}{inside}, as its name ends in {''.join(path.suffixes[-2:])}",
        hint=_HINTS.get(found, "Unpack or convert it first"),
    )
