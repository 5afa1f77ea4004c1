"""Lines of JSON as columns: Arrow's parser, and where what it says is not certain.

Arrow's parser is laxer than JSON and than a line: it accepts NaN, several objects on one line, one object on
several, a byte order mark, any depth of nesting, and in fields that are not read any bytes. Lines that could
make such a difference are left to the strict reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json as pj
from numpy.typing import NDArray

from pipeline.sources.blocks import Typed
from pipeline.sources.shapes import OBJECT, Shape

# JSON has no word for these, but Arrow has.
_NO_JSON_NUMBER = r"[:\[,]\s*-?(?:NaN|Inf(?:inity)?)\s*[,\]}]"

_STRING = r'"(?:[^"\\]|\\.)*"'
_FLAT = rf'\{{(?:[^{{}}"]|{_STRING})*\}}'
# An object with objects in it but not in those: what a constraint looks like. Deeper ones do not match.
_OBJECT = rf'\{{(?:[^{{}}"]|{_STRING}|{_FLAT})*\}}'
# Escapes that may spell a lower-case letter, and so a key.
_SPELT_LETTER = r"\\u00[67]"

FEWEST_HALVED = 256
"""Lines below which reading them one by one costs less than to go on looking for the one at fault."""


@dataclass(frozen=True)
class Lines:
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

    def part(self, first: int, last: int) -> Lines:
        """The lines from ``first`` to before ``last``."""
        return Lines(self.text, self.offsets[first : last + 1], self.places[first:last])

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


def halved(lines: Lines, shapes: Sequence[Shape]) -> Iterator[list[Typed]]:
    """Readings of the lines; where there is none, of their halves, down to :data:`FEWEST_HALVED`.

    Args:
        lines: Lines that each start and end as an object does.
        shapes: What they may be read as.
    """
    if not len(lines):
        return
    strings = lines.strings()
    if strings is not None:
        readings = [reading for shape in shapes if (reading := _reading(lines, strings, shape)) is not None]
        if readings:
            yield readings
            return
    if len(lines) >= FEWEST_HALVED:
        middle = len(lines) // 2
        yield from halved(lines.part(0, middle), shapes)
        yield from halved(lines.part(middle, len(lines)), shapes)


def _reading(lines: Lines, strings: pl.Series, shape: Shape) -> Typed | None:
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
