"""Records of runs: written by every stage that ends well, and never the reason that one fails."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.params import Params
from pipeline.runs import Run, peak_memory_bytes, read_runs, record_run
from stages import _stage


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record_run(tmp_path / "runs", "train", 1.23456)
    found = read_runs(tmp_path / "runs")["train"]
    assert (found.stage, found.seconds) == ("train", 1.235)
    assert found.peak_memory_bytes is not None and 10 << 20 < found.peak_memory_bytes < 1 << 40
    assert datetime.fromisoformat(found.finished).tzinfo is not None
    assert set(json.loads((tmp_path / "runs/train.json").read_text())) == set(Run.__dataclass_fields__)


def test_memory_is_in_bytes() -> None:
    before = peak_memory_bytes()
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    after = peak_memory_bytes()
    assert before is not None and after is not None and after >= max(before, 64 << 20)


def test_broken_records_are_left_out(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"stage": "c"}'), ("d", "null")):
        (tmp_path / f"{name}.json").write_text(text)
    assert read_runs(tmp_path) == {}
    assert read_runs(tmp_path / "nowhere") == {}


def test_a_folder_that_cannot_be_written_fails_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    record_run(tmp_path / "file", "pull", 1.0)
    assert "not recorded" in capsys.readouterr().err


def stage_that_ends_well(params: Params) -> None:
    pass


def stage_that_fails(params: Params) -> None:
    raise PipelineError("no")


@pytest.mark.parametrize(("rank", "recorded"), [(None, True), ("0", True), ("1", False)])
def test_a_stage_records_itself_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str | None, recorded: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("{}")
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    _stage.run(stage_that_ends_well)
    # The stage is named after its file.
    assert list(read_runs(_stage.RUNS)) == (["test_runs"] if recorded else [])


def test_a_stage_that_fails_records_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("{}")
    with pytest.raises(SystemExit):
        _stage.run(stage_that_fails)
    assert read_runs(_stage.RUNS) == {}
