"""Local files that ``source.path`` names: a file, a glob, a folder of files or one that `datasets` wrote."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.sources.formats import EXTENSIONS, is_data_file
from pipeline.sources.raw_files import check_file
from pipeline.sources.saved_datasets import is_saved, saved_files
from pipeline.sources.splits import files_of_split

Named = list[tuple[str, Path]]
"""Files in order, each with its shortest name: within a named folder its path there, else its bare name."""

_ABOUT_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")


def local_files(path: str, split: str | None = None) -> Named:
    """The files that one entry of ``source.path`` stands for, in an order that is the same everywhere.

    Of a folder these are all files below it that are data by their names; hidden files and folders (a dot
    begins their names) are left out, and links to folders are not followed, so that no link can lead round in
    a circle. A user's own path may lie anywhere and may be a link.

    Args:
        path: A file, a folder, or a glob in which ``**`` stands for any folders.
        split: Which split of a folder is read; None: all files.

    Raises:
        PipelineError: If nothing is there, a folder holds no data, a glob matches nothing, the split is not
            there, or a file is none that is read.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return _of_folder(place, split)
    if split is not None:
        raise PipelineError(
            "A split is chosen of a folder or of a dataset on the hub",
            key="source.hub.split",
            found=f"{split}, while source.path is {path}",
            expected="null where a file is named",
            hint="Set it to null, or name the folder",
        )
    if glob.has_magic(path) and not place.exists():
        return _of_glob(path, place)
    check_file(place)
    return [(place.name, place)]


def data_names(names: list[str]) -> list[str]:
    """Those of some relative paths that are data, sorted; none that is hidden or lies in a hidden folder."""
    return sorted(
        name
        for name in names
        if is_data_file(name)
        and not any(part.startswith(".") for part in name.split("/"))
        and name.rpartition("/")[2] not in _ABOUT_DATA
    )


def _of_folder(folder: Path, split: str | None) -> Named:
    if is_saved(folder):
        return saved_files(folder, split)
    there = [
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
    ]
    names = data_names(there)
    if not names:
        raise PipelineError(
            "A folder holds no data files",
            file=folder,
            key="source.path",
            found=", ".join(sorted(there)) or "nothing in it",
            expected=f"files named {', '.join(EXTENSIONS)}",
            hint="Name another folder, or the file itself",
        )
    if split is not None:
        names = files_of_split(names, split, f"The folder {folder}")
    return [(name, folder / name) for name in names]


def _of_glob(pattern: str, place: Path) -> Named:
    found = sorted(Path(match) for match in glob.glob(str(place), recursive=True))  # noqa: PTH207 - leaves hidden out
    files = [path for path in found if path.is_file()]
    if not files:
        raise PipelineError(
            "No file matches a pattern",
            key="source.path",
            found=f"{pattern}: {len(found)} folders" if found else f"{pattern}: nothing",
            expected="at least one file; ** stands for any folders, and names that begin with a dot need one",
            hint="Correct source.path in params.yaml; paths are relative to the project's top folder",
        )
    for path in files:
        check_file(path)
    return [(path.name, path) for path in files]
