"""Files by URL: brought here once for each state they have, whole, and no secret of a URL written down."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.params import SourceParams
from pipeline.schema import COMPLETIONS
from pipeline.sources.locate import locate
from pipeline.sources.pull import pull
from pipeline.sources.remote_files import remote_files
from pipeline.tables import read_lineage, read_table

ROW = {"prompt": "p", "chosen": "a", "rejected": "b"}
LINE = json.dumps(ROW).encode() + b"\n"


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """fsspec's file system in memory, emptied before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; what was asked for is counted."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A web server's address, its folder and what was fetched."""
    folder = tmp_path / "web"
    folder.mkdir()
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder, asked
    server.shutdown()
    thread.join()
    server.server_close()


def refusal(url: str, cache: Path) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        remote_files(url, cache)
    assert "s3cr3t" not in caught.value.paragraph()
    return caught.value


def test_a_file_of_the_web_is_fetched_once_for_each_state(
    tmp_path: Path, web: tuple[str, Path, list[str]]
) -> None:
    address, folder, asked = web
    (folder / "a b.jsonl").write_bytes(LINE)
    url = f"{address}/a%20b.jsonl?download=true"
    (first,) = remote_files(url, tmp_path / "cache")
    assert (first.name, first.url) == ("a b.jsonl", f"{address}/a%20b.jsonl")
    assert first.path.read_bytes() == LINE
    assert first.path.parent.parent == tmp_path / "cache"
    assert remote_files(url, tmp_path / "cache") == [first]
    assert len(asked) == 1
    (folder / "a b.jsonl").write_bytes(LINE * 2)
    os.utime(folder / "a b.jsonl", (1, 1))
    (second,) = remote_files(url, tmp_path / "cache")
    assert second.path != first.path
    assert (second.path.read_bytes(), first.path.read_bytes()) == (LINE * 2, LINE)
    assert len(asked) == 2


def test_a_folder_or_a_glob_is_all_its_data_in_order(tmp_path: Path, memory: MemoryFileSystem) -> None:
    for name in ("b.jsonl", "c/a.csv", "README.md", ".x.jsonl", "c/.git/y.jsonl"):
        memory.pipe(f"/d/{name}", LINE)
    found = remote_files("memory://d", tmp_path)
    assert [(one.name, one.url) for one in found] == [
        ("b.jsonl", "memory:///d/b.jsonl"),
        ("c/a.csv", "memory:///d/c/a.csv"),
    ]
    assert [one.path.read_bytes() for one in found] == [LINE, LINE]
    assert [one.name for one in remote_files("memory://d/*.jsonl", tmp_path)][-1] == "b.jsonl"
    assert [one.name for one in remote_files("memory://d/c/a.csv", tmp_path)] == ["a.csv"]


def test_what_tables_and_lineage_record_holds_the_url_and_the_hash_and_no_local_path(
    tmp_path: Path, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    memory.pipe("/d/a.jsonl", LINE)
    params = SourceParams(kind="ultrafeedback_binarized", path="memory://d/a.jsonl")
    located = locate(params)
    assert list(located.files) == ["a.jsonl"]
    assert located.files["a.jsonl"].parts[:2] == (".cache", "sources")
    pull(params, tmp_path / "pull", tmp_path / "pull.json")
    table = tmp_path / "pull/completions.parquet"
    assert read_table(table, COMPLETIONS)["file"].unique().to_list() == ["a.jsonl"]
    assert read_lineage(table) == {
        "kind": "ultrafeedback_binarized",
        "urls": {"a.jsonl": "memory://d/a.jsonl"},
        "files": [{"name": "a.jsonl", "sha256": sha256_file(located.files["a.jsonl"])}],
    }


def test_a_download_that_breaks_off_leaves_nothing_and_the_next_is_whole(
    tmp_path: Path, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/d/a.jsonl", LINE * 9)
    whole = MemoryFileSystem.get_file

    def half(self: Any, place: str, target: str, **kwargs: Any) -> None:
        Path(target).write_bytes(LINE)

    def broken(self: Any, place: str, target: str, **kwargs: Any) -> None:
        Path(target).write_bytes(LINE)
        raise ConnectionError("reset by peer")

    for get, problem, found in (
        (half, "A download broke off", f"{len(LINE)} bytes"),
        (broken, "A remote file could not be downloaded", "ConnectionError: reset by peer"),
    ):
        monkeypatch.setattr(MemoryFileSystem, "get_file", get)
        error = refusal("memory://d/a.jsonl", tmp_path)
        assert (error.problem, error.file, error.found) == (problem, "memory://d/a.jsonl", found)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.setattr(MemoryFileSystem, "get_file", whole)
    (one,) = remote_files("memory://d/a.jsonl", tmp_path)
    assert one.path.read_bytes() == LINE * 9


def test_what_is_not_there_is_named(tmp_path: Path, web: tuple[str, Path, list[str]]) -> None:
    error = refusal(f"{web[0]}/none.jsonl?part=s3cr3t", tmp_path)
    assert (error.problem, error.file) == ("A remote file was not found", f"{web[0]}/none.jsonl")
    assert refusal("memory://none/a.jsonl", tmp_path).problem == "A remote file was not found"
    assert refusal("memory://none/*.jsonl", tmp_path).problem == (
        "A remote folder or pattern holds no data files"
    )


def test_a_file_of_an_unknown_kind_is_not_fetched(tmp_path: Path, web: tuple[str, Path, list[str]]) -> None:
    (web[1] / "a.zip").write_bytes(b"x")
    assert refusal(f"{web[0]}/a.zip", tmp_path).problem == "A source file is of an unknown kind"
    assert web[2] == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://key:s3cr3t@bucket/a.jsonl", "a user before the host"),
        ("https://me:s3cr3t@example.org/a.jsonl", "a user before the host"),
        ("https://s3cr3t@example.org/a.jsonl", "a user before the host"),
        ("https://b.example.org/a.jsonl?X-Amz-Signature=s3cr3t&x=1", "X-Amz-Signature in the query"),
        ("https://example.org/a.jsonl?sv=1&sig=s3cr3t", "sig in the query"),
        ("https://example.org/a.jsonl?access_token=s3cr3t", "access_token in the query"),
    ],
    ids=["s3", "password", "user", "aws", "azure", "token"],
)
def test_a_url_with_credentials_is_refused_and_they_are_not_repeated(
    tmp_path: Path, url: str, found: str
) -> None:
    error = refusal(url, tmp_path)
    assert (error.problem, error.key, error.found) == ("A URL holds credentials", "source.path", found)
    assert "environment" in str(error.hint)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/a.jsonl", "pip install s3fs"),
        ("gs://bucket/a.jsonl", "pip install gcsfs"),
        ("sftp://me@host/a.jsonl", "pip install paramiko"),
        ("nothing://host/a.jsonl", "Name one of abfs"),
    ],
    ids=["s3", "gs", "sftp", "unknown"],
)
def test_a_driver_that_is_missing_is_named_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    scheme = url.partition(":")[0]

    def missing(*args: Any, **kwargs: Any) -> None:
        raise ValueError("not known") if scheme == "nothing" else ImportError("no module")

    monkeypatch.setattr("pipeline.sources.remote_files.url_to_fs", missing)
    error = refusal(url, tmp_path)
    assert error.problem == f"There is no driver here for {scheme}:// URLs"
    assert said in str(error.hint)


def test_a_chain_of_urls_is_refused(tmp_path: Path) -> None:
    error = refusal("zip://a.jsonl::memory://d/a.zip", tmp_path)
    assert (error.problem, error.found) == ("A URL is a chain of URLs", "::")
