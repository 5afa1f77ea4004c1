"""Stages killed at random moments: what stands there afterwards, and what a rerun makes of it.

    python benchmarks/faults.py --kills 50                      # every stage, and the commands of curate
    python benchmarks/faults.py --kills 50 --stage train --boundaries 0 --json faults.json

Each run is a fork of this process, so that what is stopped is the stage and not the loading of libraries.
Half of the runs find the artifacts of another project's run, half find none. After each kill every out must
be the old one, absent, or the new one, whole; then a run that is left alone must end with the bytes of a
clean run and leave nothing else. ``--boundaries`` also kills just before the first change to the disk, the
second, and so on. ``--limits`` (as root) runs each on a small disk that is full, at once or later, or
read-only, and with too little memory: it must say so in one paragraph, and the same holds of its outs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A benchmark is run as a file: what is imported is the project, not this folder.
sys.path[0] = str(Path(__file__).parents[1])
os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import importlib
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer

from benchmarks.fault_kills import KILLED, Ended, die_at, fingerprints, run
from benchmarks.fault_limits import badly_ended, little_memory, little_room, read_only, small_disk
from benchmarks.fault_project import CASES, Case, copy, fill_in, leftovers, make_project, remove, reset


@dataclass
class Outcome:
    """What came of killing one case.

    Attributes:
        name: The stage or command.
        seconds: Wall time of a run that is left alone.
        changes: How often such a run changes the disk, as Python sees it.
        random_kills: Kills after a random time.
        boundary_kills: Kills just before a change to the disk.
        limits: Runs with too little room or memory, or without leave to write, that did not end well.
        hung: Of these, how many had to be killed: a library waits for a thread that had no memory.
        found_old: Outs that were the old ones after a kill.
        found_absent: Outs that were absent.
        found_new: Outs that were the new ones.
        faults: What should not be, in words.
    """

    name: str
    seconds: float = 0.0
    changes: int = 0
    random_kills: int = 0
    boundary_kills: int = 0
    limits: int = 0
    hung: int = 0
    found_old: int = 0
    found_absent: int = 0
    found_new: int = 0
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All of it but the faults' words, for a person."""
        return (
            f"{self.name}: {self.seconds:.2f} s, {self.random_kills} random kills, {self.boundary_kills} "
            f"at one of {self.changes} changes, {self.limits} stopped by limits ({self.hung} hung); "
            f"outs old {self.found_old}, absent {self.found_absent}, new {self.found_new}; "
            f"{len(self.faults)} faults"
        )


class Trial:
    """One case, killed again and again in a working copy.

    Args:
        case: What is run.
        folder: Holds the projects ``old`` and ``new``; takes the working copy.
        draw: Where random moments come from.
        disk: Takes the working copy instead.
    """

    def __init__(self, case: Case, folder: Path, draw: random.Random, disk: Path | None = None) -> None:
        self._case, self._draw, self._disk = case, draw, disk
        self._old, self._new, self._work = folder / "old", folder / "new", (disk or folder) / "work"
        self._log = folder / "limited.log"
        if self._work.exists():
            shutil.rmtree(self._work)
        shutil.copytree(self._new, self._work)
        self.outcome = Outcome(case.name)
        count = folder / "count"
        self._alone(die_at(0, count))  # What is compiled and cached once is not timed.
        self.outcome.changes = int(count.read_text())
        self.outcome.seconds = self._alone().seconds
        self._clean = fingerprints(case, self._work)

    def _alone(self, before: object = None) -> Ended:
        reset(self._case, self._work, self._old, self._new)
        ended = (
            run(self._case, self._work, before=before) if callable(before) else run(self._case, self._work)
        )
        if ended.code != 0:
            raise SystemExit(f"{self._case.name} fails without a fault: {ended.said}")
        return ended

    def random_kill(self) -> None:
        """Kill it after a random part of its time; one that had ended before is not counted."""
        with_old = self._draw.random() < 0.5
        reset(self._case, self._work, self._old if with_old else None, self._new)
        before = fingerprints(self._case, self._work)
        after = self._draw.uniform(0.0, self.outcome.seconds)
        ended = run(self._case, self._work, after)
        if ended.code == KILLED:
            self.outcome.random_kills += 1
            self._judge(before, f"killed after {after:.3f} s, {'old' if with_old else 'no'} outs before")
        else:  # The machine was busier when it was timed.
            self.outcome.seconds = min(self.outcome.seconds, ended.seconds)

    def boundary_kill(self, call: int) -> None:
        """Kill it just before a change to the disk."""
        reset(self._case, self._work, self._old, self._new)
        before = fingerprints(self._case, self._work)
        if run(self._case, self._work, before=die_at(call)).code == KILLED:
            self.outcome.boundary_kills += 1
            self._judge(before, f"killed at change {call}")

    def limit(self) -> None:
        """Run it with too little room, with too little memory, and without leave to write.

        Raises:
            ValueError: If there is no small disk.
        """
        disk = self._disk
        if disk is None:
            raise ValueError("limits are tried on a small disk")
        made = sum(_size(self._work / name) for name in self._case.outs)
        room = self._draw.randrange(2 * made + (1 << 16))
        self._limited(f"{room} bytes of room", lambda: little_room(disk, room))
        self._limited("read-only", lambda: read_only(disk))
        more = int(2 ** self._draw.uniform(20, 28))
        self._limited(f"{more >> 20} MB of memory", nullcontext, little_memory(more))

    def _limited(
        self,
        how: str,
        lack: Callable[[], AbstractContextManager[None]],
        before: Callable[[], None] | None = None,
    ) -> None:
        reset(self._case, self._work, self._old, self._new)
        found = fingerprints(self._case, self._work)
        with lack():
            patience = 20 * self.outcome.seconds + 20
            ended = run(self._case, self._work, patience, before or (lambda: None), self._log)
        self.outcome.hung += ended.code == KILLED
        if bad := badly_ended(ended, memory=before is not None):
            self.outcome.faults.append(f"{how}: {bad}")
        self.outcome.limits += ended.code != 0
        if ended.code == 0:  # The report of a run shows what the run before it cost.
            remove(self._work / "data/runs")
            copy(self._new / "data/runs", self._work / "data/runs")
        self._judge(found, how)

    def _judge(self, before: dict[str, str], how: str) -> None:
        """Look at what stands there, run it once more, and look again."""
        for name, found in fingerprints(self._case, self._work).items():
            if found == self._clean[name]:
                self.outcome.found_new += 1
            elif found == "absent":
                self.outcome.found_absent += 1
            elif found == before[name]:
                self.outcome.found_old += 1
            else:
                self.outcome.faults.append(f"{how}: {name} is neither the old one nor the new one")
        again = run(self._case, self._work)
        if again.code != 0:
            self.outcome.faults.append(f"{how}: run again it fails: {again.said[-600:]}")
            return
        now = fingerprints(self._case, self._work)
        wrong = [name for name, found in now.items() if found != self._clean[name]]
        if wrong:
            self.outcome.faults.append(f"{how}: run again it gives other bytes: {', '.join(wrong)}")
        left = [
            path.relative_to(self._work).as_posix() for path in leftovers(self._work) if not _is_lock(path)
        ]
        if left:
            self.outcome.faults.append(f"{how}: run again it leaves {', '.join(left)}")


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def _is_lock(path: Path) -> bool:
    """A lock's file that nobody holds stays until its artifact is next written, and is in nobody's way."""
    return path.suffix == ".lock"


