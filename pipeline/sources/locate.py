"""Where the raw rows of a source lie: local files, URLs or a dataset on the hub, as files on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.params import SourceParams
from pipeline.sources import hub
from pipeline.sources.file_names import named_files
from pipeline.sources.local_files import Named, local_files
from pipeline.sources.raw_files import check_file
from pipeline.sources.remote_files import CACHE, remote_files
from pipeline.sources.urls import is_url, local_path


@dataclass(frozen=True)
class Located:
    """Files on this machine that hold a source.

    Attributes:
        files: The name that tables record, the same on every machine, to where the file lies; in an order
            that is the same everywhere.
        lineage: Where they came from: of the hub ``repo``, ``commit`` and ``split`` (where one is named), of
            URLs ``urls``, each file's address without credentials by its name.
    """

    files: dict[str, Path]
    lineage: dict[str, Any]


def locate(params: SourceParams, cache: Path = CACHE) -> Located:
    """Find the files of a source; download those that are elsewhere.

    Args:
        params: The section ``source``, of a kind that is read, not generated.
        cache: The folder that files named by URL are kept in.

    Raises:
        PipelineError: If something that is named is not there, not a file that is read, named twice or cannot
            be downloaded.
        OSError: If the cache cannot be written.
    """
    if params.path is None:
        return _on_hub(params)
    if not params.entries:
        raise PipelineError(
            "A source names no file",
            key="source.path",
            found="[]",
            expected="a file, glob, folder or URL, or null for the hub",
            hint="Name the file, or set source.kind: sample",
        )
    found: Named = []
    urls: dict[Path, str] = {}
    for entry in params.entries:
        local = local_path(entry) if is_url(entry) else entry
        if local is not None:
            found += local_files(local, params.hub.split)
            continue
        for remote in remote_files(entry, cache):
            found.append((remote.name, remote.path))
            urls[remote.path] = remote.url
    files = named_files(found)
    lineage: dict[str, Any] = {}
    if params.hub.split is not None:
        lineage["split"] = params.hub.split
    if urls:
        lineage["urls"] = {name: urls[path] for name, path in files.items() if path in urls}
    return _checked(files, lineage)


def _on_hub(params: SourceParams) -> Located:
    snapshot = hub.fetch(params.kind, params.hub)
    files = {path.relative_to(snapshot.folder).as_posix(): path for path in snapshot.files}
    lineage = {"repo": snapshot.repo, "commit": snapshot.commit}
    if params.hub.split is not None:
        lineage["split"] = params.hub.split
    return _checked(files, lineage)


def _checked(files: dict[str, Path], lineage: dict[str, Any]) -> Located:
    for path in files.values():
        check_file(path)
    return Located(files, lineage)
