"""Uploading the model and the pairs, each with its card, to repositories on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from huggingface_hub import CommitOperationAdd, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils._validators import validate_repo_id

from pipeline.errors import PipelineError
from pipeline.files import sha256_file
from pipeline.results import missing
from pipeline.schema import SPLITS

CARD = "README.md"
"""The name a card has on the hub."""

RepoType = Literal["model", "dataset"]


class Hub(Protocol):
    """What is used of ``huggingface_hub.HfApi``."""

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> object:
        """Make a repository unless it exists."""

    def repo_info(self, repo_id: str, *, repo_type: str) -> object:
        """What is known of a repository; ``private`` among it."""

    def create_commit(
        self, repo_id: str, operations: Iterable[CommitOperationAdd], *, commit_message: str, repo_type: str
    ) -> object:
        """Upload files in one commit."""


@dataclass(frozen=True)
class Upload:
    """One file: where it lies, what it is called in the repository, and its size in bytes."""

    source: Path
    target: str
    size: int


@dataclass(frozen=True)
class Plan:
    """Everything that goes to one repository, the card first."""

    repo_id: str
    repo_type: RepoType
    files: list[Upload]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def repo_ids(prefix: str | None, model: str | None, dataset: str | None) -> dict[RepoType, str]:
    """The repositories to push to, by type.

    Args:
        prefix: ``owner/name``, from which ``owner/name-model`` and ``owner/name-pairs`` are made.
        model: The model's repository; goes before the prefix.
        dataset: The dataset's repository; likewise.

    Raises:
        PipelineError: If none is named, or one is no repository's name.
    """
    wanted: dict[RepoType, str | None] = {
        "model": model or (prefix and f"{prefix}-model"),
        "dataset": dataset or (prefix and f"{prefix}-pairs"),
    }
    found = {kind: repo for kind, repo in wanted.items() if repo}
    if not found:
        raise PipelineError(
            "No repository is named to push to",
            hint="Say `python -m pipeline push --repo-prefix owner/name`, or --model-repo or --dataset-repo",
        )
    for repo in found.values():
        _check_name(repo)
    return found


def _check_name(repo: str) -> None:
    problem = None if repo.count("/") == 1 else "no owner"
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        problem = str(error)
    if problem is not None:
        raise PipelineError(
            "This is no name of a repository on the hub", found=f"{repo}: {problem}", expected="owner/name"
        )


def plan_model(root: Path, repo_id: str) -> Plan:
    """The trained model's files, with the report's model card for a README.

    Raises:
        PipelineError: If the model or its card is missing, or the card is another model's.
    """
    folder, card = root / "models" / "trained", root / "reports" / "model_card.md"
    if not (folder / "lineage.json").is_file():
        raise missing(folder, "train")
    _check_card(card, [folder / "lineage.json"])
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != CARD]
    return Plan(
        repo_id, "model", [_upload(card, CARD), *(_upload(path, _below(path, folder)) for path in files)]
    )


def plan_dataset(root: Path, repo_id: str) -> Plan:
    """The split pairs, with the report's dataset card for a README.

    Raises:
        PipelineError: If a split or the card is missing, or the card is of other pairs.
    """
    files, card = (
        [root / "data" / "split" / f"{name}.parquet" for name in SPLITS],
        root / "reports" / "dataset_card.md",
    )
    for path in files:
        if not path.is_file():
            raise missing(path, "split")
    _check_card(card, files)
    return Plan(
        repo_id, "dataset", [_upload(card, CARD), *(_upload(path, f"data/{path.name}") for path in files)]
    )


def _check_card(card: Path, described: list[Path]) -> None:
    """A card names the SHA-256 of what it describes; one of an earlier run would tell untrue numbers."""
    if not card.is_file():
        raise missing(card, "report")
    text = card.read_text(encoding="utf-8")
    for path in described:
        if sha256_file(path) not in text:
            raise PipelineError(
                "The card does not describe what is here",
                file=card,
                found=f"another SHA-256 than that of {path.name}",
                hint="Run `dvc repro report`, which writes it anew",
            )


def _upload(source: Path, target: str) -> Upload:
    return Upload(source, target, source.stat().st_size)


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def plan_lines(plan: Plan, public: bool = False, with_card: bool = False) -> list[str]:
    """A plan in words: the repository, each file with its bytes and its target, and the card if asked for."""
    seen = "public" if public else "private"
    lines = [f"{plan.repo_type} {plan.repo_id} ({seen}): {len(plan.files)} files, {plan.size:,} bytes"]
    lines += [f"  {file.size:>15,}  {file.target}  from {file.source.as_posix()}" for file in plan.files]
    if with_card:
        card = plan.files[0].source.read_text(encoding="utf-8")
        lines += ["", f"--- {CARD} ---", card]
    return lines


def push(plan: Plan, hub: Hub, public: bool = False) -> str:
    """Upload a plan in one commit, to a repository that is made, private, where there is none.

    The token is huggingface_hub's affair: HF_TOKEN in the environment, or what `hf auth login` kept.

    Args:
        plan: What to upload.
        hub: The hub, ``huggingface_hub.HfApi()``.
        public: Whether everybody may read it.

    Returns:
        The commit's address.

    Raises:
        PipelineError: If there is no token, the hub refuses, or the repository is public already and that was
            not asked for.
    """
    if get_token() is None:
        raise PipelineError(
            "The hub asks for a token", hint="Set HF_TOKEN in the environment, or run `hf auth login`"
        )
    try:
        if not public:
            _check_private(plan, hub)
        hub.create_repo(plan.repo_id, repo_type=plan.repo_type, private=not public, exist_ok=True)
        operations = [CommitOperationAdd(file.target, file.source) for file in plan.files]
        commit = hub.create_commit(
            plan.repo_id, operations, commit_message=f"Upload {plan.repo_type}", repo_type=plan.repo_type
        )
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        raise PipelineError(
            "The hub refused",
            found=str(error).strip() or type(error).__name__,
            expected=f"the right to write to the {plan.repo_type} repository {plan.repo_id}",
            hint="Check the repository's name and the token's rights",
        ) from error
    return str(getattr(commit, "commit_url", commit))


def _check_private(plan: Plan, hub: Hub) -> None:
    try:
        info = hub.repo_info(plan.repo_id, repo_type=plan.repo_type)
    except RepositoryNotFoundError:
        return
    if getattr(info, "private", None) is False:
        raise PipelineError(
            "The repository is public, and it was not said that everybody may read this",
            found=plan.repo_id,
            expected="a private repository, or none yet",
            hint="Say --public, or push to another repository",
        )
