"""Whether artifacts are still the bytes that DVC recorded when a stage wrote them.

DVC trusts a file whose size and time are as they were, and never reads its cache again; a remote is checked
only where it has ``verify = true``. So a bit that flips on a disk, or on the way from a remote, goes through
``dvc pull``, ``dvc checkout`` and ``dvc status`` unseen. Here the bytes are read and compared with
``dvc.lock``: the MD5 of a file, or of a folder's listing, which names each file with its MD5.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import PipelineError

LOCK = Path("dvc.lock")
"""What DVC recorded, seen from the project's top folder."""

WEIGHTS = ".safetensors"
"""How the files end that are large, and that few stages read."""

_LISTING = ".dir"
_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Out:
    """An out of a stage, as ``dvc.lock`` has it.

    Attributes:
        path: Seen from the project's top folder.
        md5: Of the file; with ``.dir`` at its end, of the folder's listing.
    """

    path: str
    md5: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(_LISTING)


@dataclass(frozen=True)
class Changed:
    """A file, or a folder without a listing, that is not as recorded.

    Attributes:
        path: Where it lies.
        found: Its MD5.
        expected: The recorded one.
    """

    path: Path
    found: str
    expected: str


def load_yaml(path: Path) -> Any:
    """What a YAML file of DVC holds, by the fast loader where PyYAML has it; None where there is no file.

    Raises:
        PipelineError: If it is not YAML.
    """
    if not path.is_file():
        return None
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(path.read_text(encoding="utf-8"), loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PipelineError(
            "A file of DVC cannot be read",
            file=path,
            found=str(error),
            expected="YAML",
            hint="Restore it from git: `git checkout -- dvc.lock dvc.yaml`",
        ) from error


def recorded_outs(root: Path) -> list[Out]:
    """The outs that ``dvc.lock`` records, of all stages; none where there is no such file.

    Args:
        root: The project's top folder.

    Raises:
        PipelineError: If the file is not YAML.
    """
    stages = (load_yaml(root / LOCK) or {}).get("stages") or {}
    outs = [out for stage in stages.values() for out in stage.get("outs") or ()]
    # Without `hash` it is an MD5 of text with line ends made alike, as DVC 2 recorded it.
    return [Out(out["path"], out["md5"]) for out in outs if out.get("hash") == "md5" and "md5" in out]


def recorded_files(root: Path, out: Out) -> dict[str, str] | None:
    """The files of an out, seen from the top folder, each with its MD5.

    Args:
        root: The project's top folder.
        out: A file, or a folder whose listing lies in DVC's cache.

    Returns:
        None where the listing is not in the cache, or is damaged itself.
    """
    if not out.is_folder:
        return {out.path: out.md5}
    try:
        content = cached(root, out.md5).read_bytes()
    except OSError:
        return None
    if _md5(content) + _LISTING != out.md5:
        return None
    return {f"{out.path}/{entry['relpath']}": str(entry["md5"]) for entry in json.loads(content)}


def changed_files(
    root: Path, outs: Iterable[Out], wanted: Callable[[str], bool] = lambda _: True
) -> list[Changed]:
    """The files of outs that are there and are not as recorded; every wanted byte is read.

    A folder whose listing is not at hand can only be compared whole, so it stands there as a whole.

    Args:
        root: The project's top folder.
        outs: What to compare.
        wanted: Given a file's path as seen from the top folder, whether to read it.

    Raises:
        OSError: If a file cannot be read.
    """
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        changed = []
        for out in outs:
            files = recorded_files(root, out)
            if files is None:
                changed += _changed_folder(root, out, wanted, pool)
                continue
            there = {name: md5 for name, md5 in files.items() if wanted(name) and (root / name).is_file()}
            hashes = pool.map(lambda name: md5_file(root / name), there)
            changed += [
                Changed(root / name, found, there[name])
                for name, found in zip(there, hashes, strict=True)
                if found != there[name]
            ]
        return changed


def _changed_folder(
    root: Path, out: Out, wanted: Callable[[str], bool], pool: ThreadPoolExecutor
) -> list[Changed]:
    folder = root / out.path
    paths = [path for path in folder.rglob("*") if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in paths]
    if not any(wanted(f"{out.path}/{name}") for name in names):
        return []
    entries = [
        {"md5": md5, "relpath": name} for name, md5 in zip(names, pool.map(md5_file, paths), strict=True)
    ]
    # The same text as DVC's, dvc_data.hashfile.tree.Tree.as_bytes.
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    found = _md5(listing.encode()) + _LISTING
    return [] if found == out.md5 else [Changed(folder, found, out.md5)]


def cached(root: Path, md5: str) -> Path:
    """Where DVC's cache keeps what has this MD5, whether or not it is there.

    Args:
        root: The project's top folder; its ``.dvc/config.local`` and ``.dvc/config`` may place the cache.
        md5: As ``dvc.lock`` writes it.
    """
    return _cache_folder(root) / "files" / "md5" / md5[:2] / md5[2:]


def _cache_folder(root: Path) -> Path:
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    folder = root / ".dvc"
    try:
        settings.read([folder / "config", folder / "config.local"], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return folder / "cache"
    return folder / settings.get("cache", "dir", fallback="cache")


def md5_file(path: Path) -> str:
    """Hex MD5 of a file's bytes, as DVC names them.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
