"""The workspace lent to one variant after another, and given back as it was.

``dvc exp run`` works in the workspace: it writes ``params.yaml``, and ``dvc.lock``, ``metrics/`` and the
stages' outs become the variant's. What DVC does not keep in its cache is small; it is put aside here for the
user's own state and for every variant, so that DVC finds each variant where it was left and runs only what is
out of date. A comparison that is killed loses nothing: what it had put aside is still there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.files import atomic_folder, read_json, write_json
from pipeline.params import Params, load_params

STORE = Path(".cache/compare")
"""Where states are put aside, seen from the project's top folder; git and DVC ignore it."""

PARTS = ("params.yaml", "dvc.lock", "metrics", "data/runs")
"""What makes a state, besides the outs in DVC's cache."""

_BEFORE, _CURRENT = "before", "current"


class Workspace:
    """A project's top folder, and the states put aside for it.

    Args:
        root: The project's top folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / STORE

    @property
    def own_params(self) -> Path:
        """The user's own ``params.yaml``, while the workspace is lent."""
        return self.store / _BEFORE / "params.yaml"

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Put the user's own state aside for the length of a block, and bring it back whatever happens.

        What an earlier, killed comparison left behind is put aside as the variant's it was working on.

        Raises:
            PipelineError: If an out differs from what DVC knows of it, and could not be brought back; or if
                params were changed since an earlier comparison was killed, so that the workspace is no longer
                what that one left.
        """
        before = self.store / _BEFORE
        if before.is_dir():
            self._check_interrupted(before)
            self._keep_interrupted()
            self._put_back(before)
        else:
            self._check_outs()
            self._put_aside(before)
        try:
            yield
        finally:
            self._keep_interrupted()
            self._put_back(before)
            # What dvc.lock names and was never made or pulled here was missing before too.
            self._checkout("--allow-missing")
            shutil.rmtree(before)

    def enter(self, variant: str, params: Params) -> None:
        """Make ready for a variant: the user's own params, and its artifacts where it has been here.

        A new one starts from whatever was there last, so that what is the same need not be made again.

        Args:
            variant: Its name here, another for other params.
            params: What it is trained with.

        Raises:
            PipelineError: If DVC cannot bring its outs back.
        """
        left = self.store / variant
        if left.is_dir():
            self._put_back(left)
            self._checkout()
        shutil.copyfile(self.own_params, self.root / "params.yaml")
        write_json(self.store / _CURRENT, {"variant": variant, "params": _plain(params)})

    def leave(self, variant: str) -> None:
        """Put a variant's state aside."""
        self._put_aside(self.store / variant)
        (self.store / _CURRENT).unlink(missing_ok=True)

    def dvc(self, words: Sequence[str], quiet: bool = False) -> str:
        """Run DVC in the project; gives its standard output where ``quiet``, else the user sees it.

        Raises:
            PipelineError: If it fails.
        """
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=self.root,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or "").strip().splitlines()
            raise PipelineError(
                f"`dvc {' '.join(words[:2])}` failed",
                found=said[-1] if said else f"exit status {done.returncode}",
                hint="Mend what it says, then run the same command again: it goes on from here",
            )
        return done.stdout or ""

    def _keep_interrupted(self) -> None:
        current = self.store / _CURRENT
        if current.is_file():
            self.leave(str(read_json(current)["variant"]))

    def _check_interrupted(self, before: Path) -> None:
        """Whether the workspace is as a killed comparison left it."""
        now = _plain(load_params(self.root / "params.yaml"))
        known = [_plain(load_params(before / "params.yaml"))]
        if (self.store / _CURRENT).is_file():
            known.append(read_json(self.store / _CURRENT)["params"])
        if now not in known:
            raise PipelineError(
                "A comparison was stopped here, and params were changed since",
                file=self.root / "params.yaml",
                found="neither the params from before it nor those it was training with",
                expected="the workspace as it was left, to go on from there",
                hint=f"Delete {before} to take the workspace as it is now",
            )

    def _check_outs(self) -> None:
        """Refuse where an out was changed by hand: bringing it back would need a copy in the cache."""
        told = json.loads(self.dvc(["data", "status", "--json"], quiet=True) or "{}")
        changed = [
            path
            for kind in ("modified", "added")
            for path in told.get("uncommitted", {}).get(kind, [])
            if not path.startswith("metrics/")
        ]
        if changed:
            raise PipelineError(
                "An artifact is not the one that DVC knows, and a comparison would lose it",
                file=changed[0],
                found=f"{len(changed)} changed outside of DVC",
                expected="artifacts as the stages left them",
                hint="Keep them with `dvc commit`, or bring them back with `dvc checkout`",
            )

    def _put_aside(self, folder: Path) -> None:
        with atomic_folder(folder) as kept:
            for name in PARTS:
                _copy(self.root / name, kept / name)

    def _put_back(self, folder: Path) -> None:
        for name in PARTS:
            target = self.root / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
            _copy(folder / name, target)

    def _checkout(self, *options: str) -> None:
        """Bring the outs of the present ``dvc.lock`` from DVC's cache."""
        if (self.root / "dvc.lock").is_file():
            self.dvc(["checkout", "--force", "--quiet", *options], quiet=True)


def _plain(params: Params) -> dict[str, Any]:
    return params.model_dump(mode="json", by_alias=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder; nothing where there is none."""
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        shutil.copyfile(source, target)
