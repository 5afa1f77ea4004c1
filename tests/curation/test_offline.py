"""Export, import and review as commands in a small project, down to the decisions file."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.curation.annotations import AUDIT, read_annotations
from pipeline.curation.decisions import read_decisions
from pipeline.curation.replay import apply_decisions
from pipeline.curation.sent import read_sent
from pipeline.errors import PipelineError
from pipeline.schema import CLUSTERED_PAIRS
from pipeline.tables import read_table, write_table
from tests.curation.queues import pair_id

ROOT = Path(__file__).parents[2]
PAIRS = Path("data/dedupe/pairs.parquet")
DECISIONS = Path("curation/decisions.jsonl")


def pair(number: int, **more: Any) -> dict[str, Any]:
    fixed = {"chosen_score": 5.0, "rejected_score": 2.0, "margin": 3.0, "source": "s"}
    return {
        **dict.fromkeys(CLUSTERED_PAIRS.columns),
        **fixed,
        "pair_id": pair_id(number),
        "prompt_id": f"p{number}",
        "row_id": f"r{number}",
        "cluster_id": f"c{number}",
        "prompt": [{"role": "user", "content": f"What is {number}?"}],
        "chosen": f"=good({number})\r\nyes",
        "rejected": f"bad {number} \x1b[2J",
        **more,
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [pair(number) for number in range(6)]
    write_table(pl.DataFrame(rows, schema=CLUSTERED_PAIRS.schema()), PAIRS, CLUSTERED_PAIRS)
    DECISIONS.parent.mkdir()
    DECISIONS.touch()
    weights = "{random: 1.0, disagreement: 0.0, small_margin: 0.0, suspects: 0.0}"
    Path("params.yaml").write_text(f"curate: {{queue: {{size: 4, weights: {weights}}}}}\n")
    return tmp_path


def run(*arguments: str) -> str:
    """What a command of ``curate`` prints."""
    result = CliRunner().invoke(app, ["curate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def filled_in(path: Path, *answers: dict[str, Any]) -> None:
    """Fill in an exported file, as an annotator does."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    else:
        rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    for row, answer in zip(rows, answers, strict=False):
        row.update(answer)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def better(side: str) -> list[str]:
    """A or B for each row of the export: where that side stood."""
    return ["A" if line.first == side else "B" for line in read_sent(Path("curation/sent.jsonl"))]


def decided() -> dict[str, tuple[str, str | None, str | None]]:
    lines = read_decisions(DECISIONS).values()
    return {line.pair_id: (line.action, line.chosen, line.rejected) for line in lines}


@pytest.mark.parametrize("name", ["annotate.csv", "annotate.jsonl"])
def test_from_export_to_the_pairs_that_train(project: Path, name: str) -> None:
    file = Path(name)
    run("export", name)
    ids = [line.pair_id for line in read_sent(Path("curation/sent.jsonl"))]
    assert len(ids) == 4
    prefers_chosen, prefers_rejected = better("chosen"), better("rejected")
    filled_in(
        file,
        {"choice": prefers_chosen[0], "annotator": "anna"},
        {"choice": prefers_rejected[1], "annotator": "anna"},
        {"choice": "both_bad", "annotator": "anna"},
        {"choice": prefers_rejected[3], "annotator": "anna", "correction": "much better"},
    )
    assert "4 of these were not known before" in run("import", name)
    chosen, rejected = (f"=good({int(ids[3], 16)})\r\nyes", f"bad {int(ids[3], 16)} \x1b[2J")
    assert decided() == {
        ids[0]: ("keep", None, None),
        ids[1]: ("swap", None, None),
        ids[2]: ("drop", None, None),
        ids[3]: ("edit", "much better", chosen),
    }
    # None of them is stale, and the stage applies them to the very texts.
    before = read_table(PAIRS, CLUSTERED_PAIRS)
    after = {row["pair_id"]: row for row in _applied(before).iter_rows(named=True)}
    texts = {row["pair_id"]: (row["chosen"], row["rejected"]) for row in before.iter_rows(named=True)}
    assert (after[ids[0]]["chosen"], after[ids[0]]["rejected"]) == texts[ids[0]]
    assert (after[ids[1]]["rejected"], after[ids[1]]["chosen"]) == texts[ids[1]]
    assert ids[2] not in after
    assert (after[ids[3]]["chosen"], after[ids[3]]["rejected"]) == ("much better", chosen)
    assert rejected == texts[ids[3]][1]


def _applied(pairs: pl.DataFrame) -> pl.DataFrame:
    kept = apply_decisions(pairs, read_decisions(DECISIONS), "majority")[0]
    assert isinstance(kept, pl.DataFrame)
    return kept


