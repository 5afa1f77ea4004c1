"""Pushing: what is planned, what is sent, and when nothing is."""

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from pipeline import push as pushing
from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.push import Plan, plan_dataset, plan_lines, plan_model, push, repo_ids

ROOT = Path(__file__).parents[1]


class FakeHub:
    """The hub's answers without a hub; calls are kept, and bound to the real API's signatures."""

    def __init__(self, private: bool | None = None, refusal: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._private, self._refusal = private, refusal

    def _note(self, name: str, *arguments: Any, **named: Any) -> None:
        bound = inspect.signature(getattr(HfApi, name)).bind(None, *arguments, **named)
        self.calls.append((name, dict(bound.arguments)))

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> None:
        self._note("create_repo", repo_id, repo_type=repo_type, private=private, exist_ok=exist_ok)

    def repo_info(self, repo_id: str, *, repo_type: str) -> object:
        self._note("repo_info", repo_id, repo_type=repo_type)
        if self._private is None:
            raise RepositoryNotFoundError("none", response=response(404))
        return SimpleNamespace(private=self._private)

    def create_commit(
        self, repo_id: str, operations: Iterable[CommitOperationAdd], *, commit_message: str, repo_type: str
    ) -> object:
        if self._refusal is not None:
            raise self._refusal
        self._note(
            "create_commit", repo_id, list(operations), commit_message=commit_message, repo_type=repo_type
        )
        return SimpleNamespace(commit_url=f"https://hub.example/{repo_id}/commit/1")


def response(status: int) -> Any:
    return httpx2.Response(status, request=httpx2.Request("GET", "https://hub.example"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    trained, split = tmp_path / "models/trained", tmp_path / "data/split"
    for folder in (trained, split, tmp_path / "reports"):
        folder.mkdir(parents=True)
    for name, text in (("README.md", "train's"), ("lineage.json", "{}"), ("model.safetensors", "w" * 1000)):
        (trained / name).write_text(text)
    for name in ("train", "validation", "test"):
        (split / f"{name}.parquet").write_text(name)
    hashes = " ".join(sha256_file(path) for path in sorted(split.iterdir()))
    (tmp_path / "reports/dataset_card.md").write_text(f"the dataset's card {hashes}")
    (tmp_path / "reports/model_card.md").write_text(
        f"the model's card {sha256_file(trained / 'lineage.json')}"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    return tmp_path


def targets(plan: Plan) -> dict[str, str]:
    return {file.target: file.source.name for file in plan.files}


def test_what_is_uploaded(project: Path) -> None:
    model, dataset = plan_model(project, "a/m"), plan_dataset(project, "a/d")
    assert targets(model) == {
        "README.md": "model_card.md",
        "lineage.json": "lineage.json",
        "model.safetensors": "model.safetensors",
    }
    assert list(targets(dataset)) == [
        "README.md",
        "data/train.parquet",
        "data/validation.parquet",
        "data/test.parquet",
    ]
    assert model.size == sum(file.source.stat().st_size for file in model.files)
    lines = plan_lines(model, with_card=True)
    assert lines[0] == f"model a/m (private): 3 files, {model.size:,} bytes"
    assert any("1,000  model.safetensors" in line for line in lines)
    assert lines[-1].startswith("the model's card")


def test_one_commit_to_a_private_repository(project: Path) -> None:
    hub, plan = FakeHub(), plan_dataset(project, "a/d")
    assert push(plan, hub) == "https://hub.example/a/d/commit/1"
    assert [name for name, _ in hub.calls] == ["repo_info", "create_repo", "create_commit"]
    made, sent = hub.calls[1][1], hub.calls[2][1]
    assert (made["repo_id"], made["repo_type"], made["private"], made["exist_ok"]) == (
        "a/d",
        "dataset",
        True,
        True,
    )
    assert [operation.path_in_repo for operation in sent["operations"]] == [
        file.target for file in plan.files
    ]


def test_public_only_where_it_was_said(project: Path) -> None:
    plan = plan_model(project, "a/m")
    hub = FakeHub(private=False)
    with pytest.raises(PipelineError, match="--public"):
        push(plan, hub)
    assert [name for name, _ in hub.calls] == ["repo_info"]
    hub = FakeHub(private=False)
    push(plan, hub, public=True)
    assert hub.calls[0][1]["private"] is False


def test_without_a_token_nothing_is_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "get_token", lambda: None)
    hub = FakeHub()
    with pytest.raises(PipelineError, match="HF_TOKEN"):
        push(plan_model(project, "a/m"), hub)
    assert hub.calls == []


def test_a_refusal_is_said(project: Path) -> None:
    refusal = HfHubHTTPError("403 Forbidden", response=response(403))
    with pytest.raises(PipelineError, match=r"The hub refused.*403 Forbidden"):
        push(plan_model(project, "a/m"), FakeHub(refusal=refusal))


def test_a_card_of_another_run_is_refused(project: Path) -> None:
    (project / "models/trained/lineage.json").write_text('{"another": 1}')
    with pytest.raises(PipelineError, match="dvc repro report"):
        plan_model(project, "a/m")
    (project / "data/split/test.parquet").write_text("others")
    with pytest.raises(PipelineError, match="dvc repro report"):
        plan_dataset(project, "a/d")


@pytest.mark.parametrize(
    ("missing", "stage"),
    [("reports/model_card.md", "report"), ("models/trained/lineage.json", "train")],
)
def test_a_missing_file_names_its_stage(project: Path, missing: str, stage: str) -> None:
    (project / missing).unlink()
    with pytest.raises(PipelineError, match=f"dvc repro {stage}"):
        plan_model(project, "a/m")


def test_names_of_repositories() -> None:
    assert repo_ids("me/run", None, None) == {"model": "me/run-model", "dataset": "me/run-pairs"}
    assert repo_ids("me/run", "me/other", None) == {"model": "me/other", "dataset": "me/run-pairs"}
    assert repo_ids(None, None, "me/d") == {"dataset": "me/d"}
    for names in [
        (None, None, None),
        (None, "no-owner", None),
        ("a/b/c", None, None),
        (None, "a/sp ace", None),
    ]:
        with pytest.raises(PipelineError):
            repo_ids(*names)


def test_the_command_sends_nothing_by_default(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "pipeline", "push", "--repo-prefix", "me/run"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "model me/run-model (private): 3 files" in done.stdout
    assert "dataset me/run-pairs (private): 4 files" in done.stdout
    assert "the dataset's card" in done.stdout and "Nothing was sent" in done.stdout
    assert "hf_test" not in done.stdout + done.stderr
    shutil.rmtree(project / "reports")
