"""JSON files: arrays cut without being parsed, objects of rows and of columns, and what is said of others."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.sources import json_blocks as json_blocks_module
from pipeline.sources import json_documents, ultrafeedback_binarized
from pipeline.sources.json_blocks import json_blocks
from pipeline.sources.json_elements import elements
from pipeline.sources.jsonl import Repeated
from pipeline.sources.reading import read_rows

Read = Callable[..., Any]


def written(tmp_path: Path, data: str | bytes, name: str = "a.json") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def rows_of(path: Path, block_bytes: int = 1 << 20) -> list[tuple[int, Any]]:
    return [
        (int(number), block.row(place))
        for block in json_blocks(path, block_bytes)
        for place, number in enumerate(block.numbers)
    ]


# --- arrays ---------------------------------------------------------------------------------------------

TEXTS = st.text(alphabet='ab"\\,[]{}\n\té\u2028', max_size=6)
VALUES = st.recursive(
    TEXTS | st.integers(-9, 9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50)
@given(
    rows=st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), min_size=1, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    block_bytes=st.integers(1, 60),
)
def test_the_rows_of_an_array_are_those_that_json_reads(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    indent: int | None,
    ascii_only: bool,
    block_bytes: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "array.json"
    path.write_text("\n " + json.dumps(rows, indent=indent, ensure_ascii=ascii_only) + "\n", encoding="utf-8")
    assert rows_of(path, block_bytes) == list(enumerate(rows, start=1))


@pytest.mark.parametrize(
    ("text", "whole", "rest", "has_ended"),
    [
        (b'{"a": 1}, {"b"', [b'{"a": 1}'], b' {"b"', False),
        (b'{"a": "x, \\"]}"},2]  ', [b'{"a": "x, \\"]}"}', b"2"], b"  ", True),
        (b'{"a":\n[1,\r\n 2]}]', [b'{"a": [1,   2]}'], b"", True),
        (b'"\\\\",1]', [b'"\\\\"', b"1"], b"", True),
        (b'"\\\\\\",1]', [], b'"\\\\\\",1]', False),
        (b'"a\nb"]', [b'"a\nb"'], b"", True),
        (b"1,,2]", [b"1", b"", b"2"], b"", True),
        (b"]", [b""], b"", True),
        (b"", [], b"", False),
        (b'{"a"', [], b'{"a"', False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_elements_are_cut_at_the_commas_of_the_array_alone(
    text: bytes, whole: list[bytes], rest: bytes, has_ended: bool
) -> None:
    found = elements(text)
    assert (found.whole, found.rest, found.has_ended) == (whole, rest, has_ended)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_read_as_columns(tmp_path: Path, read_both_ways: Read, indent: int | None) -> None:
    rows = [{"prompt": f"p{n}", "chosen": "a\n", "rejected": 'b"', "score_chosen": n} for n in range(50)]
    path = written(tmp_path, json.dumps(rows, indent=indent))
    outcome = read_both_ways(path, ultrafeedback_binarized.ADAPTER, 300)
    assert (outcome.lines, outcome.read_singly) == (list(range(1, 51)), 0)
    assert outcome.completions["completion"].to_list()[:2] == ["a\n", 'b"']


@pytest.mark.parametrize(
    ("name", "pack"), [("a.json.gz", gzip.compress), ("a.json.zst", None)], ids=["gz", "zst"]
)
def test_a_packed_array_is_unpacked(tmp_path: Path, name: str, pack: Callable[[bytes], bytes] | None) -> None:
    compress = pack or zstandard.ZstdCompressor().compress
    path = written(tmp_path, compress(b'[{"a": 1}, {"a": 2}]'), name)
    assert list(read_rows(path)) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize(
    ("data", "row", "found"),
    [
        ('[{"a": 1}, {"a": 2}', 2, "the end of the file within the array"),
        ('[{"a": 1}, {"a": "x}]', 2, "Unterminated string starting at: line 1 column 7 (char 6)"),
        ('[{"a": 1}, {"a" 2}, {"a": [3}', 3, "Expecting ',' delimiter"),
        ('[{"a": 1},]', 2, "nothing between two commas, or behind the last one"),
        ('[{"a": 1},,{"a": 2}]', 2, "nothing between two commas, or behind the last one"),
        ('[{"a": 1}] [{"a": 2}]', "after 1", "'[{\"a\": 2}]' behind the end of the array"),
    ],
    ids=["cut-off", "open-text", "open-list", "comma-at-end", "two-commas", "two-arrays"],
)
@pytest.mark.parametrize("block_bytes", [1, 1000])
def test_an_array_that_is_not_whole_is_refused(
    tmp_path: Path, data: str, row: int | str, found: str, block_bytes: int
) -> None:
    path = written(tmp_path, data)
    with pytest.raises(PipelineError) as caught:
        list(json_blocks(path, block_bytes))
    error = caught.value
    assert (error.problem, error.file, error.row) == ("A JSON file is not one whole array", str(path), row)
    assert found in str(error.found)
    assert error.expected == "one array of objects, and nothing behind it"


@pytest.mark.parametrize(
    ("element", "found"),
    [
        ("3", "int: 3"),
        ("[1]", "list: [1]"),
        ('{"a" 1}', "Expecting ':' delimiter"),
        ('{"a": NaN}', "the constant NaN, which is not JSON"),
        ('{"a": 1} {"b": 2}', "Extra data"),
        ('{"a": "x\ny"}', "Invalid control character"),
        ('{"a": "x\0y"}', "a NUL byte at 9"),
    ],
    ids=["number", "list", "colon", "nan", "no-comma", "newline", "nul"],
)
def test_a_bad_element_is_a_fault_of_its_row(
    tmp_path: Path, read_both_ways: Read, element: str, found: str
) -> None:
    good = '{"prompt": "p", "chosen": "a", "rejected": "b"}'
    path = written(tmp_path, f"[{good}, {element}, {good}]")
    _, row, _, problem, said = read_both_ways(path, ultrafeedback_binarized.ADAPTER).fault
    assert (row, problem) == (2, "An element of the array is not one JSON object")
    assert found in said
    (block,) = json_blocks(path)
    assert block.row(2) == {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_a_row_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_blocks_module, "LONGEST_ROW", 10_000)
    path = written(tmp_path, '[{"a": 1}, {"a": "' + "x" * 50_000 + '"}]')
    with pytest.raises(PipelineError, match="element of the array is too long") as caught:
        list(json_blocks(path, 1000))
    assert caught.value.row == 2


@pytest.mark.parametrize("data", ["[]", " [ \n ] ", "", " \n"], ids=["array", "blanks", "empty", "blank"])
@pytest.mark.parametrize("block_bytes", [1, 1000])
def test_an_array_of_nothing_has_no_rows(tmp_path: Path, data: str, block_bytes: int) -> None:
    path = written(tmp_path, data)
    assert [row for _, row in rows_of(path, block_bytes) if row is not None] == []
    with pytest.raises(PipelineError, match="has no rows"):
        list(read_rows(path))


# --- JSON Lines under another name ----------------------------------------------------------------------


def test_json_lines_under_another_name_are_read_as_lines(tmp_path: Path) -> None:
    path = written(tmp_path, '\n{"a": 1}\n\n{"a": 2}\n{"a" 3}')
    with pytest.raises(PipelineError) as caught:
        list(read_rows(path))
    assert (caught.value.problem, caught.value.row) == ("A line is not one JSON object", 5)
    assert list(read_rows(written(tmp_path, '\n{"a": 1}\n\n{"a": 2}\n'))) == [(2, {"a": 1}), (4, {"a": 2})]


# --- objects --------------------------------------------------------------------------------------------

A, B = {"x": 1}, {"x": 2}


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        ({"data": [A, B]}, [A, B]),
        ({"version": 1, "rows": [A], "info": {"by": "me"}}, [A]),
        ({"anything": [A, B]}, [A, B]),
        ({"p": ["a", "b"], "c": [None, [1]]}, [{"p": "a", "c": None}, {"p": "b", "c": [1]}]),
        ({"p": {"0": "a", "1": "b"}, "c": {"0": 1, "1": None}}, [{"p": "a", "c": 1}, {"p": "b", "c": None}]),
        ({"p": ["a"], "chosen": [[{"role": "user"}]]}, [{"p": "a", "chosen": [{"role": "user"}]}]),
        ({"p": ["a", "b"], "m": [A, B]}, [{"p": "a", "m": A}, {"p": "b", "m": B}]),
    ],
    ids=["data", "beside-others", "any-name", "columns", "pandas", "nested", "column-of-objects"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_of_rows_or_of_columns(
    tmp_path: Path, document: Any, rows: list[Any], indent: int | None
) -> None:
    path = written(tmp_path, json.dumps(document, indent=indent))
    assert list(read_rows(path)) == list(enumerate(rows, start=1))


@pytest.mark.parametrize(
    ("data", "found", "expected"),
    [
        (
            '{"train": [{"a": 1}], "test": [{"a": 2}]}',
            "several lists of objects: train, test",
            "one list of rows",
        ),
        ('{"p": ["a", "b"], "c": ["x"]}', "an object of p: 2 in a list, c: 1 in a list", "equal length"),
        ('{"prompt": "a", "chosen": "b"}', "an object of prompt: str, chosen: str", "an array of objects"),
        ('{"p": {"0": 1, "2": 2}}', "an object of p: dict", "an array of objects"),
        ("{}", "an object of nothing", "an array of objects"),
        ("3", "one int", "an array of objects"),
        ('{"a": \n', "Expecting value", "one JSON value in UTF-8"),
        ('{"a": 1,\n"b": "\0"}', "a NUL byte at 16", "one JSON value in UTF-8"),
        ('{"data": [{"a": NaN}]}', "the constant NaN", "one JSON value in UTF-8"),
        ('{\n"a": 1}\n{\n"a": 2}', "Extra data", "one JSON value in UTF-8"),
    ],
    ids=["splits", "lengths", "one-row", "gaps", "empty", "number", "cut-off", "nul", "nan", "two-objects"],
)
def test_an_object_without_rows_is_refused(tmp_path: Path, data: str, found: str, expected: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(PipelineError) as caught:
        list(read_rows(path))
    error = caught.value
    assert (error.problem, error.file) == ("A JSON file does not hold rows as they are read", str(path))
    assert found in str(error.found)
    assert expected in str(error.expected)
    assert error.hint == "Write one JSON object per line, and let the file's name end in .jsonl"


def test_latin_1_in_an_object_is_named_with_its_byte(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        list(read_rows(written(tmp_path, b'{"data": [{"a": "\xe4"}]}')))
    assert "byte 0xe4 in position 17" in str(caught.value.found)


def test_faults_of_rows_in_an_object_are_theirs_alone(tmp_path: Path) -> None:
    path = written(tmp_path, '{"rows": [{"a": 1, "a": 2}, {"b": "\\ud800"}, {"a": 3}]}')
    (block,) = json_blocks(path)
    assert (block.row(0), block.row(2)) == ({"a": Repeated("a")}, {"a": 3})
    with pytest.raises(PipelineError, match="surrogate") as caught:
        block.row(1)
    assert (caught.value.row, caught.value.column) == (2, "b")


def test_an_object_too_large_to_be_read_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_documents, "LARGEST_DOCUMENT", 1 << 20)
    path = written(tmp_path, '{"data": [{"a": "' + "x" * (1 << 21) + '"}]}')
    with pytest.raises(PipelineError) as caught:
        list(read_rows(path))
    assert caught.value.found == "more than 1 MB in one object"
