"""What tables and lineage call the files of a source: the same on every machine, each name once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError


def named_files(files: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    """Files by a name of their own.

    A name that two files share is made longer, folder by folder, until it tells them apart; so it holds no
    more of a machine's folders than that takes.

    Args:
        files: Each file's shortest name, such as its bare name or its path within the folder that was named,
            and where it lies.

    Raises:
        PipelineError: If a file is there twice.
    """
    places = [path.resolve() for _, path in files]
    twice = [str(path) for (_, path), place in zip(files, places, strict=True) if places.count(place) > 1]
    if twice:
        raise PipelineError(
            "A source file is named twice",
            key="source.path",
            found=", ".join(twice),
            expected="each file once",
        )
    names = [name for name, _ in files]
    parts = [_parts(path) for _, path in files]
    while len(set(names)) < len(names):
        counts = Counter(names)
        longer = [
            _longer(name, whole) if counts[name] > 1 else name
            for name, whole in zip(names, parts, strict=True)
        ]
        if longer == names:
            # Links to two files under one whole path cannot be: this is for names that are no part of it.
            longer = [f"{place}/{name}" for place, name in enumerate(names, start=1)]
        names = longer
    return dict(zip(names, (path for _, path in files), strict=True))


def _parts(path: Path) -> tuple[str, ...]:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links away from the name
    return absolute.relative_to(absolute.anchor).parts


def _longer(name: str, whole: tuple[str, ...]) -> str:
    count = name.count("/") + 2
    return "/".join(whole[-count:]) if whole[-count + 1 :] == tuple(name.split("/")) else name
