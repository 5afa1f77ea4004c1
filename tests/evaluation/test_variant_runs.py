"""Variants run by DVC where one stage writes made-up scores: run once, and the workspace given back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from transformers import PreTrainedTokenizerFast

from pipeline.errors import PipelineError
from pipeline.evaluation.preference import score_pairs
from pipeline.evaluation.side_by_side import write_comparison
from pipeline.evaluation.statistics import Resampling
from pipeline.evaluation.variant_runs import run_variants
from pipeline.evaluation.variants import Comparison
from pipeline.evaluation.workspace import Workspace
from pipeline.params import TokenizeParams, load_params
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import HeldTable, write_table
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenize import tokenize_splits
from tests.conftest import make_model
from tests.report.conftest import split_pairs

ROOT = Path(__file__).parents[2]

STAGE = """
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
import polars as pl

from pipeline.params import TokenizeParams, load_params
from pipeline.schema import SPLIT_PAIRS
from pipeline.tables import HeldTable, write_table
from pipeline.tokens.shards import ShardSet
from pipeline.tokens.tokenize import tokenize_splits
from tests.conftest import make_model
from tests.report.conftest import split_pairs
from pipeline.schema import EVALUATED_PAIRS, GENERATIONS
from pipeline.tables import write_table

with Path("ran.txt").open("a") as ran:
    ran.write("x")
lr = load_params().train.lr
if lr == 0.5:
    sys.exit("no such luck")
rows = []
for model, logp in (("base", -9.0), ("trained", -lr)):
    row = {{name: 1 for name in EVALUATED_PAIRS.columns}}
    row |= dict.fromkeys(("source", "chosen_model", "rejected_model"), "s")
    row |= {{"pair_id": "p", "prompt_id": "q", "model": model, "chosen_logp": logp, "correct": True}}
    rows.append(row)
