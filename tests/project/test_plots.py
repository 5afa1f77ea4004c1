"""`dvc plots diff` compares the curves of two commits by the templates that dvc.yaml names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]


def test_curves_of_two_commits_lie_in_one_plot(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    shutil.copyfile(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    plots = [plot for plot in document["plots"] if "Funnel" not in plot]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}))
    run(folder, "git", "init", "-q")
    for place, scale in enumerate((1.0, 2.0)):
        for plot in plots:
            for file, column in next(iter(plot.values()))["y"].items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(f"step\t{column}\n0\t{scale}\n1\t{scale * 3}\n")
        run(folder, "git", "add", "-A")
        run(folder, "git", *IDENTITY, "commit", "-q", "-m", f"run {place}")
    drawn = json.loads(run(folder, "dvc", "plots", "diff", "HEAD~1", "HEAD", "--json", "--split"))
    assert set(drawn["data"]) == {name for plot in plots for name in plot}
    for name, (found,) in drawn["data"].items():
        assert sorted(found["revisions"]) == ["HEAD", "HEAD~1"], name
        points = found["anchor_definitions"]["<DVC_METRIC_DATA>"]
        assert {point["rev"] for point in points} == {"HEAD", "HEAD~1"}, name
    passes = drawn["data"]["Validation loss"][0]["content"]
    assert passes["mark"]["point"] == {"size": 60}


def run(folder: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
