"""A case run in a process of its own, forked and killed: after some time, or at a change to the disk."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fault_project import Case

_WRITES = os.O_WRONLY | os.O_RDWR
_CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: Its exit status; negative: the signal that killed it.
        seconds: Wall time from the fork.
        said: What it wrote to standard output and standard error.
    """

    code: int
    seconds: float
    said: str


def run(
    case: Case,
    work: Path,
    after: float | None = None,
    before: Callable[[], None] = lambda: None,
    log: Path | None = None,
) -> Ended:
    """Run a case in a fork of this process, which must not have started a thread.

    Args:
        case: What to run.
        work: The project's folder.
        after: Seconds until it is killed; None: never.
        before: Called in the new process first.
        log: Takes what it says; None: a file beside the folder.
    """
    log = work.with_name(work.name + ".log") if log is None else log
    reading, writing = os.pipe()
    begun = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(case, work, log, before)
    os.close(writing)
    select.select([reading], [], [], after)  # Ends when the child does: its end of the pipe closes.
    if after is not None:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(reading)
    return Ended(code, time.perf_counter() - begun, log.read_text(errors="replace"))


def _child(case: Case, work: Path, log: Path, before: Callable[[], None]) -> None:
    """Run the case to its end and leave, past whatever the parent had planned."""
    code = 1
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        os.chdir(work)
        before()
        case.run()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def die_at(call: int, count: Path | None = None) -> Callable[[], None]:
    """What makes a process kill itself just before a change to the disk that Python asks for.

    Files opened for writing, folders made, renames, removals and flushes count.

    Args:
        call: The number of that change, from 1; 0: none.
        count: A file that takes how many there were, in the end.
    """

    def begin() -> None:
        seen = 0

        def changed() -> None:
            nonlocal seen
            seen += 1
            if seen == call:
                os.kill(os.getpid(), signal.SIGKILL)
            if count is not None:
                os.pwrite(tally, str(seen).encode(), 0)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
            if (event in _CHANGES or opened) and os.getpid() == own:
                changed()

        def fsync(descriptor: int) -> None:
            changed()
            flush(descriptor)

        own, flush = os.getpid(), os.fsync
        tally = -1 if count is None else os.open(count, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.fsync = fsync  # type: ignore[assignment]
        sys.addaudithook(hook)

    return begin


def fingerprint(path: Path) -> str:
    """A hash of a file or of all files of a folder with their names; ``absent`` where there is none.

    How fast training was is left out: that is never the same.
    """
    if not path.exists():
        return "absent"
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    told = [
        (each.relative_to(path).as_posix(), hashlib.sha256(_content(each)).hexdigest())
        for each in files
        if each.name != "tokens_per_second.tsv"
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _content(path: Path) -> bytes:
    if path.name != "metrics.json":
        return path.read_bytes()
    try:
        values = json.loads(path.read_bytes())
    except ValueError:
        return path.read_bytes()
    return json.dumps({**values, "tokens_per_second": None}).encode()


def fingerprints(case: Case, folder: Path) -> dict[str, str]:
    """Of each out of a case."""
    return {name: fingerprint(folder / name) for name in case.outs}
