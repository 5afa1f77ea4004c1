"""`python -m pipeline suspects` in a project of its own, with a tiny model."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.curation.texts_hash import texts_hashes
from pipeline.params import load_params
from pipeline.schema import SPLIT_PAIRS, SUSPECTS
from pipeline.suspect_commands import PARTS_FOLDER, SUSPECTS_FILE
from pipeline.tables import read_lineage, read_table
from stages import binarize, curate, decontaminate, dedupe, filter, pull, split, tokenize

SECTIONS = {
    "source": {"sample": {"rows": 24, "seed": 5}},
    "decontaminate": {"benchmarks": []},
    "split": {"validation": 0.0, "test": 0.0},
    "train": {"dtype": "float32", "batch_pairs": 8},
    "suspects": {"folds": 2, "epochs": 1},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    (folder / "models/base").symlink_to(model_folder)
    (folder / "curation").mkdir()
    (folder / "curation/decisions.jsonl").touch()
    (folder / "params.yaml").write_text(yaml.safe_dump(SECTIONS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in (pull, binarize, filter, decontaminate, dedupe, curate, split, tokenize):
            stage.main(load_params())
    return folder


def test_the_command_scores_every_training_pair_and_shows_the_worst(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["suspects", "--show", "2"])
    assert done.exit_code == 0, done.output
    found = read_table(SUSPECTS_FILE, SUSPECTS)
    pairs = read_table(Path("data/split/train.parquet"), SPLIT_PAIRS)
    assert found["pair_id"].sort().equals(pairs["pair_id"].sort())
    printed = [pair_id in done.output for pair_id in found["pair_id"]]
    assert printed == [True, True, *[False] * (found.height - 2)]
    hashes = pairs.select("pair_id", texts_hashes(pairs))
    assert found.join(hashes, on=["pair_id", "texts_sha256"]).height == found.height
    lineage = read_lineage(SUSPECTS_FILE)
    assert lineage["suspects"] == load_params().suspects.model_dump()
    assert lineage["run"]["train"]["objective"] == "orpo"
    assert not PARTS_FOLDER.exists()

    queued = CliRunner().invoke(app, ["curate", "queue"])
    assert queued.exit_code == 0, queued.output
    assert "No suspects" not in queued.output
    queue = pl.read_parquet("data/queue/queue.parquet")
    by_suspicion = queue.filter(pl.col("reasons").list.contains("suspects"))
    assert found["pair_id"][0] in by_suspicion["pair_id"].to_list()
    assert by_suspicion["suspicion"].null_count() == 0


def test_a_model_that_the_shards_are_not_made_for_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(SECTIONS))
    done = CliRunner().invoke(app, ["suspects"])
    assert done.exit_code != 0
    assert "manifest" in str(done.exception)
