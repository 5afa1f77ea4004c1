"""The guide to curation: its examples are valid, its script runs, and it names every fate and rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from pipeline.curation.decisions import read_decisions
from pipeline.curation.resolve import Rule
from pipeline.curation.texts_hash import texts_hash
from pipeline.errors import PipelineError
from pipeline.schema import CLUSTERED_PAIRS, FATES
from pipeline.tables import write_table

TEXT = (Path(__file__).parents[2] / "docs/curation.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of code in a language."""
    found, *_ = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def table_after(heading: str) -> list[str]:
    rows = TEXT.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()
    return [row.split("|")[1].strip() for row in rows if row.startswith("| ")]


def test_the_examples_are_valid_and_show_every_action(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text(block("jsonl"), encoding="utf-8")
    read = read_decisions(path)
    assert [item.action for item in read.values()] == ["keep", "swap", "drop", "edit", "edit"]


def test_the_fault_is_told_as_the_stage_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = block("jsonl").splitlines()
    lines[2] = lines[2].replace('"drop"', '"remove"')
    path = Path("curation/decisions.jsonl")
    path.parent.mkdir()
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(PipelineError) as caught:
        read_decisions(path)
    assert block("text") == f"error: {caught.value}\n"


def test_the_script_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs: list[dict[str, Any]] = [
        {
            **dict.fromkeys(CLUSTERED_PAIRS.columns),
            "pair_id": f"{number:016x}",
            "prompt": [{"role": "user", "content": "Hi"}],
            "chosen": "Hello",
            "rejected": rejected,
            **dict.fromkeys(("prompt_id", "row_id", "source", "cluster_id"), "x"),
        }
        for number, rejected in enumerate(("Go away", "TODO: greet"))
    ]
    frame = pl.DataFrame(pairs, schema=CLUSTERED_PAIRS.schema())
    write_table(frame, Path("data/dedupe/pairs.parquet"), CLUSTERED_PAIRS)
    exec(block("python"), {})
    assert capsys.readouterr().out == "1 lines written\n"
    (decision,) = read_decisions(Path("curation/decisions.jsonl")).values()
    assert (decision.pair_id, decision.action) == (pairs[1]["pair_id"], "drop")
    assert decision.texts_sha256 == texts_hash(pairs[1]["prompt"], "Hello", "TODO: greet")


def test_every_fate_and_rule_is_described() -> None:
    assert table_after("fate") == [f"`{fate}`" for fate in FATES]
    assert table_after("`resolve`") == [f"`{rule}`" for rule in get_args(Rule)]