frame = pl.DataFrame(rows, schema=EVALUATED_PAIRS.schema())
folder = Path("data/evaluate")
folder.mkdir(parents=True, exist_ok=True)
write_table(frame, folder / "pairs.parquet", EVALUATED_PAIRS)
write_table(GENERATIONS.empty(), folder / "generations.parquet", GENERATIONS)
curves = Path("metrics/train/plots/metrics")
curves.mkdir(parents=True, exist_ok=True)
(curves / "loss.tsv").write_text(f"step\\tloss\\n0\\t{{lr}}\\n")
"""

DVC = {
    "stages": {
        "evaluate": {
            "cmd": "python make.py",
            "deps": ["make.py"],
            "params": ["train.lr"],
            "outs": [{"data/evaluate": {"persist": True}}],
            "plots": [{"metrics/train/plots/metrics": {"cache": False, "persist": True}}],
        }
    }
}


KILLED = """
import os
from pathlib import Path
from pipeline.evaluation.workspace import Workspace
workspace = Workspace(Path())
lent = workspace.lent()
lent.__enter__()
workspace.dvc(["exp", "run", "-S", "train.lr=0.0625"], quiet=True)
os._exit(9)
"""
"""A comparison that ends in the middle of a variant, without a chance to clean up."""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def comparison(**rates: float) -> Comparison:
    variants = [{"name": name, "set": {"train.lr": rate}} for name, rate in rates.items()]
    return Comparison.model_validate({"variants": variants})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with its own run of the stage committed."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("DVC_NO_ANALYTICS", "GIT_TERMINAL_PROMPT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "test")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "test@example.invalid")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "test")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "test@example.invalid")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    (folder / "make.py").write_text(STAGE.format(root=str(ROOT)))
    (folder / "dvc.yaml").write_text(yaml.safe_dump(DVC))
    (folder / ".gitignore").write_text("/data\n/.cache\n/ran.txt\n")
    git(folder, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    Workspace(folder).dvc(["repro", "--quiet"], quiet=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return folder


def runs(folder: Path) -> int:
    """How often the stage ran."""
    return len((folder / "ran.txt").read_text())


def test_variants_run_once_and_leave_the_workspace_as_it_was(project: Path) -> None:
    own = (project / "data/evaluate/pairs.parquet").read_bytes()
    assert runs(project) == 1
    found = run_variants(project, comparison(one=0.25, two=0.125))
    assert [each.name for each in found] == ["one", "two", "base"]
    assert [each.pairs["chosen_logp"].to_list() for each in found] == [[-0.25], [-0.125], [-9.0]]
    assert [each.pairs["model"].to_list() for each in found] == [["one"], ["two"], ["base"]]
    assert found[1].curves.rows() == [("two", "loss", 0, 0.125)]
    assert runs(project) == 3

    def is_as_it_was() -> None:
        assert git(project, "status", "--short") == ""
        assert (project / "data/evaluate/pairs.parquet").read_bytes() == own
        assert load_params(project / "params.yaml").train.lr == 2e-4

    is_as_it_was()
    names = Workspace(project).dvc(["exp", "list", "--name-only"], quiet=True).split()
    assert sorted(names) == sorted(str(each.experiment) for each in found[:2])

    # One more, which fails; those before it do not run again, and nothing of the user's is lost.
    with pytest.raises(PipelineError, match="exp run"):
        run_variants(project, comparison(one=0.25, two=0.125, bad=0.5))
    assert runs(project) == 4
    is_as_it_was()

    # Killed while a variant is at work: what it had done is kept for it.
    workspace = Workspace(project)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False).returncode == 9
    assert runs(project) == 5 and git(project, "status", "--short")
    params = project / "params.yaml"
    with pytest.raises(PipelineError, match="params were changed since"), Workspace(project).lent():
        pass
    shutil.copyfile(workspace.own_params, params)
    again = run_variants(project, comparison(two=0.125))
    assert again[0].pairs["chosen_logp"].to_list() == [-0.125]
    assert runs(project) == 5
    is_as_it_was()

    # An artifact changed by hand has no copy to bring back.
    (project / "data/evaluate/pairs.parquet").write_bytes(b"mine")
    with pytest.raises(PipelineError, match="a comparison would lose it"):
        run_variants(project, comparison(one=0.25))
    assert (project / "data/evaluate/pairs.parquet").read_bytes() == b"mine"


def test_a_clone_that_never_pulled_compares_too(project: Path) -> None:
    """dvc.lock names artifacts that are neither here nor in the cache."""
    shutil.rmtree(project / "data")
    shutil.rmtree(project / ".dvc/cache")
    found = run_variants(project, comparison(one=0.25))
    assert found[0].pairs["chosen_logp"].to_list() == [-0.25]
    assert git(project, "status", "--short") == "" and not (project / "data/evaluate").exists()
    assert load_params(project / "params.yaml").train.lr == 2e-4


def test_a_model_that_is_there_is_loaded_and_measured(
    project: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = make_model(seed=5)
    model.save_pretrained("models/published")
    tokenizer.save_pretrained("models/published")
    pairs = split_pairs(4, 200, "test")
    write_table(pairs, Path("data/split/test.parquet"), SPLIT_PAIRS)
    limits = TokenizeParams(max_length=1024)
    tokenize_splits({"test": HeldTable(pairs)}, tokenizer, limits, Path("data/tokenize"))
    small = {"max_new_tokens": 3, "samples": 0, "score_dtype": "float32", "generate_dtype": "float32"}
    Path("params.yaml").write_text(yaml.safe_dump({"evaluate": small}))

    named = {"variants": [{"name": "mine", "model": "models/published"}]}
    [found] = run_variants(project, Comparison.model_validate(named))
    assert (found.name, found.split, found.model, found.experiment) == (
        "mine",
        "test",
        "models/published",
        None,
    )
    direct = score_pairs(model.eval(), "mine", ShardSet(Path("data/tokenize"), "test"), 2, 8, "float32")
    by_pair = dict(direct.select("pair_id", "log_odds_margin").rows())
    assert dict(found.pairs.select("pair_id", "log_odds_margin").rows()) == pytest.approx(by_pair, rel=1e-5)
    assert found.pairs["model"].unique().to_list() == found.answers["model"].unique().to_list() == ["mine"]
    assert found.answers.height == 4 and found.curves.is_empty()
    assert runs(project) == 1

    [shown] = write_comparison(project / "data/compare", [found], Resampling(200, 0))["variants"]
    assert (shown["model"], shown["set"], set(shown["cost"].values())) == ("models/published", {}, {None})
    assert shown["metrics"]["log_odds_margin"]["value"] == pytest.approx(sum(by_pair.values()) / 4, rel=1e-5)
    assert pl.read_parquet(project / "data/compare/curves.parquet").is_empty()
