"""A case run with too little of what it needs: room on its disk, leave to write there, memory."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.fault_kills import KILLED, Ended

DISK_MB = 256
"""Of the small disk, which holds a project and what its stages make."""

_BLOCK = 4096
_SIGNALS = (134, -6, -11, KILLED)
"""How a process ends that a library ended as its memory could not be had: SIGABRT, told by a shell or not, or
SIGSEGV; or that had to be ended, as the library waits for a thread that had none."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own on a new folder, for the length of a block.

    Raises:
        SystemExit: If nothing can be mounted here, which takes root.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        raise SystemExit("no file system can be mounted here: that takes root; leave out --limits")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def little_room(disk: Path, room: int) -> Iterator[None]:
    """Leave so many bytes free on a disk, rounded up to whole blocks, for the length of a block."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(_BLOCK, free.f_bavail * free.f_bsize - room))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Nothing can be written on a disk, for the length of a block."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def little_memory(more: int) -> Callable[[], None]:
    """What lets a process have no more than so many bytes of address space besides what it has."""

    def begin() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return begin


def badly_ended(ended: Ended, memory: bool) -> str | None:
    """What is wrong with how a run ended that lacked something; None where nothing is.

    It may end well, or with status 1 and a paragraph; for lack of memory a library may end the process.
    """
    if "Traceback (most recent call last)" in ended.said:
        return f"a traceback: {ended.said[-600:]}"
    if ended.code == 0 or (ended.code == 1 and "error: " in ended.said):
        return None
    if memory and ended.code in _SIGNALS:
        return None
    return f"status {ended.code}: {ended.said[-600:]}"
