"""Advisory locks between processes: who writes an artifact writes it alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import PipelineError

SUFFIX = ".lock"
"""Of the file that is locked, beside what it guards; it is there only while somebody holds it."""

GRACE = 1.0
"""Seconds to wait where nobody is expected: what a killed process was starting outlives it for a moment."""


@contextmanager
def locked(target: Path, what: str, wait: float = GRACE) -> Iterator[None]:
    """Hold the lock of a path for the length of a block.

    The operating system lets go of it when the process ends, however it ends: a file that a killed process
    left behind locks nobody out. A lock is not taken twice by one process: do not nest it.

    Args:
        target: What is guarded; ``<target>.lock`` is locked. Its folder is made where it is missing.
        what: What another holder would be doing, as a sentence without its stop.
        wait: Seconds to wait for another holder.

    Raises:
        PipelineError: If another process still holds it after that time.
        OSError: If the lock's file cannot be made (disk full, read-only).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(target.name + SUFFIX)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait, poll_interval=0.02)
    except Timeout as error:
        raise PipelineError(
            what,
            file=target,
            found=_holder(path),
            expected="one process at a time",
            hint="Wait until it has ended, then run this again",
        ) from error
    except OSError as error:
        error.filename = str(path)  # As it was given: the library makes it absolute.
        raise
    try:
        with suppress(OSError):  # Only words for whoever finds it locked.
            path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        # Before it is released: a waiting process sees that the file is gone, and makes a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "another process"
    except (OSError, ValueError):
        return "another process"
