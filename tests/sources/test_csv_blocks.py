"""CSV and TSV: strictly one cell for each column, each row named by the line it begins on."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.sources import csv_blocks as csv_blocks_module
from pipeline.sources.csv_blocks import csv_blocks
from pipeline.sources.reading import read_rows


def written(tmp_path: Path, data: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_cells_are_text_and_empty_ones_are_null(tmp_path: Path) -> None:
    path = written(tmp_path, 'p,c,n\r\na,"b, ""x""",1.5\r\n\r\n,"",NaN\r\n=1+1,@x,-2')
    assert list(read_rows(path)) == [
        (2, {"p": "a", "c": 'b, "x"', "n": "1.5"}),
        (4, {"p": None, "c": None, "n": "NaN"}),
        (5, {"p": "=1+1", "c": "@x", "n": "-2"}),
    ]


def test_a_row_is_named_by_the_line_it_begins_on(tmp_path: Path) -> None:
    path = written(tmp_path, 'p,"c\nd"\na,"x\n\ny"\nb,z\n')
    assert list(read_rows(path)) == [(3, {"p": "a", "c\nd": "x\n\ny"}), (6, {"p": "b", "c\nd": "z"})]


@pytest.mark.parametrize(
    ("name", "header", "row", "names"),
    [
        ("a.csv", "p,c", "a;b,d", ["p", "c"]),
        ("a.csv", "p;c;d", "a,b;c;d", ["p", "c", "d"]),
        ("a.csv", "p\tc", "a,b\td", ["p", "c"]),
        ("a.csv", '"p;q",c', "a,b", ["p;q", "c"]),
        ("a.csv", "p;q,c", "a,b", ["p;q", "c"]),
        ("a.tsv", "p,q,r\tc", "a\tb", ["p,q,r", "c"]),
        ("a.TSV", "p\tc", "a\tb", ["p", "c"]),
        ("a.csv", "p", "a", ["p"]),
        ("a.csv", ",p", "0,a", ["", "p"]),
    ],
    ids=["commas", "semicolons", "tabs", "quoted", "as-many", "tsv", "upper-case", "one-column", "index"],
)
def test_what_parts_the_cells_is_seen_in_the_header(
    tmp_path: Path, name: str, header: str, row: str, names: list[str]
) -> None:
    ((number, found),) = read_rows(written(tmp_path, f"{header}\n{row}\n", name))
    assert (number, list(found)) == (2, names)


CELLS = st.text(alphabet='ab",;\t\n é=', max_size=5)


@given(
    table=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=5)
    ),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    block_bytes=st.integers(1, 50),
)
def test_what_a_csv_library_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    delimiter: str,
    end: str,
    block_bytes: int,
) -> None:
    names = [f"column {place}" for place in range(len(table[0]))]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([names, *table])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(text.getvalue().encode())
    found = [
        block.row(place) for block in csv_blocks(path, block_bytes) for place in range(block.numbers.size)
    ]
    assert found == [{name: cell or None for name, cell in zip(names, row, strict=True)} for row in table]


@pytest.mark.parametrize(
    ("line", "column", "problem", "found"),
    [
        (b"a", None, "A row has another number of cells than the header", "1 cells"),
        (b"a,b,c", None, "A row has another number of cells than the header", "3 cells"),
        (b"a,b\0", "c", "A cell holds a NUL byte", "a NUL at character 2 of the cell"),
        (b"\xe4,b", "p", "A cell is not UTF-8", "byte 0xe4 at character 1 of the cell"),
        (b"a,xy\xff", "c", "A cell is not UTF-8", "byte 0xff at character 3 of the cell"),
    ],
    ids=["too-few", "too-many", "nul", "latin-1", "no-encoding"],
)
def test_a_bad_row_is_a_fault_of_that_row_alone(
    tmp_path: Path, line: bytes, column: str | None, problem: str, found: str
) -> None:
    path = written(tmp_path, b"p,c\n1,2\n" + line + b"\n3,4\n")
    (block,) = csv_blocks(path)
    assert block.numbers.tolist() == [2, 3, 4]
    assert [block.row(0), block.row(2)] == [{"p": "1", "c": "2"}, {"p": "3", "c": "4"}]
    with pytest.raises(PipelineError) as caught:
        block.row(1)
    error = caught.value
    assert (error.problem, error.file, error.row, error.column) == (problem, str(path), 3, column)
    assert error.found == found
    assert error.hint


def test_the_number_of_cells_is_said_with_the_columns_and_what_parts_them(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        list(read_rows(written(tmp_path, "p;c\na,b\n")))
    assert caught.value.expected == "2 cells parted by semicolons: p, c"


@pytest.mark.parametrize(
    ("data", "row", "found"),
    [
        ('p,c\n1,2\na,"b\n\n', 3, "unexpected end of data"),
        ('p,c\n1,2\n"a"b,c\n', 3, "',' expected after '\"'"),
        ("p,c\r1,2\r", 1, "new-line character seen in unquoted field"),
    ],
    ids=["open-quote", "behind-quote", "old-mac"],
)
def test_cells_without_a_certain_end_stop_the_file(tmp_path: Path, data: str, row: int, found: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(PipelineError) as caught:
        list(csv_blocks(path))
    error = caught.value
    assert (error.problem, error.row) == ("A row of cells cannot be told from the next", row)
    assert found in str(error.found)


@pytest.mark.parametrize(
    ("data", "problem", "row", "found"),
    [
        (b"p,c,p,c,d\n", "A header names a column twice", 1, "'c', 'p'"),
        (b"\np,\xe4\n", "A cell is not UTF-8", 2, "byte 0xe4 at character 1 of the cell"),
        (b"p,c\0\n", "A cell holds a NUL byte", 1, "a NUL at character 2 of the cell"),
    ],
    ids=["twice", "latin-1", "nul"],
)
def test_a_bad_header_stops_the_file(tmp_path: Path, data: bytes, problem: str, row: int, found: str) -> None:
    with pytest.raises(PipelineError) as caught:
        list(csv_blocks(written(tmp_path, data)))
    assert (caught.value.problem, caught.value.row, caught.value.found) == (problem, row, found)


@pytest.mark.parametrize("data", ["", "\n \n", "p,c\n", "p,c"], ids=["empty", "blank", "header", "no-end"])
def test_a_file_without_rows_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(PipelineError, match="has no rows"):
        list(read_rows(written(tmp_path, data)))


@pytest.mark.parametrize("text", ["x" * 200, '"' + "x\n" * 100, ",".join(['"x\nx"'] * 30)])
def test_a_row_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(csv_blocks_module, "LONGEST_ROW", 100)
    with pytest.raises(PipelineError) as caught:
        list(csv_blocks(written(tmp_path, f"p,c\n1,2\n{text}")))
    assert (caught.value.problem, caught.value.row) == ("A row is too long", 3)


def test_a_mark_and_packing_are_taken_off(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress("\ufeffp\tc\na\tb\n".encode()), "a.tsv.gz")
    assert list(read_rows(path)) == [(2, {"p": "a", "c": "b"})]


def test_blocks_are_cut_by_rows_and_by_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks_module, "_BLOCK_ROWS", 3)
    path = written(tmp_path, "p\n" + "".join(f"{n}\n" for n in range(7)))
    assert [block.numbers.tolist() for block in csv_blocks(path)] == [[2, 3, 4], [5, 6, 7], [8]]
    assert [block.numbers.size for block in csv_blocks(path, 2)] == [2, 2, 2, 1]
    assert [block.done for block in csv_blocks(path)][-1] == path.stat().st_size
