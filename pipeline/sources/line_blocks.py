"""JSON Lines in blocks of whole lines, parsed by Arrow wherever a line is surely what Arrow takes it for.

Lines that Arrow could take for something else by how they begin, end or nest are found here and left to the
strict reader; :mod:`pipeline.sources.typed_lines` has the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.blocks import BLOCK_BYTES, Typed
from pipeline.sources.jsonl import LINE, Row, parse_line
from pipeline.sources.raw_files import DAMAGED, LONGEST_ROW, damaged, open_stream, too_long
from pipeline.sources.shapes import Shape
from pipeline.sources.typed_lines import Lines, halved

# Little enough to say, of a file that is cut off, nearly where.
_STEP_BYTES = 1 << 16

# Millions of blank lines, as of a file that unpacks to nothing else, would each take memory.
_MOST_LINES = 1 << 18

# Python's own reader gives up at some thousand levels; so many opening brackets are needed to get there.
_MOST_BRACKETS = 400


@dataclass(frozen=True)
class LineBlock:
    """Whole lines of one file, or elements of a JSON array, one on each line.

    Attributes:
        path: The file.
        text: The lines' bytes, each with its end; the last line of a file may lack it.
        starts: Where each line starts in ``text``.
        ends: Where it ends, its newline left out.
        numbers: Each line's number in the file, from 1; or the element's in the array.
        done: Bytes of the file (as it lies on the disk) read so far.
        named: What a line is, for errors.
    """

    path: Path
    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    done: int
    named: str = LINE

    def row(self, place: int) -> Row | None:
        """One line as a row, strictly; None for a blank one.

        Raises:
            RowFault: If the line is not one JSON object in UTF-8.
        """
        line = self.text[self.starts[place] : self.ends[place]]
        return parse_line(self.path, int(self.numbers[place]), line, self.named)

    def raw(self, place: int) -> bytes:
        """The line's bytes, without whitespace around them."""
        return self.text[self.starts[place] : self.ends[place]].strip()

    def typed(self, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
        """The lines as columns; see :meth:`pipeline.sources.blocks.Block.typed`."""
        plain = np.flatnonzero(self._is_plain())
        if plain.size == self.starts.size:
            text, starts = self.text, self.starts
        else:
            lines = [self.text[self.starts[place] : self.ends[place]] + b"\n" for place in plain]
            text = b"".join(lines)
            starts = np.cumsum([0, *map(len, lines)], dtype=np.int64)[:-1]
        yield from halved(Lines(text, np.append(starts, len(text)), plain), shapes)

    def _is_plain(self) -> NDArray[np.bool_]:
        """Whether a line starts and ends as an object does, and cannot be nested too deeply.

        Where all lines do, no object can reach over the end of a line: after a ``}`` within an object follows
        no ``{``. So as many objects as lines means one on each.
        """
        data = np.frombuffer(self.text, dtype=np.uint8)
        last, before = (data[np.maximum(self.ends - step, 0)] for step in (1, 2))
        closes = (last == ord("}")) | ((last == ord("\r")) & (before == ord("}")))
        # A bit more makes [ of { and ] of }.
        brackets = np.flatnonzero((data | 0x20) == ord("{"))
        opened = np.searchsorted(brackets, self.ends) - np.searchsorted(brackets, self.starts)
        first = data[np.minimum(self.starts, data.size - 1)]
        long_enough = self.ends - self.starts >= 2
        return np.asarray(long_enough & (first == ord("{")) & closes & (opened <= _MOST_BRACKETS))


def line_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[LineBlock]:
    """A file's lines in blocks of about ``block_bytes``.

    Raises:
        PipelineError: If the file is cut off or damaged, not in UTF-8's family, or a line has more than
            :data:`~pipeline.sources.raw_files.LONGEST_ROW` bytes.
        OSError: If it cannot be read.
    """
    lines = 0
    held: list[bytes] = []
    size = tail = 0
    with open_stream(path) as (stream, file):
        while True:
            try:
                data = stream.read(min(_STEP_BYTES, block_bytes))
            except DAMAGED as error:
                raise damaged(path, lines + b"".join(held).count(b"\n"), error) from error
            held.append(data)
            size += len(data)
            tail = len(data) - data.rfind(b"\n") - 1 if b"\n" in data else tail + len(data)
            if tail > LONGEST_ROW:
                raise too_long(path, lines + b"".join(held).count(b"\n") + 1, "line")
            if data and (size < block_bytes or b"\n" not in data):
                continue
            text = b"".join(held)
            cut = text.rfind(b"\n") + 1 if data else size
            held, size = [text[cut:]], size - cut
            for part in _parts(text[:cut]):
                block = _block(path, part, lines + 1, file.tell())
                lines += block.numbers.size
                yield block
            if not data:
                return


def _parts(text: bytes) -> Iterator[bytes]:
    """The text in parts of at most :data:`_MOST_LINES` lines; nearly always it is one."""
    if text.count(b"\n") <= _MOST_LINES:
        yield from [text] if text else []
        return
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))[_MOST_LINES - 1 :: _MOST_LINES]
    cuts = [0, *(int(end) + 1 for end in ends), len(text)]
    yield from (text[start:end] for start, end in pairwise(cuts) if start < end)


def _block(path: Path, text: bytes, first: int, done: int) -> LineBlock:
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")).astype(np.int64)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1] + 1))
    return LineBlock(path, text, starts, ends, np.arange(first, first + ends.size), done)
