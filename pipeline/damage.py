"""Damaged artifacts, in the project and in DVC's cache: found by reading every byte, and taken away.

``dvc pull`` and ``dvc repro --force`` leave a damaged file of the cache where it is, for DVC takes what lies
there for whole; so it has to go before either can help.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.recorded import Changed, cached, changed_files, md5_file, recorded_files, recorded_outs


@dataclass(frozen=True)
class Damage:
    """What a look at all artifacts found.

    Attributes:
        changed: What is not as recorded; a folder stands for itself where its listing is lost.
        compared: Files that were read.
    """

    changed: list[Changed]
    compared: int


def find_damage(root: Path) -> Damage:
    """Compare the outs of ``dvc.lock``, and the copies of them in DVC's cache, with their hashes.

    What is not there is no damage: a stage may not have run, or its outs may not have been pulled.

    Args:
        root: The project's top folder.

    Raises:
        PipelineError: If ``dvc.lock`` is not YAML.
        OSError: If a file cannot be read.
    """
    outs = recorded_outs(root)
    changed = changed_files(root, outs)
    compared, copies = 0, set()
    for out in outs:
        files = recorded_files(root, out) or {}
        compared += sum((root / name).is_file() for name in files)
        copies |= {out.md5, *files.values()}
    for md5 in sorted(copies):
        copy = cached(root, md5)
        if copy.is_file():
            compared += 1
            found = md5_file(copy)
            if found != md5.removesuffix(".dir"):
                changed.append(Changed(copy, found, md5))
    return Damage(changed, compared)


def remove_damage(changed: Iterable[Changed]) -> None:
    """Delete what was found damaged.

    Raises:
        OSError: If it cannot be deleted.
    """
    for each in changed:
        if each.path.is_dir():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)
