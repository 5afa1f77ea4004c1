"""Sample pairs to annotators and back, by the commands a person gives, and into what `dvc repro` makes."""

from __future__ import annotations

import html
from pathlib import Path

import polars as pl
import yaml

from pipeline.curation.sent import read_sent
from pipeline.schema import CLUSTERED_PAIRS, LEDGER
from pipeline.tables import read_table
from tests.argilla_server.running import WORKSPACE, ArgillaServer
from tests.project.tiny import copy_project, dvc, git, pipeline

ACTIONS = ("keep", "swap", "drop")


def test_repro_uses_the_decisions(argilla: ArgillaServer, tmp_path: Path, model_folder: Path) -> None:
    sample = {"source": {"sample": {"rows": 60, "seed": 7}}}
    clone = copy_project(
        tmp_path / "project", {**sample, "model": {"source": "path", "path": str(model_folder)}}
    )
    params = yaml.safe_load((clone / "params.yaml").read_text())
    params["curate"]["argilla"] |= {"dataset": "repro", "workspace": WORKSPACE, "min_submitted": 1}
    params["curate"]["queue"]["size"] = 6
    (clone / "params.yaml").write_text(yaml.safe_dump(params))
    git(clone, "commit", "-qam", "six pairs for Argilla")

    assert "Running stage 'curate'" in dvc(clone, "repro", "curate").stdout
    before = pairs(clone / "data/curate/pairs.parquet")
    assert before.equals(pairs(clone / "data/dedupe/pairs.parquet"))
    assert "6 pairs sent, 0 were there already" in pipeline(clone, "curate", "push")

    dataset = read_sent(clone / "curation/sent.jsonl")[0].where.partition("#")[2]
    texts = {row["pair_id"]: row for row in before.iter_rows(named=True)}
    waiting = sorted(argilla.queue_of("ann", dataset), key=lambda record: str(record["external_id"]))
    wanted = {}
    for number, record in enumerate(waiting):
        pair, action = texts[record["external_id"]], ACTIONS[number % 3]
        preferred = {"keep": pair["chosen"], "swap": pair["rejected"]}.get(action)
        is_first = html.unescape(record["fields"]["response_a"]) == preferred
        choice = "both_bad" if preferred is None else "A" if is_first else "B"
        argilla.respond("ann", record["id"], "submitted", preference=choice)
        wanted[record["external_id"]] = action
    assert "pairs: 6; completed 6, left 0" in pipeline(clone, "curate", "status")
    assert "6 decisions added" in pipeline(clone, "curate", "pull")

    # The decisions are the only thing that changed: what comes before them stands.
    again = dvc(clone, "repro", "curate").stdout
    assert again.count("Running stage") == 1
    assert "Running stage 'curate'" in again
    after = {row["pair_id"]: row for row in pairs(clone / "data/curate/pairs.parquet").iter_rows(named=True)}
    for pair_id, pair in texts.items():
        action, sides = wanted.get(pair_id, "keep"), (pair["chosen"], pair["rejected"])
        if action == "drop":
            assert pair_id not in after
        else:
            now = (after[pair_id]["chosen"], after[pair_id]["rejected"])
            assert now == (sides if action == "keep" else sides[::-1])
    dropped = read_table(clone / "data/curate/ledger.parquet", LEDGER)["pair_id"].to_list()
    assert sorted(dropped) == sorted(pair for pair, action in wanted.items() if action == "drop")

    # In git the decisions outlive everything else.
    git(clone, "add", "curation")
    git(clone, "commit", "-qm", "what annotators decided")
    assert "Running stage" not in dvc(clone, "repro", "curate").stdout
    assert "0 pairs sent, 6 were there already" in pipeline(clone, "curate", "push")


def pairs(path: Path) -> pl.DataFrame:
    return read_table(path, CLUSTERED_PAIRS).sort("pair_id")
