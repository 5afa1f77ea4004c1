"""Data files of a dataset on the Hugging Face hub, at a commit that is written into the lineage."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, errors

from pipeline.errors import PipelineError
from pipeline.hub_download import snapshot_download
from pipeline.params import HubParams
from pipeline.sources.formats import EXTENSIONS
from pipeline.sources.local_files import data_names
from pipeline.sources.splits import files_of_split, words_of


@dataclass(frozen=True)
class Home:
    """Where the rows of one kind of source lie on the hub.

    Attributes:
        repo: Dataset repository.
        revision: The commit it is pinned to.
        patterns: Names of its data files.
    """

    repo: str
    revision: str
    patterns: tuple[str, ...]


ANY_DATA = tuple(f"*{end}" for end in EXTENSIONS)
"""Names of data files in a repository that is no kind's home."""

HOMES = {
    "ultrafeedback": Home(
        "openbmb/UltraFeedback", "40b436560ca83a8dba36114c22ab3c66e43f6d5e", ("*.jsonl", "*.jsonl.gz")
    ),
    "ultrafeedback_binarized": Home(
        "HuggingFaceH4/ultrafeedback_binarized",
        "3949bf5f8c17c394422ccfab0c31ea9c20bdeb85",
        ("data/train_prefs-*.parquet", "data/test_prefs-*.parquet"),
    ),
    "argilla_binarized": Home(
        "argilla/ultrafeedback-binarized-preferences-cleaned",
        "770076f077c4c5e298498fa32f804857f46d5134",
        ("data/train-*.parquet",),
    ),
    "hh_rlhf": Home(
        "Anthropic/hh-rlhf",
        "09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa",
        # Not red-team-attempts: transcripts without a pair.
        (
            "harmless-base/*.jsonl.gz",
            "helpful-base/*.jsonl.gz",
            "helpful-online/*.jsonl.gz",
            "helpful-rejection-sampled/*.jsonl.gz",
        ),
    ),
}
"""The repository behind each source kind, where params name none."""


@dataclass(frozen=True)
class Snapshot:
    """Data files at one commit.

    Attributes:
        repo: Dataset repository.
        commit: The commit the revision stood for.
        folder: The folder the files lie in.
        files: The data files, by name.
    """

    repo: str
    commit: str
    folder: Path
    files: list[Path]


def fetch(kind: str, hub: HubParams) -> Snapshot:
    """Bring a dataset's data files into the hub's local cache, or find them there.

    Without network, or with ``HF_HUB_OFFLINE=1``, what the cache holds is used. A token for a gated dataset
    is taken from the environment (``HF_TOKEN``).

    Args:
        kind: The source kind. Those of :data:`HOMES` have a repository; others need one in ``hub``.
        hub: Repository, revision and split; null fields take the home of ``kind``, and all files.

    Raises:
        PipelineError: If no repository is named and the kind has none, if the repository, revision or split
            does not exist or may not be read, if the hub cannot be reached or does not answer and the cache
            lacks it, if a file is damaged, or if it holds no data files.
    """
    home = HOMES.get(kind)
    repo = hub.repo or (home.repo if home else None)
    revision = hub.revision or (home.revision if home else None)
    if repo is None or revision is None:
        raise PipelineError(
            f"Rows of kind {kind} have no dataset of their own on the hub",
            key="source.path",
            found="null, and source.hub.repo is null too",
            expected="where the rows are",
            hint="Name a file, folder or URL in source.path, or a dataset in source.hub.repo and .revision",
        )
    patterns = home.patterns if home and repo == home.repo else ANY_DATA
    folder = _download(repo, revision, _narrowed(patterns, hub.split))
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    # A cache filled by someone else may hold files beside those asked for.
    wanted = data_names([name for name in names if _matches(name, patterns)])
    if hub.split is not None:
        where = f"The dataset {repo} at {revision}"
        try:
            wanted = files_of_split(wanted, hub.split, where)
        except PipelineError:
            # Only files that looked like the split's were downloaded: the hub knows of the others.
            everything = data_names([name for name in _listed(repo, folder.name) if _matches(name, patterns)])
            files_of_split(everything or wanted, hub.split, where)
            raise
    if not wanted:
        raise PipelineError(
            f"The dataset {repo} at {revision} holds no data files",
            key="source.hub.repo",
            expected=f"files named {' or '.join(patterns)}",
            hint="Name another dataset or revision, or download the files and name them in source.path",
        )
    return Snapshot(repo, folder.name, folder, [folder / name for name in wanted])


def _narrowed(patterns: tuple[str, ...], split: str | None) -> tuple[str, ...]:
    """Patterns of what has to be downloaded: all, or what may belong to a split."""
    if split is None:
        return patterns
    if split == "train":
        # It is all files, where no name holds a split.
        return patterns
    return tuple(f"*{word}*{end}" for word in words_of(split) for end in EXTENSIONS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _listed(repo: str, commit: str) -> list[str]:
    """The names of all files of a dataset; none where the hub does not say."""
    try:
        return list(HfApi().list_repo_files(repo, revision=commit, repo_type="dataset"))
    except Exception:  # As for a download; the error that is raised anyway says enough without them.
        return []


def _download(repo: str, revision: str, patterns: tuple[str, ...]) -> Path:
    def fault(problem: str, error: Exception, key: str, hint: str) -> PipelineError:
        return PipelineError(problem, key=key, found=f"{type(error).__name__}: {error}", hint=hint)

    named = f"dataset {repo} at {revision}"
    try:
        return snapshot_download(repo, "dataset", revision, patterns)
    except PipelineError:
        raise
    except errors.HFValidationError as error:
        raise fault(
            f"{repo!r} is no name of a dataset", error, "source.hub.repo", "Write owner/name"
        ) from error
    except errors.GatedRepoError as error:
        hint = "Accept its terms on its page, and set HF_TOKEN in the environment"
        raise fault(f"The {named} is gated", error, "source.hub.repo", hint) from error
    except errors.RepositoryNotFoundError as error:
        hint = "Check its name; for a private dataset set HF_TOKEN in the environment"
        raise fault(f"The {named} was not found", error, "source.hub.repo", hint) from error
    except errors.RevisionNotFoundError as error:
        hint = "Name a commit, tag or branch that its page lists"
        raise fault(f"The {named} has no such revision", error, "source.hub.revision", hint) from error
    except Exception as error:  # The transports beneath (HTTP, xet) raise kinds that share no other base.
        hint = (
            "Check the network and run the stage again; or download the files elsewhere and name them in "
            "source.path; or set source.kind: sample, which needs no network"
        )
        raise fault(f"The {named} could not be downloaded", error, "source.hub", hint) from error
