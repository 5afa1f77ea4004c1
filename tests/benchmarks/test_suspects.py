"""benchmarks/suspects.py: a project is prepared once for its settings, and anew for others."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import suspects
from pipeline.errors import PipelineError
from pipeline.suspect_commands import SUSPECTS_FILE


@pytest.fixture
def base_model(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "lineage.json").write_text("{}")
    return folder


def test_scores_stay_with_their_settings_and_go_with_others(
    tmp_path: Path, base_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "STAGES", ())
    project = tmp_path / "project"
    scores = project / SUSPECTS_FILE
    suspects.prepare(project, {"tokenize.max_length": 256}, base_model)
    scores.parent.mkdir(parents=True)
    scores.write_bytes(b"scores of 256 tokens")
    suspects.prepare(project, {"tokenize.max_length": 256}, base_model)
    assert scores.read_bytes() == b"scores of 256 tokens"
    suspects.prepare(project, {"tokenize.max_length": 768}, base_model)
    assert not scores.exists()
    assert (project / "params.yaml").read_text() == "tokenize:\n  max_length: 768\n"


def test_without_a_base_model_nothing_is_prepared(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="There is no base model") as told:
        suspects.prepare(tmp_path / "project", {}, tmp_path / "none")
    assert told.value.hint == "Run `dvc repro pull_model`, or name one by --model"
    assert not (tmp_path / "project").exists()
