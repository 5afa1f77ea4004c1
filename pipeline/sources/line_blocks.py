"""JSON Lines in blocks of whole lines, parsed by Arrow wherever a line is surely what Arrow takes it for.

Arrow's parser is laxer than JSON and than a line: it accepts NaN, several objects on one line, one object on
several, a byte order mark, any depth of nesting, and in fields that are not read any bytes. Lines that could
make such a difference are found here and left to the strict reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json as pj
from numpy.typing import NDArray

from pipeline.sources.blocks import BLOCK_BYTES, Typed
from pipeline.sources.jsonl import Row, parse_line
from pipeline.sources.raw_files import DAMAGED, damaged, open_stream
from pipeline.sources.shapes import OBJECT, Shape

# Little enough to say, of a file that is cut off, nearly where.
_STEP_BYTES = 1 << 16

# Python's own reader gives up at some thousand levels; so many opening brackets are needed to get there.
_MOST_BRACKETS = 400

# JSON has no word for these, but Arrow has.
_NO_JSON_NUMBER = r"[:\[,]\s*-?(?:NaN|Inf(?:inity)?)\s*[,\]}]"

_STRING = r'"(?:[^"\\]|\\.)*"'
_FLAT = rf'\{{(?:[^{{}}"]|{_STRING})*\}}'
# An object with objects in it but not in those: what a constraint looks like. Deeper ones do not match.
_OBJECT = rf'\{{(?:[^{{}}"]|{_STRING}|{_FLAT})*\}}'
# Escapes that may spell a lower-case letter, and so a key.
_SPELT_LETTER = r"\\u00[67]"


@dataclass(frozen=True)
class LineBlock:
    """Whole lines of one file.

    Attributes:
        path: The file.
        text: The lines' bytes, each with its end; the last line of a file may lack it.
        starts: Where each line starts in ``text``.
        ends: Where it ends, its newline left out.
        numbers: Each line's number in the file, from 1.
        done: Bytes of the file (as it lies on the disk) read so far.
    """

    path: Path
    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    done: int

    def row(self, place: int) -> Row | None:
        """One line as a row, strictly; None for a blank one.

        Raises:
            RowFault: If the line is not one JSON object in UTF-8.
        """
        line = self.text[self.starts[place] : self.ends[place]]
        return parse_line(self.path, int(self.numbers[place]), line)

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
        yield from _halved(_Lines(text, np.append(starts, len(text)), plain), shapes)

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
        PipelineError: If the file is cut off or damaged.
        OSError: If it cannot be read.
    """
    lines = 0
    held: list[bytes] = []
    size = 0
    with open_stream(path) as (stream, file):
        while True:
            try:
                data = stream.read(min(_STEP_BYTES, block_bytes))
            except DAMAGED as error:
                raise damaged(path, lines + b"".join(held).count(b"\n"), error) from error
            held.append(data)
            size += len(data)
            if data and (size < block_bytes or b"\n" not in data):
                continue
            text = b"".join(held)
            cut = text.rfind(b"\n") + 1 if data else size
            held, size = [text[cut:]], size - cut
            if cut:
                block = _block(path, text[:cut], lines + 1, file.tell())
                lines += block.numbers.size
                yield block
            if not data:
                return


def _block(path: Path, text: bytes, first: int, done: int) -> LineBlock:
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")).astype(np.int64)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1] + 1))
    return LineBlock(path, text, starts, ends, np.arange(first, first + ends.size), done)


# --- Arrow ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """Some lines of a block, one behind the other.

    Attributes:
        text: All of the text they lie in.
        offsets: Where each starts, and where the last ends.
        places: Their places in the block.
    """

    text: bytes
    offsets: NDArray[np.int64]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.places.size)

    def part(self, first: int, last: int) -> _Lines:
        """The lines from ``first`` to before ``last``."""
        return _Lines(self.text, self.offsets[first : last + 1], self.places[first:last])

    def buffer(self) -> pa.Buffer:
        """Their bytes, not copied."""
        return pa.py_buffer(self.text).slice(int(self.offsets[0]), int(self.offsets[-1] - self.offsets[0]))

    def strings(self) -> pl.Series | None:
        """Each line as a string; None if one of them is not UTF-8."""
        offsets = pa.py_buffer(np.ascontiguousarray(self.offsets - self.offsets[0]))
        array = pa.LargeStringArray.from_buffers(len(self), offsets, self.buffer())
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return None
        return pl.Series(pl.from_arrow(array))


def _halved(lines: _Lines, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
    """Readings of the lines; where there is none, of their halves, down to one line."""
    if not len(lines):
        return
    strings = lines.strings()
    if strings is not None:
        readings = [reading for shape in shapes if (reading := _reading(lines, strings, shape)) is not None]
        if readings:
            yield readings
            return
    if len(lines) > 1:
        middle = len(lines) // 2
        yield from _halved(lines.part(0, middle), shapes)
        yield from _halved(lines.part(middle, len(lines)), shapes)


def _reading(lines: _Lines, strings: pl.Series, shape: Shape) -> Typed | None:
    """The lines as columns of one shape; None if a field is of another type, or a line is not one object."""
    table = _parsed(lines.buffer(), shape.fields)
    if table is None or table.num_rows != len(lines):
        return None
    doubtful = strings.str.contains(_NO_JSON_NUMBER).to_numpy().copy()
    frame = pl.DataFrame(pl.from_arrow(table)).with_columns(row=pl.Series(lines.places, dtype=pl.UInt32))
    for name in shape.fields.names:
        if shape.fields.field(name).type.equals(OBJECT):
            given = frame[name].is_not_null()
            texts = _object_texts(strings, given, name)
            doubtful |= (given & texts.is_null()).to_numpy()
            frame = frame.with_columns(texts.alias(name))
    return Typed(lines.places, frame, shape, doubtful, null_may_be_missing=True)


def _parsed(text: pa.Buffer, fields: pa.Schema) -> pa.Table | None:
    try:
        table = pj.read_json(
            pa.BufferReader(text),
            # One block: a cut would be made at any newline, and every thread is busy with a block of its own.
            read_options=pj.ReadOptions(use_threads=False, block_size=text.size + 1),
            parse_options=pj.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"),
        )
        table.validate(full=True)
    except (pa.ArrowException, OverflowError):
        return None
    return table


def _object_texts(lines: pl.Series, given: pl.Series, key: str) -> pl.Series:
    """The JSON text of each line's object under a key, where it is given; null where that is not certain.

    It is certain where the quoted key stands in the line once, and no key can be spelt in another way.
    """
    if not given.any():
        return pl.Series([None], dtype=pl.String).new_from_index(0, lines.len())
    line = pl.col("line")
    is_clear = (line.str.count_matches(f'"{key}"', literal=True) == 1) & ~line.str.contains(_SPELT_LETTER)
    text = line.str.extract(rf'"{key}"\s*:\s*({_OBJECT})', 1)
    return (
        pl.DataFrame({"line": lines, "given": given})
        .select(text=pl.when(pl.col("given") & is_clear).then(text))
        .to_series()
    )
