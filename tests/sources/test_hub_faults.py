"""A hub that hangs, fails, breaks off or lies: an error in bounded time, nothing half-written, a way on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http

from pipeline import hub_download
from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.prompt_files import hub_file
from pipeline.params import HubParams, ModelParams, SourceParams
from pipeline.schema import COMPLETIONS
from pipeline.sources.hub import fetch
from pipeline.sources.pull import pull
from pipeline.tables import read_table
from pipeline.training.base_model import pull_model
from tests.sources.hub_server import COMMIT, Fault, HubServer, Place, hub_server

TIMEOUT = 0.2
HANG = 20.0
"""Seconds that the server keeps silent: one request without a time-out takes as long."""
ROW = {
    "source": "made",
    "instruction": "Name a colour.",
    "completions": [
        {"model": "a", "response": "Red is one.", "overall_score": 8.0},
        {"model": "b", "response": "Grass.", "overall_score": 3.0},
    ],
}
HUB = HubParams(repo="me/data", revision=COMMIT)


class _Clock:
    """The module ``time`` with a sleep that only keeps count."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(_http, "time", clock)
    monkeypatch.setattr(file_download, "time", clock)
    return clock


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> Iterator[HubServer]:
    """A hub with two data files of one row each, an empty cache, and short time-outs."""
    names = ("a.jsonl", "b.jsonl")
    rows = [json.dumps({**ROW, "source": name}).encode() + b"\n" for name in names]
    with hub_server(dict(zip(names, rows, strict=True)), HANG) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", TIMEOUT)
        # Bytes that a download keeps when it is cut: none of it would be left of files this small.
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 16)
        yield server


def pulled(folder: Path) -> None:
    """The stage's work: both files, into a new folder."""
    params = SourceParams(kind="ultrafeedback", hub=HUB)
    pull(params, folder, folder.parent / "pull.json")


def sources(folder: Path) -> list[str]:
    return sorted(set(read_table(folder / "completions.parquet", COMPLETIONS)["source"]))


FAULTS: list[tuple[Place, Fault]] = [
    ("tree", "hang"),
    ("tree", "500"),
    ("tree", "429"),
    ("tree", "429 for an hour"),
    ("head", "hang"),
    ("head", "500"),
    ("file", "hang"),
    ("file", "500"),
    ("file", "429"),
    ("file", "429 for an hour"),
    ("file", "cut without range"),
    ("file", "wrong length"),
    ("file", "wrong bytes"),
]


def test_every_fault_of_the_server_is_tried() -> None:
    # A download that is cut and goes on where it was cut ends well: a test of its own.
    assert {fault for _, fault in FAULTS} | {"none", "cut"} == set(get_args(Fault))


@pytest.mark.parametrize(("place", "fault"), FAULTS, ids=[f"{place}-{fault}" for place, fault in FAULTS])
def test_a_failing_hub_ends_in_an_error_and_leaves_nothing_half_written(
    hub: HubServer, clock: _Clock, tmp_path: Path, place: Place, fault: Fault
) -> None:
    hub.faults = {place: fault}
    begun = time.monotonic()
    with pytest.raises(PipelineError) as caught:
        pulled(tmp_path / "out")
    assert time.monotonic() - begun < HANG
    assert clock.slept <= 120
    assert caught.value.hint and ("source.hub" in str(caught.value) or fault == "wrong bytes")
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.partial").exists()

    if fault == "wrong bytes":
        # What the error names is what has to go.
        assert caught.value.file is not None
        for blob in (tmp_path / "hub").rglob("blobs/*"):
            blob.unlink()
    hub.faults = {}
    pulled(tmp_path / "out")
    assert sources(tmp_path / "out") == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize("fault", ["500", "429", "cut", "hang"])
def test_a_fault_that_passes_is_overcome(hub: HubServer, tmp_path: Path, fault: Fault) -> None:
    hub.faults, hub.failures = {"file" if fault in ("cut", "hang", "429") else "head": fault}, 2
    pulled(tmp_path / "out")
    assert sources(tmp_path / "out") == ["a.jsonl", "b.jsonl"]


def test_a_download_goes_on_where_it_was_cut(hub: HubServer, tmp_path: Path) -> None:
    """Each try brings half of what is missing, and asks for another range."""
    hub.faults, hub.failures = {"file": "cut"}, 5
    pulled(tmp_path / "out")
    assert sum("Range" in headers for headers in hub.headers) == 5
    assert sources(tmp_path / "out") == ["a.jsonl", "b.jsonl"]


