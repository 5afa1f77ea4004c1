"""The worked examples of docs/extending.md, applied to a copy of the project and run."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project.tiny import copy_project, git, run

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")

FILTERING = """
import json
import polars as pl
from pipeline.pairs.filters import apply_filters
from pipeline.params import load_params
from pipeline.schema import PAIRS
prompt = [{"role": "user", "content": "Where?"}]
rows = [
    {**dict.fromkeys(PAIRS.columns), "pair_id": f"p{n}", "prompt_id": f"q{n}", "row_id": f"r{n}",
     "source": "s", "prompt": prompt, "chosen": f"See{' https://a.org' * n}", "rejected": f"No {n}"}
    for n in (1, 2, 3)
]
kept, ledger = apply_filters(load_params().filter, pl.DataFrame(rows, schema=PAIRS.schema()))
dropped = ledger.frame().select("pair_id", "reason", "value", "threshold").rows()
print(json.dumps({"kept": kept["pair_id"].to_list(), "dropped": dropped}))
"""

PULLING = """
import json
from pathlib import Path
import polars as pl
from pipeline.params import load_params
from pipeline.sources.pull import pull
pull(load_params().source, Path("data/pull"), Path("metrics/pull.json"))
read = pl.read_parquet("data/pull/completions.parquet")
ledger = pl.read_parquet("data/pull/ledger.parquet")
print(json.dumps({"completions": read.select("completion", "overall_score").rows(),
                  "prompt": read["prompt"][0].to_list(), "dropped": ledger["reason"].to_list()}))
"""


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n.*?(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group()


def blocks(title: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), flags=re.MULTILINE | re.DOTALL)


def extended(folder: Path, title: str, section_name: str, values: dict[str, Any]) -> Path:
    """A copy of the project with the example of a section in it, and these params."""
    copy_project(folder, {})
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")  # with its comments
    [patch] = blocks(title, "diff")
    (folder.parent / "example.patch").write_text(patch)
    git(folder, "apply", str(folder.parent / "example.patch"))
    paths = re.findall(r"^`(pipeline/\S+)`:$", section(title), flags=re.MULTILINE)
    for path, code in zip(paths, blocks(title, "python"), strict=True):
        (folder / path).write_text(code)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params[section_name] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def printed(folder: Path, code: str) -> Any:
    """The JSON a piece of code prints last that runs in the copy, with its package."""
    return json.loads(run(folder, sys.executable, "-c", code).stdout.splitlines()[-1])


@pytest.mark.parametrize("title", ["A filter", "A source"])
def test_an_example_has_fewer_than_forty_lines(title: str) -> None:
    lines = [line for patch in blocks(title, "diff") for line in patch.splitlines()]
    added = [line for line in lines if re.match(r"\+(?!\+\+)", line)]
    assert 5 < len(added) + sum(code.count("\n") for code in blocks(title, "python")) < 40


def test_the_filter_drops_what_it_should(tmp_path: Path) -> None:
    folder = extended(tmp_path / "project", "A filter", "filter", {"max_links": 2})
    dropped = [["p3", "too_many_links", 3.0, 2.0]]
    assert printed(folder, FILTERING) == {"kept": ["p1", "p2"], "dropped": dropped}


def test_the_source_is_read_into_completions(tmp_path: Path) -> None:
    accepted = {"text": "So.", "votes": 3, "accepted": True}
    rows = [
        {"title": "How?", "body": "I ask.", "answers": [accepted, {"text": "No."}]},
        {"title": "Why?", "answers": [{"votes": 1}]},
    ]
    source = {"kind": "stack_exchange", "path": "rows.jsonl", "on_bad_row": "drop", "max_bad_share": 0.5}
    folder = extended(tmp_path / "project", "A source", "source", source)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert printed(folder, PULLING) == {
        "completions": [["So.", 5.0], ["No.", 0.0]],
        "prompt": [{"role": "user", "content": "How?\n\nI ask."}],
        "dropped": ["null_value"],
    }
