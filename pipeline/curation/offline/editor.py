"""A text in the annotator's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from pipeline.errors import PipelineError


def edit_text(text: str) -> str:
    """Let a person edit a text in ``$VISUAL`` or ``$EDITOR``, or in vi.

    An editor ends the last line; that line end is taken off again where the text had none.

    Raises:
        PipelineError: If the editor cannot be started, ends with an error, or leaves something that is not
            UTF-8; the text is then as it was.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "correction.md"
        path.write_bytes(text.encode())
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)
            edited = path.read_bytes().decode("utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise PipelineError(
                "The editor gave no text",
                found=f"{editor}: {error}",
                hint="Set the environment variable EDITOR to one that waits until the file is closed",
            ) from error
    return edited if text.endswith("\n") else edited.removesuffix("\n")