def test_a_branch_of_a_hub_that_says_nothing(hub: HubServer, tmp_path: Path) -> None:
    """The client itself sets no time-out on this request."""
    hub.faults = {"revision": "hang"}
    begun = time.monotonic()
    with pytest.raises(PipelineError, match="could not be downloaded"):
        fetch("ultrafeedback", HubParams(repo="me/data", revision="main"))
    assert time.monotonic() - begun < HANG


def test_half_a_snapshot_is_not_taken_for_whole(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file came, then the hub went away: its folder lies there, and is not the dataset."""
    hub.faults, hub.failures = {"file": "500"}, 1
    with pytest.raises(PipelineError, match="could not be downloaded"):
        pulled(tmp_path / "out")
    assert len(list((tmp_path / "hub").rglob("snapshots/*/*.jsonl"))) == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PipelineError, match="could not be downloaded"):
        pulled(tmp_path / "out")


def test_without_network_what_was_downloaded_is_used_and_the_hub_is_not_asked(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(tmp_path / "first")
    asked = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    pulled(tmp_path / "second")
    assert len(hub.requests) == asked
    first, second = (tmp_path / name / "completions.parquet" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_a_hub_that_is_down_does_not_matter_once_all_was_downloaded(hub: HubServer, tmp_path: Path) -> None:
    pulled(tmp_path / "first")
    hub.faults = {"tree": "500", "head": "500", "file": "500"}
    pulled(tmp_path / "second")
    assert sources(tmp_path / "second") == ["a.jsonl", "b.jsonl"]


def test_a_flipped_bit_in_the_hubs_cache_is_found(hub: HubServer, tmp_path: Path) -> None:
    pulled(tmp_path / "out")
    blob = sorted((tmp_path / "hub").rglob("blobs/*"))[0]
    blob.write_bytes(blob.read_bytes().replace(b"Red", b"Rad"))
    with pytest.raises(PipelineError, match="damaged on the way, or in the cache") as caught:
        pulled(tmp_path / "again")
    assert caught.value.file == str(blob.resolve())
    blob.unlink()
    pulled(tmp_path / "again")
    names = ("completions.parquet", "ledger.parquet")
    assert all((tmp_path / "out" / n).read_bytes() == (tmp_path / "again" / n).read_bytes() for n in names)


def test_files_that_git_names_are_checked_by_gits_hash(tmp_path: Path) -> None:
    blob = (
        tmp_path / "blobs/b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
    )  # printf hello | git hash-object --stdin
    blob.parent.mkdir()
    blob.write_bytes(b"hello")
    link = tmp_path / "config.json"
    link.symlink_to(blob)
    hub_download._check_blob(link)
    blob.write_bytes(b"jello")
    with pytest.raises(PipelineError, match="not what the hub says"):
        hub_download._check_blob(link)


@pytest.mark.parametrize("fault", ["hang", "cut without range", "wrong length"])
def test_a_model_comes_whole_or_not_at_all(
    hub: HubServer, model_folder: Path, tmp_path: Path, fault: Fault
) -> None:
    names = [path for path in sorted(model_folder.iterdir()) if path.name != "lineage.json"]
    hub.files = {path.name: path.read_bytes() for path in names}
    hub.faults = {"file": fault}
    params = ModelParams.model_validate({"source": "hub", "hub": {"repo": "me/tiny", "revision": COMMIT}})
    with pytest.raises(PipelineError, match="cannot be fetched from the hub"):
        pull_model(params, tmp_path / "base")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("base")] == []
    hub.faults = {}
    lineage = pull_model(params, tmp_path / "base")
    assert lineage["commit"] == COMMIT
    weights = "model.safetensors"
    assert (tmp_path / "base" / weights).read_bytes() == (model_folder / weights).read_bytes()


def test_a_benchmarks_file_is_waited_for_no_longer(hub: HubServer) -> None:
    def prompts() -> Path:
        return hub_file("me/data", "a.jsonl", COMMIT, "The benchmark x", "benchmarks.x.hub", "name a file")

    hub.faults = {"head": "hang"}
    with pytest.raises(PipelineError, match="The benchmark x could not be downloaded"):
        prompts()
    hub.faults = {}
    assert prompts().read_bytes() == hub.files["a.jsonl"]
    prompts().resolve().write_bytes(b"{}")
    with pytest.raises(PipelineError, match="damaged on the way, or in the cache"):
        prompts()
