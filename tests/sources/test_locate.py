"""Where a source lies: files, globs, folders and saved datasets, each file under a name of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from datasets import Dataset, DatasetDict
from huggingface_hub import HfApi, constants

from pipeline import hub_download
from pipeline.errors import PipelineError
from pipeline.params import HubParams, SourceParams
from pipeline.sources import hub
from pipeline.sources.locate import locate
from pipeline.sources.reading import read_rows
from pipeline.sources.splits import files_of_split, hub_split

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that relative paths start from."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text('{"a": 1}\n')


def found(path: Any, **hub_params: Any) -> dict[str, str]:
    located = locate(SourceParams(kind="pairs", path=path, hub=HubParams(**hub_params)))
    return {name: place.as_posix() for name, place in located.files.items()}


def refusal(path: Any, **hub_params: Any) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        found(path, **hub_params)
    return caught.value


# --- files, globs and folders ---------------------------------------------------------------------------


def test_a_file_or_a_list_keeps_its_order_and_bare_names(home: Path) -> None:
    fill("b.jsonl", "d/a.jsonl")
    assert found("b.jsonl") == {"b.jsonl": "b.jsonl"}
    assert found(["b.jsonl", str(home / "d/a.jsonl")]) == {
        "b.jsonl": "b.jsonl",
        "a.jsonl": (home / "d/a.jsonl").as_posix(),
    }
    assert locate(SourceParams(kind="pairs", path="b.jsonl")).lineage == {}


def test_a_file_url_is_a_local_path_and_a_tilde_is_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill("a b.jsonl")
    monkeypatch.setenv("HOME", str(home))
    url = (home / "a b.jsonl").as_uri()
    assert "%20" in url
    for path in (url, "~/a b.jsonl"):
        assert found(path) == {"a b.jsonl": (home / "a b.jsonl").as_posix()}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("d/*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("d/**/*.jsonl", ["a.jsonl", "b.jsonl", "c.jsonl"]),
        ("d/?.csv", ["z.csv"]),
        ("d/[ab].jsonl", ["a.jsonl", "b.jsonl"]),
    ],
)
def test_a_glob_stands_for_its_files_in_order_and_no_hidden_ones(
    home: Path, pattern: str, names: list[str]
) -> None:
    fill("d/b.jsonl", "d/a.jsonl", "d/e/c.jsonl", "d/.h.jsonl", "d/.e/x.jsonl", "d/z.csv")
    assert list(found(pattern)) == names


def test_a_name_with_the_signs_of_a_glob_is_a_file(home: Path) -> None:
    fill("a[1].jsonl", "a1.jsonl")
    assert found("a[1].jsonl") == {"a[1].jsonl": "a[1].jsonl"}


def test_a_folder_stands_for_all_data_below_it(home: Path) -> None:
    fill("d/b.jsonl", "d/e/a.csv", "d/README.md", "d/.git/x.jsonl", "d/.x.json", "d/dataset_info.json")
    assert found("d") == {"b.jsonl": "d/b.jsonl", "e/a.csv": "d/e/a.csv"}
    assert found("d/") == found("d")


def test_links_are_read_but_no_link_to_a_folder_is_followed(home: Path) -> None:
    fill("d/a.jsonl", "elsewhere/b.jsonl")
    Path("d/round").symlink_to(home / "d")
    Path("d/b.jsonl").symlink_to(home / "elsewhere/b.jsonl")
    assert list(found("d")) == ["a.jsonl", "b.jsonl"]
    Path("link").symlink_to(home / "elsewhere")
    assert list(found("link")) == ["b.jsonl"]


def test_a_path_outside_the_project_is_the_users_own_choice(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("x/a.jsonl", "project/b.jsonl")
    monkeypatch.chdir(home / "project")
    assert found("../x/a.jsonl") == {"a.jsonl": "../x/a.jsonl"}
    assert list(found("../x")) == list(found("../x/*.jsonl")) == ["a.jsonl"]


def test_names_that_two_files_share_grow_until_they_differ_and_hold_no_more_of_the_machine(
    home: Path,
) -> None:
    fill("p/1/x.jsonl", "p/2/x.jsonl", "q/1/x.jsonl", "y.jsonl")
    paths = ["p/1/x.jsonl", str(home / "p/2/x.jsonl"), "q/1/x.jsonl", "y.jsonl"]
    assert list(found(paths)) == ["p/1/x.jsonl", "2/x.jsonl", "q/1/x.jsonl", "y.jsonl"]
    assert list(found(["p", "q"])) == ["p/1/x.jsonl", "2/x.jsonl", "q/1/x.jsonl"]
    assert all(str(home) not in name for name in found(paths))


@pytest.mark.parametrize(
    ("path", "problem", "said"),
    [
        ([], "A source names no file", "[]"),
        ("none.jsonl", "A source file is missing", "nothing there"),
        ("d/*.csv", "No file matches a pattern", "d/*.csv: nothing"),
        ("*", "No file matches a pattern", "*: 2 folders"),
        ("empty", "A folder holds no data files", "nothing in it"),
        ("d/e", "A folder holds no data files", ".a.jsonl, notes.txt"),
        ("d/*/*.txt", "A source file is of an unknown kind", ".txt"),
        (["d/a.jsonl", "d"], "A source file is named twice", "d/a.jsonl, d/a.jsonl"),
        ("d/a.zip", "A source file is of an unknown kind", ".zip"),
    ],
    ids=["nothing", "missing", "no-match", "folders", "empty", "no-data", "other", "twice", "zip"],
)
def test_what_is_not_there_is_refused(home: Path, path: Any, problem: str, said: str) -> None:
    fill("d/a.jsonl", "d/e/notes.txt", "d/e/.a.jsonl")
    Path("empty").mkdir()
    error = refusal(path)
    assert (error.problem, error.found) == (problem, said)
    assert error.hint or error.expected


def test_a_split_is_not_chosen_of_a_file(home: Path) -> None:
    fill("a.jsonl")
    error = refusal("a.jsonl", split="train")
    assert (error.key, error.found) == ("source.hub.split", "train, while source.path is a.jsonl")


# --- splits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train_prefs-00000-of-00001.parquet", "train_prefs"),
        ("train-00000-of-00002-1a2b.parquet", "train"),
        ("train.jsonl", "train"),
        ("my-data_train1.jsonl.gz", "train"),
        ("dev.csv", "validation"),
        ("data/val/0000.parquet", "validation"),
        ("test/train.jsonl", "train"),
        ("eval_v2.tsv", "test"),
        ("training data.json", "train"),
        ("trainer.jsonl", None),
        ("latest.jsonl", None),
    ],
)
def test_a_split_is_seen_in_a_files_name(name: str, split: str | None) -> None:
    assert hub_split(name) == split


@pytest.mark.parametrize(
    ("names", "split", "chosen"),
    [
        (["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"], "test", [1]),
        (["train_prefs.jsonl", "train_sft.jsonl"], "train_sft", [1]),
        (["train_prefs.jsonl", "train_sft.jsonl"], "train", [0, 1]),
        (["a-dev.csv", "a-train.csv"], "validation", [0]),
        (["a-dev.csv", "a-train.csv"], "dev", [0]),
        (["a.csv", "b.csv"], "train", [0, 1]),
        (["a.csv", "b.csv"], "b", [1]),
    ],
    ids=["shards", "own-name", "word", "meaning", "other-word", "all-train", "no-split"],
)
def test_the_files_of_a_split(names: list[str], split: str, chosen: list[int]) -> None:
    assert files_of_split(names, split, "It") == [names[place] for place in chosen]


def test_an_unknown_split_of_a_folder_is_refused_with_those_that_are_there(home: Path) -> None:
    fill("d/train.jsonl", "d/dev.jsonl", "d/extra.jsonl")
    assert list(found("d", split="validation")) == ["dev.jsonl"]
    error = refusal("d", split="test")
    assert (error.problem, error.key) == ("The folder d has no such split", "source.hub.split")
    assert error.found == "test; there are extra, train, validation"


# --- saved by `datasets` --------------------------------------------------------------------------------


def saved(folder: str, **splits: int) -> None:
    parts = {name: Dataset.from_list([{"n": n} for n in range(count)]) for name, count in splits.items()}
    DatasetDict(parts).save_to_disk(folder)


def test_a_saved_dataset_is_its_arrow_files_in_order(home: Path) -> None:
    Dataset.from_list([{"n": n} for n in range(5)]).save_to_disk("saved", num_shards=2)
    files = found("saved")
    assert list(files) == ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    assert [row["n"] for place in files.values() for _, row in read_rows(Path(place))] == list(range(5))
    error = refusal("saved", split="train")
    assert (error.problem, error.key) == ("A saved dataset lacks the split", "source.hub.split")


def test_one_of_several_saved_splits_is_chosen(home: Path) -> None:
    saved("one", train=2)
    assert list(found("one")) == ["train/data-00000-of-00001.arrow"]
    saved("two", train=2, test=3)
    error = refusal("two")
    assert (error.problem, error.found) == ("A saved dataset has several splits", "train, test")
    assert error.hint == "Set source.hub.split, or name one in source.path: two/train"
    assert list(found("two", split="test")) == ["test/data-00000-of-00001.arrow"]
    assert list(found("two/test")) == ["data-00000-of-00001.arrow"]
    assert refusal("two", split="dev").found == "the splits train, test, not dev"


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..", "", "a/b.arrow", "a\\b.arrow", "a\0.arrow"],
    ids=range(7),
)
def test_a_saved_dataset_cannot_name_files_elsewhere(home: Path, name: str) -> None:
    saved("d", train=1)
    Path("d/train/state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    error = refusal("d")
    assert (error.file, error.found) == ("d/train/state.json", repr(name))
    assert error.expected == "bare names of files in its own folder"
    Path("d/dataset_dict.json").write_text(json.dumps({"splits": [name or ".."]}))
    assert refusal("d").file == "d/dataset_dict.json"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("[]", "list"),
        ("{", "Expecting property name"),
        ("{}", "_data_files: None"),
        ('{"_data_files": [{"filename": 3}]}', "_data_files: [{'filename': 3}]"),
        ('{"_data_files": [{"filename": "gone.arrow"}]}', "gone.arrow, which is not there"),
        ('{"_data_files": [{"filename": "a"}], "_indices_files": [1]}', "an index of rows beside the data"),
    ],
    ids=["list", "no-json", "no-files", "number", "gone", "selection"],
)
def test_a_damaged_saved_dataset_is_refused(home: Path, state: str, said: str) -> None:
    saved("d", train=1)
    Path("d/train/state.json").write_text(state)
    error = refusal("d/train")
    assert error.file == "d/train/state.json"
    assert said in str(error.found)


# --- the hub --------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset in the hub's cache, with the network off."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "datasets--me--data/snapshots" / COMMIT
    fill(
        *(
            str(folder / name)
            for name in ("data/train-0.jsonl", "data/test-0.csv", "README.md", ".gitattributes")
        )
    )


def test_private_rows_on_the_hub_need_a_dataset(home: Path) -> None:
    error = refusal(None)
    assert error.problem == "Rows of kind pairs have no dataset of their own on the hub"
    assert "source.hub.repo" in str(error.hint)


def test_any_data_file_of_a_dataset_is_read_or_those_of_a_split(dataset: None) -> None:
    whole = SourceParams(kind="pairs", hub=HubParams(repo="me/data", revision=COMMIT))
    assert list(locate(whole).files) == ["data/test-0.csv", "data/train-0.jsonl"]
    assert locate(whole).lineage == {"repo": "me/data", "commit": COMMIT}
    part = SourceParams(kind="pairs", hub=HubParams(repo="me/data", revision=COMMIT, split="test"))
    assert list(locate(part).files) == ["data/test-0.csv"]
    assert locate(part).lineage == {"repo": "me/data", "commit": COMMIT, "split": "test"}


def test_an_unknown_split_on_the_hub_is_refused_with_those_that_are_there(
    dataset: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = SourceParams(kind="pairs", hub=HubParams(repo="me/data", revision=COMMIT, split="validation"))
    with pytest.raises(PipelineError, match="has no such split") as caught:
        locate(params)
    assert caught.value.found == "validation; there are test, train"
    # The hub lists files that were not downloaded.
    monkeypatch.setattr(HfApi, "list_repo_files", lambda *_, **__: ["data/eval-0.csv", "data/x.csv"])
    with pytest.raises(PipelineError) as caught:
        locate(params)
    assert caught.value.found == "validation; there are test, x"


def test_only_what_may_be_of_the_split_is_downloaded(dataset: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    download = hub_download.snapshot_download

    def watched(repo: str, kind: Literal["dataset"], revision: str, patterns: Sequence[str]) -> Path:
        asked.extend(patterns)
        return download(repo, kind, revision, patterns)

    monkeypatch.setattr(hub, "snapshot_download", watched)
    locate(SourceParams(kind="pairs", hub=HubParams(repo="me/data", revision=COMMIT, split="test")))
    assert {"*test*.csv", "*eval*.jsonl.gz"} <= set(asked)
    assert "*.csv" not in asked
