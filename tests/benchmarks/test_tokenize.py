"""The parts of the tokenising benchmark at a size of a few pairs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from benchmarks import tokenize, tokenizing, trials
from pipeline.errors import PipelineError
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import write_table
from pipeline.tokens.shards import ShardSet

ROOT = Path(__file__).parents[2]
MAIN = ("speedup_vs_trl", "identical_ids", "share_of_ceiling")
ROWS = [
    {"prompt": "q", "chosen": "good", "rejected": "bad"},
    {"prompt": "q", "chosen": "same", "rejected": "same"},
    {"prompt": "q", "chosen": "good", "rejected": "bad"},
    {"prompt": "r\n", "chosen": " a  b ", "rejected": ""},
]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, pairs: Path, model_folder: Path) -> Path:
    """What contestants are given."""
    folder = tmp_path / "contest"
    folder.mkdir()
    (folder / tokenizing.MODEL).symlink_to(model_folder)
    rows = tokenize.read_pairs(pairs)
    write_table(rows, folder / tokenizing.PAIRS, SPLIT_PAIRS)
    assert tokenizing.prepare_rows(rows, folder)["rows"] == 2
    return folder


def test_each_pair_is_read_once_and_ties_are_left_out(pairs: Path) -> None:
    rows = tokenize.read_pairs(pairs)
    assert rows.select("chosen", "rejected").rows() == [("good", "bad"), (" a  b ", "")]
    assert rows["prompt"].to_list() == [[{"role": "user", "content": text}] for text in ("q", "r\n")]


def test_copies_differ_in_every_text(pairs: Path) -> None:
    rows = tokenize.read_pairs(pairs, copies=3)
    assert rows["chosen"].to_list() == ["good", " a  b ", "1 good", "1  a  b ", "2 good", "2  a  b "]
    assert rows["pair_id"].n_unique() == 6


def test_pairs_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="The pairs cannot be read"):
        tokenize.read_pairs(tmp_path / "nothing.jsonl")


def test_what_trl_writes_after_the_first_eos_is_cut() -> None:
    row = {"prompt_input_ids": [1, 9]}
    for side, ids in (("chosen", [1, 9, 5, 9, 7, 9]), ("rejected", [1, 9, 6])):
        row |= {f"{side}_input_ids": ids, f"{side}_labels": [-100, -100, *ids[2:]]}
    # The prompt's own EOS stays; a response without any is left as it is.
    assert tokenizing._without_doubled_eos(row, 2, eos=9) == row | {
        "chosen_input_ids": [1, 9, 5, 9],
        "chosen_labels": [-100, -100, 5, 9],
    }


def test_ours_and_the_ceiling(folder: Path) -> None:
    found = tokenizing.ours(folder)
    assert found["encoder"] in ("transformers", "fastokens", "tokie")
    assert found["seconds"] > 0
    shards = ShardSet(folder / "ours", "train")
    assert len(shards) == 2
    alone = tokenizing.ceiling(folder)
    # The texts that have to be encoded are the very ones whose tokens lie in the shards.
    assert alone["tokens"] == sum(
        len(pair.prompt_ids) + len(pair.chosen_ids) + len(pair.rejected_ids) for pair in shards
    )


def test_ids_are_those_of_trl(folder: Path) -> None:
    pytest.importorskip("trl", reason="trl is not installed (extra bench)")
    tokenizing.ours(folder)
    assert tokenizing.trl(folder)["seconds"] > 0
    assert tokenizing.compare(folder) == {
        "pairs": 2,
        "identical": 2,
        "merged_boundaries": 0,
        "eos_doubled_by_trl": 2,
        "different": [],
    }
    # One token of one response changed: the pair is told.
    theirs = pl.read_parquet(folder / "trl-tokens.parquet")
    changed = theirs.with_columns(pl.col("rejected_input_ids").list.eval(pl.element() + 1))
    changed.write_parquet(folder / "trl-tokens.parquet")
    assert tokenizing.compare(folder)["identical"] == 0


def test_the_main_figures_by_hand() -> None:
    details: dict[str, Any] = {name: {"seconds": 1.0} for name in ("ceiling", "ours")}
    details |= {"trl": {"seconds": 30.0}, "trl_2": {"seconds": 24.0}, "ours": {"seconds": 2.0}}
    details["agreement"] = {"pairs": 8, "identical": 6}
    assert tokenizing.main_figures(details) == {
        "speedup_vs_trl": 12.0,  # over the faster of TRL's two ways
        "identical_ids": 0.75,
        "share_of_ceiling": 0.5,
    }


def test_the_main_figures_stand_on_top(
    tmp_path: Path, pairs: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alternate(module: str, names: tuple[str, ...], folder: Path, rounds: int) -> dict[str, trials.Trial]:
        assert (folder / tokenizing.PAIRS).is_file()
        seconds = dict(zip(names, (2.0, 30.0, 24.0, 1.0), strict=True))
        return {name: trials.Trial([seconds[name]] * rounds, [100.0] * rounds) for name in names}

    monkeypatch.setattr(trials, "alternate", alternate)
    monkeypatch.setattr(trials, "contest", lambda *given: {"pairs": 4, "identical": 4})
    monkeypatch.setattr(tokenize, "version", lambda name: "1.0")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    figures = tokenize.measure(pairs, 2, model_folder, scratch, rounds=2)
    assert {name: figures[name] for name in MAIN} == dict(zip(MAIN, (12.0, 1.0, 0.5), strict=True))
    assert set(figures) == {*MAIN, "details"}
    assert (figures["details"]["pairs"], figures["details"]["rounds"]) == (4, 2)
    assert json.loads(tokenizing.dumped(figures)) == {name: figures[name] for name in MAIN}


def test_the_command_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "tokenize.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in ("--json", "--pairs", "--copies", "--model", "--rounds"):
        assert option in done.stdout
