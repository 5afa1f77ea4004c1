"""Which split a data file belongs to, by the hub's conventions for the names of files and folders.

Source: https://huggingface.co/docs/hub/datasets-file-names-and-splits
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.errors import PipelineError
from pipeline.sources.formats import EXTENSIONS

_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_SHARD = re.compile(r"^(?P<split>\w+(?:\.\w+)*)-\d{5}-of-\d{5}")
_BETWEEN = re.compile(r"[-._ 0-9]+")


def hub_split(name: str) -> str | None:
    """The split that the hub takes a file for; None if its name holds none.

    Shards (``data/train_prefs-00000-of-00001.parquet``) name their split themselves. Another file belongs to
    the split whose word (train, validation, test or another usual one) stands in its name or in that of a
    folder, parted from the rest by punctuation or digits.

    Args:
        name: The file's path within its repository or folder, with slashes.
    """
    *folders, file = name.split("/")
    shard = _SHARD.match(file)
    if shard:
        return shard["split"]
    words = [word for part in (_stem(file), *reversed(folders)) for word in _BETWEEN.split(part.lower())]
    return next((_WORDS[word] for word in words if word in _WORDS), None)


def words_of(split: str) -> list[str]:
    """The words one of which stands in the name of a split's files, its own name first."""
    usual = _WORDS.get(split)
    return list(dict.fromkeys([split, *(word for word, stands_for in _WORDS.items() if stands_for == usual)]))


def files_of_split(names: Sequence[str], split: str, where: str) -> list[str]:
    """The files of a split, in their order.

    A file that is no shard also answers to its own name without the extension. Where no name holds a split,
    all files are ``train``.

    Args:
        names: Paths of data files.
        split: The split's name; a usual word stands for its split (``dev`` for validation).
        where: What holds the files, for the error.

    Raises:
        PipelineError: If no file belongs to it; with the splits that are there.
    """
    wanted = {split, _WORDS.get(split, split)}
    splits = {name: hub_split(name) for name in names}
    if split == "train" and not any(splits.values()):
        return list(names)
    found = [name for name in names if wanted & {splits[name], _own_name(name)}]
    if not found:
        there = sorted({splits[name] or _own_name(name) for name in names})
        raise PipelineError(
            f"{where} has no such split",
            key="source.hub.split",
            found=f"{split}; there are {', '.join(there) or 'none'}",
            expected="a split by its files' names, such as train for data/train-00000-of-00001.parquet",
            hint="Name a split that is there, or null for all files",
        )
    return found


def _own_name(name: str) -> str:
    file = name.rpartition("/")[2]
    return "" if _SHARD.match(file) else _stem(file)


def _stem(file: str) -> str:
    end = next((end for end in sorted(EXTENSIONS, key=len, reverse=True) if file.lower().endswith(end)), "")
    return file[: len(file) - len(end)]
