"""The encoding of text files: UTF-8, with or without its mark; others are named, with how to convert them."""

from __future__ import annotations

import codecs
from pathlib import Path

from pipeline.errors import PipelineError

# UTF-32's little-endian mark begins with UTF-16's.
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# Every second byte of plain letters is zero in UTF-16.
_ZEROS_LOOKED_AT = 64


def without_mark(path: Path, head: bytes) -> bytes:
    """The beginning of a text file, UTF-8's byte order mark left out.

    Args:
        path: The file, for the error.
        head: Its first bytes.

    Raises:
        PipelineError: If the text is UTF-16 or UTF-32, by its mark or by its zero bytes.
    """
    for mark, name in _OTHER_MARKS:
        if head.startswith(mark):
            raise _other(path, name, f"the byte order mark of {name}", name)
    first = head[:_ZEROS_LOOKED_AT]
    for start, order in ((1, "LE"), (0, "BE")):
        zeros, letters = first[start::2], first[1 - start :: 2]
        if len(first) >= 4 and zeros.count(0) == len(zeros) and not letters.count(0):
            name = f"UTF-16{order}"
            raise _other(path, "UTF-16", "every second byte zero, as in UTF-16 without a mark", name)
    return head.removeprefix(codecs.BOM_UTF8)


def convert_hint(encoding: str) -> str:
    """How to make a file UTF-8, as an instruction."""
    return f"Convert the file: `iconv -f {encoding} -t UTF-8 OLD > NEW`"


def _other(path: Path, name: str, found: str, encoding: str) -> PipelineError:
    return PipelineError(
        f"A source file is {name}",
        file=path,
        found=found,
        expected="text in UTF-8",
        hint=convert_hint(encoding),
    )
