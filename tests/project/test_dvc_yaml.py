"""dvc.yaml agrees with the code, the params and the laws."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from pipeline.params import Params

ROOT = Path(__file__).parents[2]
STAGES = (
    "pull",
    "pull_model",
    "binarize",
    "filter",
    "decontaminate",
    "dedupe",
    "curate",
    "split",
    "tokenize",
    "reference",
    "train",
    "evaluate",
    "benchmark",
    "report",
)
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
KINDS_OF_OUT = ("outs", "metrics", "plots")


def params_value(key: str) -> Any:
    value: Any = Params().model_dump(by_alias=True)
    for part in key.split("."):
        value = value[part]
    return value


def outs(stage: str, *kinds: str) -> dict[str, dict[str, Any]]:
    """A stage's outs of these kinds, with their settings."""
    listed = [out for kind in kinds for out in DOCUMENT["stages"][stage].get(kind, [])]
    return {path: settings for out in listed for path, settings in dict(out).items()}


def all_outs() -> dict[str, str]:
    return {path: stage for stage in STAGES for path in outs(stage, *KINDS_OF_OUT)}


def test_stages_are_those_of_the_flow_in_its_order() -> None:
    assert tuple(DOCUMENT["stages"]) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_command_runs_the_stage_module(stage: str) -> None:
    assert DOCUMENT["stages"][stage]["cmd"] == f"python -m stages.{stage}"
    assert (ROOT / "stages" / f"{stage}.py").is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_params_exist(stage: str) -> None:
    for key in DOCUMENT["stages"][stage]["params"]:
        params_value(key)


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_the_stage_reads(stage: str) -> None:
    """Each ``params.<section>`` in the stage's file is covered, and no section is listed that is not read."""
    code = (ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8")
    read = {section for section in Params.model_fields if f"params.{section}" in code}
    assert {key.split(".")[0] for key in DOCUMENT["stages"][stage]["params"]} == read


def test_another_comparison_does_not_make_evaluate_run_again() -> None:
    """Of its section, evaluate depends on every key but the list of variants, which it does not read."""
    keys = {f"evaluate.{key}" for key in params_value("evaluate")}
    listed = {key for key in DOCUMENT["stages"]["evaluate"]["params"] if key.startswith("evaluate")}
    assert keys - listed == {"evaluate.compare"} and listed < keys


@pytest.mark.parametrize("stage", STAGES)
def test_outs_persist(stage: str) -> None:
    """DVC deletes what does not persist before the stage runs: a failed run would lose the old artifact."""
    found = outs(stage, *KINDS_OF_OUT)
    assert found
    for path, settings in found.items():
        assert settings["persist"] is True, path


@pytest.mark.parametrize("stage", STAGES)
def test_metrics_and_plots_lie_in_git(stage: str) -> None:
    for path, settings in outs(stage, "metrics", "plots").items():
        assert path.startswith("metrics/") and settings["cache"] is False, path
    drawn = {file for plot in DOCUMENT["plots"] for settings in plot.values() for file in settings["y"]}
    for path, settings in outs(stage, "outs").items():
        if path.startswith("metrics/"):
            assert path in drawn and settings["cache"] is False, path
        else:
            assert path.split("/")[0] in ("data", "models", "reports") and "cache" not in settings, path


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_there_or_made_by_a_stage_before(stage: str) -> None:
    before = STAGES[: STAGES.index(stage)]
    made = {Path(path): maker for path, maker in all_outs().items()}
    for dep in DOCUMENT["stages"][stage]["deps"]:
        if dep.startswith("${"):
            dep = params_value(dep.removeprefix("${").removesuffix("}"))
        if dep.startswith(("pipeline/", "stages/", "curation/")):
            assert (ROOT / dep).is_file(), dep
            continue
        makers = [made[path] for path in (Path(dep), *Path(dep).parents) if path in made]
        assert makers and makers[0] in before, dep


def test_report_depends_on_all_that_a_stage_writes_and_it_shows() -> None:
    deps = set(DOCUMENT["stages"]["report"]["deps"])
    shown = {
        path
        for path, stage in all_outs().items()
        if stage not in ("reference", "report") and not path.startswith("models/")
    }
    assert shown <= deps
    assert {"models/base/lineage.json", "models/trained/lineage.json"} <= deps


def test_plots_read_what_train_logs() -> None:
    (folder,) = outs("train", "plots")
    for plot in DOCUMENT["plots"]:
        for name, settings in plot.items():
            if name == "Funnel":  # of the report: tests/report/test_funnel.py
                continue
            assert settings["x"] == "step"
            for file, column in settings["y"].items():
                split = "validation/" if name.startswith("Validation") else ""
                assert file == f"{folder}/{split}{column}.tsv"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_dvc_reads_it() -> None:
    """DVC's own schema, its templating and its check for overlapping outs and cycles."""
    with Repo(str(ROOT)) as repo:
        repo.check_graph(list(repo.index.stages))
        assert {stage.addressing for stage in repo.index.stages} == set(STAGES)
