"""Folders that `datasets` wrote with ``save_to_disk``: one dataset, or one for each split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

_STATE = "state.json"
_INFO = "dataset_info.json"
_SPLITS = "dataset_dict.json"
_AGAIN = "Write the dataset again with save_to_disk"


def is_saved(folder: Path) -> bool:
    """Whether a folder holds a dataset or several splits of one."""
    return (folder / _SPLITS).is_file() or ((folder / _STATE).is_file() and (folder / _INFO).is_file())


def saved_files(folder: Path, split: str | None) -> list[tuple[str, Path]]:
    """The Arrow files of a saved dataset in the order of its rows, each with its name within the folder.

    Args:
        folder: One that :func:`is_saved`.
        split: Which split is read; None: the only one.

    Raises:
        PipelineError: If its own files are not as `datasets` writes them, name files that lie elsewhere, or
            a choice between several splits is needed or not possible.
    """
    if not (folder / _SPLITS).is_file():
        if split is not None:
            raise _no_choice(folder, split, "one dataset without splits")
        return _of_dataset(folder, "")
    splits = _read(folder / _SPLITS).get("splits")
    if not isinstance(splits, list) or not splits or not all(isinstance(name, str) for name in splits):
        raise _damaged(folder / _SPLITS, f"splits: {splits!r}", "a list of the splits' names")
    for name in splits:
        _check_inside(folder / _SPLITS, name)
    if split is None and len(splits) > 1:
        raise PipelineError(
            "A saved dataset has several splits",
            file=folder,
            key="source.hub.split",
            found=", ".join(splits),
            expected="one of them",
            hint=f"Set source.hub.split, or name one in source.path: {folder.as_posix()}/{splits[0]}",
        )
    chosen = split or splits[0]
    if chosen not in splits:
        raise _no_choice(folder, chosen, f"the splits {', '.join(splits)}")
    return _of_dataset(folder / chosen, f"{chosen}/")


def _of_dataset(folder: Path, prefix: str) -> list[tuple[str, Path]]:
    path = folder / _STATE
    state = _read(path)
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise PipelineError(
            "A saved dataset is a selection that was not written out",
            file=path,
            found="an index of rows beside the data",
            expected="the rows themselves, in order",
            hint="Write it again: dataset.flatten_indices().save_to_disk(...)",
        )
    files = state.get("_data_files")
    names = [one.get("filename") if isinstance(one, dict) else None for one in files or []]
    if not isinstance(files, list) or not names or not all(isinstance(name, str) for name in names):
        raise _damaged(path, f"_data_files: {files!r}", "a list of objects with a filename")
    for name in names:
        _check_inside(path, str(name))
        if not (folder / str(name)).is_file():
            raise _damaged(path, f"{name}, which is not there", "files beside it")
    return [(f"{prefix}{name}", folder / str(name)) for name in names]


def _check_inside(path: Path, name: str) -> None:
    """Refuse a name that leads out of the folder: it comes from the data, not from the user."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise _damaged(path, repr(name), "bare names of files in its own folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError as error:
        raise _damaged(path, "nothing there", "a saved dataset") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error), "JSON") from error
    if not isinstance(value, dict):
        raise _damaged(path, type(value).__name__, "an object")
    return value


def _damaged(path: Path, found: str, expected: str) -> PipelineError:
    return PipelineError(
        "A saved dataset is not as `datasets` writes it",
        file=path,
        found=found,
        expected=expected,
        hint=_AGAIN,
    )


def _no_choice(folder: Path, split: str, there: str) -> PipelineError:
    return PipelineError(
        "A saved dataset lacks the split",
        file=folder,
        key="source.hub.split",
        found=f"{there}, not {split}",
        hint="Name a split that is there, or null for a dataset without any",
    )
