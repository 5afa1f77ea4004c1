"""Files of damaged rows in every format that is read, with the number of rows in them where it is certain."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.mutations import damaged_file, mutated_line, mutated_row

Row = dict[str, Any]


def line_file(rows: Sequence[Row], random: Random, count: int, share: float = 0.5) -> tuple[bytes, int]:
    """JSON Lines, some of them damaged.

    Args:
        rows: Sound ones.
        random: Decides everything.
        count: How many lines to start from; damage may make more of them, or fewer.
        share: How many of them are damaged.

    Returns:
        The file and its number of lines that are not blank.
    """
    lines = [
        mutated_line(row, random) if random.random() < share else json.dumps(row).encode()
        for row in random.choices(rows, k=count)
    ]
    content = b"\n".join([b"{}", *lines])
    return content, sum(bool(line.strip()) for line in content.split(b"\n"))


def _table(rows: Sequence[Row], random: Random, count: int) -> pa.Table:
    """Damaged rows as a table: all in the same way, or as many as one type holds beside the others."""
    row = random.choice(rows)
    for most in (count, count // 2, 3, 1, 1, 1, 1, 0):
        same = random.getrandbits(32) if random.random() < 0.5 else None
        mutated = [
            mutated_row(row, random if same is None else Random(same))
            if place < most or same is not None
            else row
            for place in range(count)
        ]
        random.shuffle(mutated)
        try:
            return _with_bad_texts(pa.Table.from_pylist(mutated), random)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError):
            continue
    return pa.table({"prompt": ["a"] * count})


def _with_bad_texts(table: pa.Table, random: Random) -> pa.Table:
    """The table, in one of five with a text that is not UTF-8."""
    texts = [name for name in table.schema.names if pa.types.is_string(table.schema.field(name).type)]
    if not texts or random.random() < 0.8:
        return table
    name = random.choice(texts)
    values = [None if value is None else value.encode() for value in table[name].to_pylist()]
    values[random.randrange(len(values))] = b"a\xff"
    bad = pa.array(values, pa.binary()).view(pa.string())
    return table.set_column(table.schema.names.index(name), name, bad)


def _parquet(rows: Sequence[Row], random: Random, count: int) -> tuple[bytes, int]:
    table, sink = _table(rows, random, count), io.BytesIO()
    if not table.num_columns:
        table = pa.table({"prompt": ["a"] * count})
    try:
        pq.write_table(table, sink, row_group_size=random.choice([1, 5, count]))
    except pa.ArrowException:
        # Parquet has no objects without members.
        sink = io.BytesIO()
        pq.write_table(pa.table({"prompt": ["a"] * count}), sink)
    return sink.getvalue(), count


def _cut(pack: Callable[[bytes], bytes]) -> Callable[[Sequence[Row], Random, int], tuple[bytes, int | None]]:
    """Packed lines, half of the files damaged themselves."""

    def made(rows: Sequence[Row], random: Random, count: int) -> tuple[bytes, int | None]:
        content, lines = line_file(rows, random, count)
        whole = pack(content)
        return (damaged_file(whole, random), None) if random.random() < 0.5 else (whole, lines)

    return made


def _broken(
    make: Callable[[Sequence[Row], Random, int], tuple[bytes, int]],
) -> Callable[[Sequence[Row], Random, int], tuple[bytes, None]]:
    """Such a file, damaged itself."""
    return lambda rows, random, count: (damaged_file(make(rows, random, count)[0], random), None)


def _arrow(rows: Sequence[Row], random: Random, count: int) -> tuple[bytes, int]:
    table, sink = _table(rows, random, count), io.BytesIO()
    make = random.choice([pa.ipc.new_file, pa.ipc.new_stream])
    with make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=random.choice([1, 5, count]))
    return sink.getvalue(), count


def _array(rows: Sequence[Row], random: Random, count: int) -> tuple[bytes, int]:
    mutated = [
        mutated_row(row, random) if random.random() < 0.5 else row for row in random.choices(rows, k=count)
    ]
    return json.dumps(mutated, indent=random.choice([None, 2])).encode(), count


def _cells(delimiter: str) -> Callable[[Sequence[Row], Random, int], tuple[bytes, int]]:
    """Rows of texts as cells; lists and objects as JSON."""

    def made(rows: Sequence[Row], random: Random, count: int) -> tuple[bytes, int]:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter)
        names = list(random.choice(rows))
        writer.writerow(names)
        for row in random.choices(rows, k=count):
            row = mutated_row(row, random) if random.random() < 0.5 else row
            cells = [row.get(name) for name in names]
            said = [cell if isinstance(cell, str) else json.dumps(cell) for cell in cells]
            # A row with a cell more or less, and one that is not blank in any case.
            writer.writerow([said[0] or "x", *said[1:], *(["more"] if random.random() < 0.05 else [])])
        return text.getvalue().encode("utf-8", "replace"), count

    return made


_MAKERS: dict[str, Sequence[Callable[[Sequence[Row], Random, int], tuple[bytes, int | None]]]] = {
    "jsonl": [_broken(line_file)],
    "jsonl.gz": [_cut(lambda content: gzip.compress(content, mtime=0))],
    "jsonl.zst": [_cut(zstandard.ZstdCompressor().compress)],
    "parquet": [_parquet, _parquet, _broken(_parquet)],
    "arrow": [_arrow, _arrow, _broken(_arrow)],
    "json": [_array, _array, _broken(_array)],
    "csv": [_cells(","), _cells(";"), _broken(_cells(","))],
    "tsv": [_cells("\t"), _cells("\t"), _broken(_cells("\t"))],
}
FILES = tuple(_MAKERS)
"""Extensions of the files that are made."""


def packed(form: str, rows: Sequence[Row], random: Random, count: int) -> tuple[bytes, int | None]:
    """A file of damaged rows, or a damaged file of rows.

    Args:
        form: One of :data:`FILES`.
        rows: Sound rows.
        random: Decides everything.
        count: How many to start from.

    Returns:
        The file and its number of rows; None where the damage may have changed it.
    """
    return random.choice(_MAKERS[form])(rows, random, count)