def test_importing_again_changes_nothing_and_a_change_is_added(project: Path) -> None:
    run("export", "annotate.csv", "--annotator", "anna")
    answers = [{"choice": choice} for choice in better("chosen")]
    filled_in(Path("annotate.csv"), *answers[:2])
    run("import", "annotate.csv")
    before = (DECISIONS.read_bytes(), AUDIT.read_bytes())
    assert "0 of these were not known before" in run("import", "annotate.csv")
    assert (DECISIONS.read_bytes(), AUDIT.read_bytes()) == before
    filled_in(Path("annotate.csv"), {"choice": better("rejected")[0]}, answers[1], answers[2])
    assert "2 of these were not known before" in run("import", "annotate.csv")
    ids = [line.pair_id for line in read_sent(Path("curation/sent.jsonl"))]
    actions = {id: action for id, (action, _, _) in decided().items()}
    assert actions == {ids[0]: "swap", ids[1]: "keep", ids[2]: "keep"}
    assert len(read_decisions(DECISIONS)) == 4


def test_a_fault_changes_nothing(project: Path) -> None:
    run("export", "annotate.csv", "--annotator", "anna")
    filled_in(Path("annotate.csv"), {"choice": "A"}, {"choice": "C"})
    with pytest.raises(PipelineError) as caught:
        run("import", "annotate.csv")
    assert (caught.value.row, caught.value.column) == (3, "choice")
    assert DECISIONS.read_bytes() == b"" and not AUDIT.exists()


def test_a_correction_is_not_forgotten_when_another_file_is_imported(project: Path) -> None:
    run("export", "one.csv", "--annotator", "anna")
    answers = [{"choice": choice} for choice in better("chosen")]
    filled_in(Path("one.csv"), {**answers[0], "correction": "much better"})
    run("import", "one.csv")
    run("export", "two.jsonl")
    filled_in(Path("two.jsonl"), {}, answers[1])
    run("import", "two.jsonl", "--annotator", "ben")
    ids = [line.pair_id for line in read_sent(Path("curation/sent.jsonl"))]
    assert {id: action for id, (action, _, _) in decided().items()} == {ids[0]: "edit", ids[1]: "keep"}
    assert len(read_decisions(DECISIONS)) == 2


def test_pairs_too_long_for_a_cell_are_said(project: Path) -> None:
    rows = [pair(number, chosen="x" * 40_000) if number < 5 else pair(number) for number in range(6)]
    write_table(pl.DataFrame(rows, schema=CLUSTERED_PAIRS.schema()), PAIRS, CLUSTERED_PAIRS)
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("size: 4", "size: 6"))
    told = run("export", "annotate.csv")
    assert "1 pairs in annotate.csv" in told and "5 pairs were left out" in told
    assert all(pair_id(number) in told for number in range(5))


def test_review_needs_a_terminal(project: Path) -> None:
    with pytest.raises(PipelineError, match="no terminal"):
        run("review", "--annotator", "anna")


# --- a real terminal ------------------------------------------------------------------------------------


class Terminal:
    """A program at a pseudo-terminal."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self.output = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "curate", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **environment},
            start_new_session=True,
        )
        os.close(theirs)

    def see(self, text: str, seconds: float = 60.0) -> str:
        """Wait until a text has been printed; gives what was printed up to its end, and forgets that."""
        end = time.monotonic() + seconds
        while text.encode() not in self.output:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {text!r} in {self.output.decode(errors='replace')}"
            self.output += os.read(self._ours, 65536)
        before, found, self.output = self.output.partition(text.encode())
        return (before + found).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def test_review_at_a_real_terminal(project: Path) -> None:
    editor = project / "editor"
    editor.write_text('#!/bin/sh\nprintf "much better\\n" > "$1"\n')
    editor.chmod(0o755)
    terminal = Terminal(
        "review", "--annotator", "anna", EDITOR=str(editor), TERM="xterm", COLUMNS="90", LINES="50"
    )
    try:
        seen = terminal.see("0 of 4 done, 4 left")
        seen += terminal.see("quit")
        assert re.search(r"bad \d ␛\[2J", seen) and not re.search(r"bad \d \x1b", seen)
        # Typed ahead, all in one: a choice, a skip, and the last taken back.
        terminal.type("tsu")
        terminal.see("taken back")
        terminal.type("ea")
        terminal.see("now choose")
        assert read_annotations(project)["status"].to_list().count("draft") == 1
        terminal.type("a")
        terminal.see("2 of 4 done, 2 left")
        terminal.process.kill()
        terminal.process.wait()
    finally:
        terminal.close()
    # Killed: what was answered is kept, and the next session goes on from there.
    assert read_annotations(project)["status"].to_list() == ["submitted", "submitted"]
    assert DECISIONS.read_bytes() == b""
    terminal = Terminal("review", "--annotator", "anna", TERM="xterm", COLUMNS="90", LINES="50")
    try:
        terminal.see("2 of 4 done, 2 left")
        terminal.see("quit")
        terminal.type("n\x04")
        seen = terminal.see("dvc repro")
        assert "anna: 1 decided, 0 skipped, 1 left of the queue" in seen
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()
    actions = [action for action, _, _ in decided().values()]
    assert sorted(actions) == ["drop", "drop", "edit"]
    assert {line.where for line in read_sent(Path("curation/sent.jsonl"))} == {"review"}
