"""A bit that flips in an artifact: the stage that would read it stops and names the file."""

from __future__ import annotations

import os
import random
import runpy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.damage import find_damage
from pipeline.errors import PipelineError
from pipeline.files import write_json, write_text
from pipeline.params import Params
from pipeline.recorded import cached, changed_files, md5_file, recorded_files, recorded_outs
from pipeline.schema import LEDGER
from pipeline.stage_inputs import check_inputs
from pipeline.tables import write_table
from pipeline.tokens.shard_writer import write_shards
from stages import _stage
from tests.project.tiny import dvc, git

KINDS = {
    "Parquet": "data/made/ledger.parquet",
    "Arrow shard": "data/made/train/shard-00000.arrow",
    "JSON": "data/made/manifest.json",
    "JSON Lines": "data/made/stale.jsonl",
    "safetensors": "models/base/model.safetensors",
    "tokenizer": "models/base/tokenizer.json",
    "a file that is an out itself": "reports/report.json",
}
FLIPS = 25
"""Bits flipped in each kind, one at a time."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A project with an artifact of every kind, as the pipeline's writers make it, recorded by DVC itself."""
    root = tmp_path_factory.mktemp("recorded") / "project"
    made = root / "data/made"
    dropped = {"stage": "filter", "reason": "min_prompt_chars"}
    rows = [{**dropped, "pair_id": f"{number:016x}", "value": number / 7} for number in range(50)]
    write_table(pl.DataFrame(rows, schema=LEDGER.empty().schema), made / "ledger.parquet", LEDGER)
    ids = {"prompt_ids": [1, 2], "chosen_ids": [3, 2], "rejected_ids": [4, 2]}
    masks = {"prompt_mask": [False, False], "chosen_mask": [True, True], "rejected_mask": [True, True]}
    shards = made / "train"
    shards.mkdir()
    written = write_shards([{"pair_id": "0" * 16, **ids, **masks}], shards, 1)
    write_json(made / "manifest.json", written)
    write_text(made / "stale.jsonl", '{"pair_id": "00"}\n' * 40)
    shutil.copytree(model_folder, root / "models/base")
    write_json(root / "reports/report.json", {"pairs": 1})
    line = {
        "maker": {"cmd": "true", "outs": ["data/made", "models/base", "reports/report.json"]},
        "reader": {"cmd": "true", "deps": ["data/made", "models/base", "reports/report.json"]},
        "lineage": {"cmd": "true", "deps": ["models/base/lineage.json"]},
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": line}))
    git(root, "init", "-q")
    dvc(root, "init", "-q")
    dvc(root, "commit", "-f", "-q", "maker")
    return root


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """The file with a bit the other way for the length of a block; its size, time and inode stay."""
    facts, whole = path.stat(), path.read_bytes()
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    path.chmod(0o644)  # DVC's cache is read-only
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    try:
        yield
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        path.chmod(facts.st_mode & 0o777)


def any_bit(path: Path) -> int:
    return random.Random(path.name).randrange(path.stat().st_size * 8)


def test_what_dvc_recorded_is_found_unchanged(recorded: Path) -> None:
    check_inputs(recorded, "reader", weights=True)
    outs = recorded_outs(recorded)
    assert [out.path for out in outs] == ["data/made", "models/base", "reports/report.json"]
    files = [name for out in outs for name in recorded_files(recorded, out) or {}]
    assert set(KINDS.values()) < set(files)
    # Every file, and every file and both listings in the cache.
    assert find_damage(recorded).compared == 2 * len(files) + 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_stops_the_stage_that_reads_it(recorded: Path, kind: str) -> None:
    path = recorded / KINDS[kind]
    draw = random.Random(kind)
    for bit in [
        0,
        path.stat().st_size * 8 - 1,
        *(draw.randrange(path.stat().st_size * 8) for _ in range(FLIPS)),
    ]:
        with flipped(path, bit), pytest.raises(PipelineError, match="An input of the stage reader") as caught:
            check_inputs(recorded, "reader", weights=True)
        assert caught.value.file == KINDS[kind]
        assert "python -m pipeline damaged --remove" in str(caught.value.hint)
    check_inputs(recorded, "reader", weights=True)


def test_dvc_itself_does_not_see_it(recorded: Path) -> None:
    """Were it otherwise, there would be nothing to do here."""
    path = recorded / KINDS["Parquet"]
    with flipped(path, any_bit(path)):
        assert "up to date" in dvc(recorded, "status", "maker").stdout


@pytest.mark.parametrize("kind", ["Parquet", "safetensors"])
def test_without_the_listing_a_folder_is_compared_whole(recorded: Path, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "project"
    shutil.copytree(recorded, root)
    shutil.rmtree(root / ".dvc/cache")
    check_inputs(root, "reader", weights=True)
    path = root / KINDS[kind]
    with flipped(path, any_bit(path)), pytest.raises(PipelineError) as caught:
        check_inputs(root, "reader", weights=True)
    assert caught.value.file == str(Path(*Path(KINDS[kind]).parts[:2]))


def test_a_cache_elsewhere_is_found(recorded: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(recorded, root)
    (root / ".dvc/cache").rename(tmp_path / "shared cache")
    (root / ".dvc/config.local").write_text(
        "[cache]\n    dir = ../../shared cache\n['remote \"x\"']\n    url = %x\n"
    )
    path = root / KINDS["Parquet"]
    with flipped(path, any_bit(path)), pytest.raises(PipelineError) as caught:
        check_inputs(root, "reader", weights=True)
    assert caught.value.file == KINDS["Parquet"]


def test_a_stage_that_reads_no_weights_does_not_read_them_here_either(recorded: Path) -> None:
    path = recorded / KINDS["safetensors"]
    with flipped(path, any_bit(path)):
        check_inputs(recorded, "reader", weights=False)


def test_of_a_folder_only_what_the_stage_depends_on_is_compared(recorded: Path) -> None:
    path = recorded / KINDS["tokenizer"]
    with flipped(path, any_bit(path)):
        check_inputs(recorded, "lineage", weights=True)
    path = recorded / "models/base/lineage.json"
    with flipped(path, any_bit(path)), pytest.raises(PipelineError, match="stage lineage"):
        check_inputs(recorded, "lineage", weights=True)


def test_what_is_not_there_is_no_damage(tmp_path: Path) -> None:
    check_inputs(tmp_path, "reader", weights=True)
    assert find_damage(tmp_path).changed == []


def test_a_lock_that_is_no_yaml_is_an_error(recorded: Path, tmp_path: Path) -> None:
    shutil.copy(recorded / "dvc.yaml", tmp_path)
    (tmp_path / "dvc.lock").write_text("stages: [")
    with pytest.raises(PipelineError, match="A file of DVC cannot be read"):
        check_inputs(tmp_path, "reader", weights=True)


def test_the_command_names_what_is_damaged_and_takes_it_away(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    shutil.copytree(recorded, root)
    monkeypatch.chdir(root)
    run = CliRunner().invoke
    assert run(app, ["damaged"]).exit_code == 0

    here, copied = Path(KINDS["Parquet"]), cached(Path(), md5_file(Path(KINDS["safetensors"])))
    listing = cached(Path(), recorded_outs(Path())[0].md5)
    with flipped(here, any_bit(here)), flipped(copied, any_bit(copied)), flipped(listing, any_bit(listing)):
        told = run(app, ["damaged"])
        assert told.exit_code == 1
        assert {line.split(": MD5")[0] for line in told.output.splitlines()[:-1]} == {
            "data/made",  # its listing is lost, so its files have no hashes of their own
            str(copied),
            str(listing),
        }
        assert told.output.splitlines()[-1].endswith("3 damaged")
    with flipped(here, any_bit(here)), flipped(copied, any_bit(copied)):
        assert run(app, ["damaged", "--remove"]).exit_code == 0
        assert not here.exists() and not copied.exists()
        here.touch()
        copied.touch()
    shutil.rmtree(root)


def test_changed_files_are_told_with_both_hashes(recorded: Path) -> None:
    path = recorded / KINDS["JSON"]
    whole = md5_file(path)
    with flipped(path, any_bit(path)):
        (changed,) = changed_files(recorded, recorded_outs(recorded))
        assert (changed.path, changed.expected, changed.found) == (path, whole, md5_file(path))


@pytest.mark.parametrize(
    ("variables", "compared"),
    [
        ({"DVC_STAGE": "reader"}, True),
        ({"DVC_STAGE": "dvc.yaml:reader"}, True),
        ({}, False),
        ({"DVC_STAGE": "reader", "RANK": "1"}, False),
    ],
    ids=["under DVC", "with its file", "by hand", "a rank"],
)
def test_a_stage_compares_its_inputs_under_dvc(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], compared: bool
) -> None:
    monkeypatch.chdir(recorded)
    for name in ("DVC_STAGE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ran: list[str] = []

    def main(params: Params) -> None:
        ran.append("ran")

    monkeypatch.setattr(_stage, "load_params", Params)
    monkeypatch.setattr(_stage, "record_run", lambda *_: None)
    path = recorded / KINDS["Parquet"]
    with flipped(path, any_bit(path)):
        if compared:
            with pytest.raises(SystemExit):
                _stage.run(main)
        else:
            _stage.run(main)
    assert ran == ([] if compared else ["ran"])


READ_WEIGHTS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "train": ("train", {}, True),
    "evaluate": ("evaluate", {}, True),
    "reference of none": ("reference", {}, False),
    "reference of DPO": ("reference", {"train": {"objective": "dpo"}}, True),
    "no benchmark": ("benchmark", {}, False),
    "a benchmark": ("benchmark", {"benchmarks": {"ifeval": {"enabled": True}}}, True),
    "filter": ("filter", {}, False),
    "tokenize": ("tokenize", {}, False),
}


@pytest.mark.parametrize(("stage", "sections", "reads"), READ_WEIGHTS.values(), ids=READ_WEIGHTS)
def test_stages_say_whether_they_read_weights(
    monkeypatch: pytest.MonkeyPatch, stage: str, sections: dict[str, Any], reads: bool
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(_stage, "run", lambda main, weights=lambda _: False: given.append(weights))
    runpy.run_module(f"stages.{stage}", run_name="__main__")
    assert given[0](Params.model_validate(sections)) is reads
