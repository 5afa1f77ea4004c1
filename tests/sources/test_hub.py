"""Datasets from the hub's local cache, and what is said when they cannot be had. No test uses the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from huggingface_hub import constants, errors

from pipeline.errors import PipelineError
from pipeline.params import HubParams, SourceParams
from pipeline.params.source import PRIVATE_KINDS
from pipeline.sources import hub
from pipeline.sources.hub import HOMES, fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the hub's cache, with the network off."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def fill(cache: Path, repo: str, commit: str, names: list[str], ref: str | None = None) -> None:
    """Lay a dataset into the cache as the hub's library does."""
    folder = cache / f"datasets--{repo.replace('/', '--')}"
    for name in names:
        path = folder / "snapshots" / commit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    if ref is not None:
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / ref).write_text(commit)


def test_the_home_of_a_kind_is_pinned_to_a_commit(cache: Path) -> None:
    home = HOMES["ultrafeedback"]
    fill(cache, home.repo, home.revision, ["sharegpt.jsonl", "evol_instruct.jsonl", "README.md"])
    found = fetch("ultrafeedback", HubParams())
    assert (found.repo, found.commit) == (
        "openbmb/UltraFeedback",
        "40b436560ca83a8dba36114c22ab3c66e43f6d5e",
    )
    assert [path.name for path in found.files] == ["evol_instruct.jsonl", "sharegpt.jsonl"]


def test_only_the_preference_files_of_the_binarized_home_are_read(cache: Path) -> None:
    home = HOMES["ultrafeedback_binarized"]
    names = [
        "data/train_prefs-00000-of-00001.parquet",
        "data/test_prefs-00000-of-00001.parquet",
        "data/train_sft-00000-of-00001.parquet",
        "data/test_gen-00000-of-00001.parquet",
    ]
    fill(cache, home.repo, home.revision, names)
    found = fetch("ultrafeedback_binarized", HubParams())
    assert [path.relative_to(found.folder).as_posix() for path in found.files] == [names[1], names[0]]


@pytest.mark.parametrize("kind", HOMES)
def test_every_home_is_pinned_and_its_files_are_found_in_a_cache(cache: Path, kind: str) -> None:
    home = HOMES[kind]
    assert re.fullmatch("[0-9a-f]{40}", home.revision)
    names = [pattern.replace("*", "00000-of-00001") for pattern in home.patterns]
    fill(cache, home.repo, home.revision, [*names, "README.md", "dataset_infos.json"])
    found = fetch(kind, HubParams())
    assert (found.repo, found.commit) == (home.repo, home.revision)
    assert [path.relative_to(found.folder).as_posix() for path in found.files] == sorted(names)


def test_every_kind_that_is_not_generated_has_a_home() -> None:
    kinds = set(get_args(SourceParams.model_fields["kind"].annotation))
    assert set(HOMES) == kinds - {"sample", *PRIVATE_KINDS}


def test_the_four_pair_folders_of_hh_rlhf_are_read_and_the_red_teams_is_not(cache: Path) -> None:
    home = HOMES["hh_rlhf"]
    folders = ("harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled")
    names = [f"{folder}/{split}.jsonl.gz" for folder in folders for split in ("test", "train")]
    fill(cache, home.repo, home.revision, [*names, "red-team-attempts/red_team_attempts.jsonl.gz"])
    found = fetch("hh_rlhf", HubParams())
    assert [path.relative_to(found.folder).as_posix() for path in found.files] == names


def test_a_branch_is_resolved_to_its_commit(cache: Path) -> None:
    names = ["a.jsonl", "b.jsonl.gz", "c/d.parquet", "e.jsonl.zst", "f.csv", "g.txt", "dataset_info.json"]
    fill(cache, "me/data", COMMIT, names, ref="main")
    found = fetch("ultrafeedback", HubParams(repo="me/data", revision="main"))
    assert (found.repo, found.commit) == ("me/data", COMMIT)
    assert [path.relative_to(found.folder).as_posix() for path in found.files] == names[:5]


def test_without_network_and_cache_the_error_says_what_to_do(cache: Path) -> None:
    with pytest.raises(PipelineError, match="could not be downloaded") as caught:
        fetch("ultrafeedback", HubParams())
    error = caught.value
    assert error.key == "source.hub"
    assert "openbmb/UltraFeedback at 40b436560ca83a8dba36114c22ab3c66e43f6d5e" in error.problem
    for way in ("network", "source.path", "source.kind: sample"):
        assert way in str(error.hint)


def test_a_dataset_without_data_files_is_refused(cache: Path) -> None:
    fill(cache, "me/data", COMMIT, ["README.md"])
    with pytest.raises(PipelineError, match="holds no data files"):
        fetch("ultrafeedback", HubParams(repo="me/data", revision=COMMIT))


def test_a_name_that_is_no_repository_is_refused(cache: Path) -> None:
    with pytest.raises(PipelineError, match="no name of a dataset"):
        fetch("ultrafeedback", HubParams(repo="a/b/c", revision=COMMIT))


def _http(kind: type[errors.HfHubHTTPError]) -> Exception:
    request = httpx2.Request("GET", "https://example.org")
    return kind("said no", response=httpx2.Response(404, request=request))


@pytest.mark.parametrize(
    ("raised", "problem", "key"),
    [
        (_http(errors.GatedRepoError), "is gated", "source.hub.repo"),
        (_http(errors.RepositoryNotFoundError), "was not found", "source.hub.repo"),
        (_http(errors.RevisionNotFoundError), "has no such revision", "source.hub.revision"),
        (_http(errors.HfHubHTTPError), "could not be downloaded", "source.hub"),
        (httpx2.ProxyError("no proxy"), "could not be downloaded", "source.hub"),
        (OSError(28, "No space left on device"), "could not be downloaded", "source.hub"),
    ],
)
def test_each_refusal_has_its_own_words(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, problem: str, key: str
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> str:
        raise raised

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(PipelineError, match=problem) as caught:
        fetch("ultrafeedback", HubParams())
    assert caught.value.key == key
    assert caught.value.hint
