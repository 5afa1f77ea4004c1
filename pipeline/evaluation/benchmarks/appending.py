"""Adding to a file so that what was added outlives whatever happens next."""

from __future__ import annotations

import os
from pathlib import Path


def append(path: Path, content: bytes) -> None:
    """Add bytes to the end of a file, made where it is missing; they are on the disk when this returns.

    Raises:
        OSError: If they cannot be written; a part of them may then stand there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
