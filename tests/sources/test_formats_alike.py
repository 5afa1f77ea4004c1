"""The same rows in every format: the same completions, the same ids."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.params import SourceParams
from pipeline.schema import COMPLETIONS
from pipeline.sources.pull import pull
from pipeline.tables import read_table

ROWS: list[dict[str, Any]] = [
    {
        "prompt": f'Frage {n % 4}, „ü“\n"und"',
        "chosen": f"a{n}\r\nb;c\td",
        "rejected": None if n == 3 else f"=1+{n % 2}",
        "source": "quelle",
    }
    for n in range(6)
] * 2


def as_text(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_arrow(path: Path, rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_file(str(path), table.schema) as out:
        out.write_table(table, 5)


def as_cells(path: Path, rows: list[dict[str, Any]], delimiter: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "a.jsonl": lambda path, rows: path.write_bytes(as_text(rows)),
    "a.ndjson.gz": lambda path, rows: path.write_bytes(gzip.compress(as_text(rows))),
    "a.json": lambda path, rows: path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), "utf-8"),
    "b.json.zst": lambda path, rows: path.write_bytes(
        zstandard.ZstdCompressor().compress(json.dumps({"data": rows}).encode())
    ),
    "c.json": lambda path, rows: path.write_text(
        json.dumps({key: [row[key] for row in rows] for key in rows[0]})
    ),
    "d.json": lambda path, rows: path.write_bytes(as_text(rows)),
    "a.parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path),
    "a.arrow": as_arrow,
    "a.csv": lambda path, rows: as_cells(path, rows, ","),
    "b.csv": lambda path, rows: as_cells(path, rows, ";"),
    "a.tsv": lambda path, rows: as_cells(path, rows, "\t"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_completions_and_ids_do_not_depend_on_the_format(tmp_path: Path, name: str) -> None:
    tables = []
    for one in ("a.jsonl", name):
        WRITERS[one](tmp_path / one, ROWS)
        pull(
            SourceParams(kind="ultrafeedback_binarized", path=str(tmp_path / one)),
            tmp_path / "pull",
            tmp_path / "pull.json",
            block_bytes=300,
        )
        tables.append(read_table(tmp_path / "pull/completions.parquet", COMPLETIONS))
    assert tables[0]["row_id"].n_unique() == 12
    assert tables[0]["completion"].to_list()[:2] == ["a0\r\nb;c\td", "=1+0"]
    assert tables[1].drop("file", "line").equals(tables[0].drop("file", "line"))
    if "csv" not in name and "tsv" not in name:
        assert tables[1]["line"].equals(tables[0]["line"])
