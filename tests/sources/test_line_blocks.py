"""JSON Lines in blocks: how files are cut, and what of them is left to the strict reader."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.columns import canonical_constraints, is_no_number
from pipeline.sources.fields import Parsed, Place, as_constraint, as_optional_number, as_optional_text
from pipeline.sources.jsonl import Row
from pipeline.sources.line_blocks import line_blocks
from pipeline.sources.reading import Adapter
from pipeline.sources.shapes import NUMBER, OBJECT, TEXT, Shape, as_records

FIELDS = pa.schema([("text", TEXT), ("number", NUMBER), ("constraint", OBJECT)])


def parse(row: Row, place: Place) -> Parsed:
    """A source with one completion per row, a number and a constraint, all of which may be missing."""
    return Parsed(
        [
            {
                "source": "s",
                "prompt": [],
                "completion": as_optional_text(row.get("text"), "text", place),
                "overall_score": as_optional_number(row.get("number"), "number", place),
                "constraint": as_constraint(row.get("constraint"), "constraint", place),
            }
        ]
    )


def convert(frame: pl.DataFrame, null_may_be_missing: bool) -> pl.DataFrame:
    constraints = canonical_constraints(frame["constraint"])
    given_and_refused = pl.col("constraint").is_not_null() & constraints.is_null()
    records = frame.select(
        "row",
        given_and_refused.alias("refused"),
        pl.lit(0).alias("completion_index"),
        pl.lit("s").alias("source"),
        pl.lit([]).alias("prompt"),
        pl.col("text").alias("completion"),
        pl.col("number").alias("overall_score"),
        constraints.alias("constraint"),
    )
    return as_records(records, pl.col("refused") | is_no_number(pl.col("overall_score")))


PLAIN = Adapter(parse, (Shape(FIELDS, convert, frozenset()),))

Read = Callable[..., Any]


# --- cutting --------------------------------------------------------------------------------------------


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), min_size=1),
    ends_whole=st.booleans(),
    block_bytes=st.integers(1, 40),
)
def test_blocks_hold_every_line_once_whatever_their_size(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends_whole: bool, block_bytes: int
) -> None:
    # A file that begins with gzip's or another format's bytes is refused.
    lines = [b"first", *lines]
    data = b"\n".join(lines) + (b"\n" if ends_whole else b"")
    # A last line without its end is none if it is empty.
    expected = data.split(b"\n")[: -1 if data.endswith(b"\n") or not data else None]
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.write_bytes(data)
    blocks = list(line_blocks(path, block_bytes))
    found = [
        block.text[start:end] for block in blocks for start, end in zip(block.starts, block.ends, strict=True)
    ]
    assert found == expected
    numbers = [number for block in blocks for number in block.numbers.tolist()]
    assert numbers == list(range(1, len(expected) + 1))


def test_blocks_tell_how_far_the_file_itself_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b'{"n": %d}\n' % (n * 7919) for n in range(50_000)), mtime=0))
    done = [block.done for block in line_blocks(path, 100_000)]
    assert done == sorted(done) and len(done) > 3
    assert done[0] < path.stat().st_size == done[-1]


# --- what Arrow reads and what it does not --------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "singly"),
    [
        (b'{"text": "x", "number": 1}', 0),
        (b'{"number": 1.5, "other": {"text": 3, "text": 4}, "text": null}', 0),
        (b'{"text": "a\\u0000b\\/\\ud83d\\ude00\\"\\\\ud83d"}', 0),
        (b'{"te\\u0078t": "x", "number": -0}', 0),
        (b'{"number": 12345678901234567890}', 0),
        (b'{"number": 0.1e-3}', 0),
        ('{"text": "ü\u2028\u0085"}'.encode(), 0),
        (b'{"text": "NaN, say: Inform, [NaN"}', 0),
        (b'{"unread": "x", "unread": "y"}', 0),
        (b"{}", 0),
        (b'{"text": "x"}\r', 0),
        (b"   ", 0),
        (b"\x0c", 0),
        (b' {"text": "x"}', 1),
        (b'{"text": "x"} ', 1),
        (b'{"text": "says: NaN, and more"}', 1),
        (b'{"unread": 1e999}', 1),
        (b'{"unread": [' + b"[1], " * 500 + b"0]}", 1),
    ],
)
def test_a_line_that_is_read(tmp_path: Path, read_both_ways: Read, line: bytes, singly: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "behind"}')
    outcome = read_both_ways(path, PLAIN)
    assert outcome.lines == ([1, 3] if not line.strip() else [1, 2, 3])
    assert outcome.read_singly == singly


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (b'{"text": 1}', "text"),
        (b'{"text": {}}', "text"),
        (b'{"text": "x", "text": "x"}', "text"),
        (b'{"text": null, "te\\u0078t": null}', "text"),
        (b'{"number": "1"}', "number"),
        (b'{"number": true}', "number"),
        (b'{"number": 1e999}', "number"),
        (b'{"number": ' + b"9" * 400 + b"}", "number"),
        (b'{"number": -' + b"9" * 5000 + b"}", "number"),
        (b'{"constraint": []}', "constraint"),
        (b'{"constraint": {"a": 1, "a": 1}}', "constraint.a"),
        (b'{"constraint": {"a": 1e999}}', "constraint.a"),
        (b'{"text": "\\ud83d"}', "text"),
        (b'{"unread": "\\ude00"}', "unread"),
        (b'{"text": "\xe4"}', None),
        (b'{"unread": "\xe4"}', None),
        (b'{"unread": NaN}', None),
        (b'{"unread": [1,-Infinity ]}', None),
        (b'{"unread": [Inf]}', None),
        (b'{"number": NaN}', None),
        (b'{"text": "x"} {"text": "y"}', None),
        (b'{"text": "x"}{"text": "y"}', None),
        (b'{"text":\n"x"}', None),
        (b'{"unread": [{}\n{}]}', None),
        (b'\xef\xbb\xbf{"text": "x"}', None),
        (b'{"text": "x\ty"}', None),
        (b'{"text": "x",}', None),
        (b'{"number": 01}', None),
        (b"[]", None),
        (b"{", None),
        (b"}", None),
        (b'{"unread": ' + b"[" * 5000 + b"]" * 5000 + b"}", None),
        (b'{"text": "x"}\x00', None),
        (b'{"text": "x"}\x0c', None),
    ],
)
def test_a_line_that_is_refused(
    tmp_path: Path, read_both_ways: Read, line: bytes, column: str | None
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "behind"}')
    outcome = read_both_ways(path, PLAIN)
    assert outcome.fault is not None
    assert outcome.fault[:3] == (str(path), 2, column)


def test_a_block_of_one_byte(tmp_path: Path, read_both_ways: Read) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\n\n{"text": "a"}\n')
    assert read_both_ways(path, PLAIN, 1).lines == [3]


def test_two_rows_on_one_line_do_not_make_up_for_one_on_two(tmp_path: Path, read_both_ways: Read) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"} {"text": "b"}\n{"unread": [{}\n, {}]}\n')
    assert read_both_ways(path, PLAIN).fault[1] == 1


# --- objects of any fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "constraint", "singly"),
    [
        ('{"constraint": {"b": [1, 2.50], "a": {"c": "}{\\"\\\\"}}, "text": "x"}',
         '{"a":{"c":"}{\\"\\\\"},"b":[1,2.5]}', 0),
        ('{"text": "a \\"constraint\\": {}", "constraint" : {"a": true, "n": null}}', '{"a":true}', 0),
        ('{"constraint": {}}', "{}", 0),
        ('{"constraint": null, "unread": {"constraint": {"a": 1}}}', None, 0),
        ('{"unread": {"constraint": {"a": 1}}, "constraint": {"a": 2}}', '{"a":2}', 1),
        ('{"constraint": {"a": {"b": {"c": {}}}}}', '{"a":{"b":{"c":{}}}}', 1),
        ('{"unread": {"constraint": {"a": 1}}, "con\\u0073traint": {"a": 2}}', '{"a":2}', 1),
    ],
)  # fmt: skip
def test_an_object_is_read_as_its_own_text(
    tmp_path: Path, read_both_ways: Read, line: str, constraint: str | None, singly: int
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n")
    outcome = read_both_ways(path, PLAIN)
    assert outcome.completions["constraint"].to_list() == [constraint]
    assert outcome.read_singly == singly


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["text", "number", "constraint", "unread", ""]),
            JSON | st.text() | st.floats() | st.dictionaries(st.text(max_size=3), JSON, max_size=3),
        ),
        min_size=1,
        max_size=6,
    ),
    cut=st.integers(1, 300),
    ascii_only=st.booleans(),
)
def test_any_json_is_read_as_row_by_row(
    tmp_path_factory: pytest.TempPathFactory,
    read_both_ways: Read,
    rows: list[Any],
    cut: int,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "json.jsonl"
    text = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    read_both_ways(path, PLAIN, cut)


@given(
    data=st.data(),
    changes=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from([0, 1, 2]),
            st.sampled_from([*b'{}[]",:\\ \t\r\n0-.eE+NIu/', 0, 12, 127, 0xC3, 0xBF, 0xED, 0xA0]).map(
                lambda byte: bytes([byte])
            )
            | st.sampled_from([b"NaN", b"Infinity", b"\\ud83d", b'"text":', b'"constraint":{}', b"}\n{"]),
        ),
        max_size=4,
    ),
)
def test_damaged_text_is_read_as_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, read_both_ways: Read, data: Any, changes: list[Any]
) -> None:
    row = {"text": 'a"b\\ü😀', "number": -1.5e3, "constraint": {"k": {"v": [1, "}"]}}, "un": [{"x": None}]}
    lines = [json.dumps(row, ensure_ascii=data.draw(st.booleans())).encode() for _ in range(3)]
    text = b"\n".join(lines) + b"\n"
    for place, cut, put in changes:
        place %= len(text) + 1
        text = text[:place] + put + text[place + cut :]
    path = tmp_path_factory.getbasetemp() / "bytes.jsonl"
    path.write_bytes(text)
    read_both_ways(path, PLAIN, data.draw(st.sampled_from([1, 90, 1 << 20])))