def add_limits(outcome: Outcome, folder: Path, times: int, draw: random.Random) -> None:
    """Try a case's limits so many times on a small disk, and add what came of it."""
    with small_disk(folder / "disk") as disk:
        trial = Trial(CASES[outcome.name], folder, draw, disk)
        for _ in range(times):
            trial.limit()
    for name in ("limits", "hung", "found_old", "found_absent", "found_new"):
        setattr(outcome, name, getattr(outcome, name) + getattr(trial.outcome, name))
    outcome.faults += trial.outcome.faults


def make_projects(folder: Path, last: str = "report") -> None:
    """Make the projects ``old`` and ``new`` in a folder, with the cases up to one run to their ends in both.

    Raises:
        SystemExit: If a case fails.
    """
    from tests.conftest import make_model, make_tokenizer

    for seed, name in enumerate(("old", "new")):
        if os.fork() == 0:  # Torch may start threads here.
            make_model(seed).save_pretrained(folder / f"model-{name}")
            make_tokenizer().save_pretrained(folder / f"model-{name}")
            os._exit(0)
        os.wait()
        project = folder / name
        make_project(project, folder / f"model-{name}", seed)
        for case in CASES.values():
            if list(CASES).index(case.name) > list(CASES).index(last):
                break
            if name == "old" and case.arguments:
                continue  # People's files begin as they are.
            ended = run(case, project)
            if ended.code != 0:
                raise SystemExit(f"{case.name} fails without a fault: {ended.said}")
            if case.name == "curate_export":
                fill_in(project)


def load_libraries() -> None:
    """Import what stages do, once: forks have it then."""
    modules = ["dvclive", "matplotlib.figure", "peft", "transformers.models.llama.modeling_llama"]
    for case in CASES.values():
        modules.append("pipeline.__main__" if case.arguments else f"stages.{case.name}")
    for module in modules:
        importlib.import_module(module)


def main(
    kills: Annotated[int, typer.Option(min=0, help="Kills at random moments, for each case.")] = 50,
    boundaries: Annotated[
        int | None, typer.Option(min=0, help="Kills at changes to the disk, spread evenly; all by default.")
    ] = None,
    stage: Annotated[list[str] | None, typer.Option(help="Only these cases.")] = None,
    limits: Annotated[
        int, typer.Option(min=0, help="Runs with too little room, memory and leave, of each; takes root.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what came of it.")] = None,
) -> None:
    """Kill stages, and say what stood there afterwards."""
    if unknown := set(stage or ()) - set(CASES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: none of {', '.join(CASES)}")
    load_libraries()
    outcomes = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_projects(folder, [name for name in CASES if name in (stage or CASES)][-1])
        for name in stage or CASES:
            trial = Trial(CASES[name], folder, random.Random(f"{seed} {name}"))
            outcome = trial.outcome
            for _ in range(3 * kills):
                if outcome.random_kills < kills:
                    trial.random_kill()
            wanted = outcome.changes if boundaries is None else min(boundaries, outcome.changes)
            for place in range(wanted):
                trial.boundary_kill(1 + place * outcome.changes // wanted)
            if limits:
                add_limits(outcome, folder, limits, random.Random(f"{seed} {name} limits"))
            outcomes.append(outcome)
            print(outcome.line(), *outcome.faults, sep="\n  ", flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n")
    if any(outcome.faults for outcome in outcomes):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
