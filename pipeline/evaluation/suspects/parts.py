"""Finished parts of a run of suspects, kept so that a killed run goes on with the next part."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.files import canonical_json, content_id, read_json, write_json

Columns = dict[str, list[float]]


class Parts:
    """JSON files in a folder named after all that they depend on; of other params or data it is another.

    Args:
        root: Where the folders lie.
        fingerprint: All that the parts depend on, JSON-able.
    """

    def __init__(self, root: Path, fingerprint: Mapping[str, Any]) -> None:
        self._root = root
        self.folder = root / content_id(canonical_json(dict(fingerprint)))

    def get(self, name: str, make: Callable[[], Columns]) -> Columns:
        """A part: read where it was finished before, else made and kept, whole or not at all.

        Raises:
            OSError: If it cannot be written.
        """
        path = self.folder / f"{name}.json"
        if path.is_file():
            columns: Columns = read_json(path)
            return columns
        columns = make()
        write_json(path, columns)
        return columns

    def clear(self) -> None:
        """Remove them, and those of runs that were never finished."""
        if self._root.is_dir():
            shutil.rmtree(self._root)
