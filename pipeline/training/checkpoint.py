"""Checkpoints of a run: written whole or not at all, the latest few kept, tied to what they are of."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from pipeline.errors import PipelineError
from pipeline.files import atomic_folder, read_json, write_json
from pipeline.training.ranks import say
from pipeline.training.safe_state import load_state, save_state

CHECKSUMS = "checksums.json"
RUN = "run.json"
_BLOCK = 1 << 24


class Checkpoints:
    """The checkpoints of one run, ``<folder>/step-<number>``.

    A checkpoint holds what :func:`~pipeline.training.safe_state.save_state` writes, the run's fingerprint and
    a checksum of each file. It is written beside its place, flushed to the disk and renamed (law 5).

    Args:
        folder: Made with the first checkpoint, removed by :meth:`clear`.
        fingerprint: Of the run, see :func:`~pipeline.training.fingerprint.run_fingerprint`.
        every: Steps between checkpoints; 0: none are written.
        keep: How many of the latest stay.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], every: int, keep: int) -> None:
        self.folder = folder
        self.fingerprint = dict(fingerprint)
        self.every = every
        self.keep = keep

    def due(self, step: int) -> bool:
        """Whether one is to be written after a step."""
        return self.every > 0 and step % self.every == 0

    def write(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the checkpoint of a step, then remove those before the latest ``keep``.

        Raises:
            OSError: If it cannot be written; the checkpoints before it stay.
        """
        with atomic_folder(self.folder / f"step-{step:08d}") as folder:
            write_json(folder / RUN, self.fingerprint)
            save_state(state, folder)
            write_json(folder / CHECKSUMS, {path.name: _checksum(path) for path in sorted(folder.iterdir())})
        self._clear_away_leftovers()
        for old in self._folders()[self.keep :]:
            # First out of sight: half of a folder would look like a damaged checkpoint.
            shutil.rmtree(old.rename(old.with_name(old.name + ".partial")))

    def latest(self) -> dict[str, Any] | None:
        """The state of the latest checkpoint that is whole; None if there is none.

        A damaged one is passed over, with a line on standard error.

        Raises:
            PipelineError: If it is of another run: other params, data, base model or libraries.
        """
        for folder in self._folders():
            damage = _damage(folder)
            if damage is not None:
                say(f"{folder} is passed over: {damage}")
                continue
            self._check_run(folder)
            say(f"training goes on from {folder}")
            return load_state(folder)
        return None

    def clear(self) -> None:
        """Remove them all: the run has come to its end."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def _folders(self) -> list[Path]:
        """The checkpoints' folders, latest first."""
        found = [path for path in self.folder.glob("step-*") if path.is_dir() and not path.suffix]
        return sorted(found, reverse=True)

    def _clear_away_leftovers(self) -> None:
        """Remove what killed runs left of checkpoints they were writing or removing."""
        for pattern in ("*.partial", "*.old"):
            for path in self.folder.glob(pattern):
                shutil.rmtree(path)
        for path in self.folder.glob("*.lock"):  # one run writes here at a time: nobody holds them
            path.unlink()

    def _check_run(self, folder: Path) -> None:
        saved = _flat(read_json(folder / RUN))
        own = _flat(self.fingerprint)
        differ = [key for key in {**saved, **own} if saved.get(key) != own.get(key)]
        if not differ:
            return
        key = differ[0]
        raise PipelineError(
            f"A checkpoint of another run lies where this one's would: {', '.join(differ)} changed",
            file=folder,
            key=key,
            found=f"{saved.get(key)} in the checkpoint",
            expected=str(own.get(key)),
            hint=f"To start afresh, delete {self.folder}; to go on with that run, change it back",
        )


def _flat(tree: Any, name: str = "") -> dict[str, Any]:
    """Leaves of nested dicts by dotted name."""
    if not isinstance(tree, dict):
        return {name: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{name}.{key}" if name else str(key))
    return leaves


def _checksum(path: Path) -> str:
    """XXH3 of a file's bytes as 32 hex digits: against damage, not against malice."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files; None if nothing is."""
    try:
        checksums = read_json(folder / CHECKSUMS)
        wrong = [name for name, checksum in checksums.items() if _checksum(folder / name) != checksum]
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, AttributeError) as error:
        return f"{CHECKSUMS} cannot be read ({type(error).__name__})"
    return f"{', '.join(wrong)} changed since it was written" if wrong else None
