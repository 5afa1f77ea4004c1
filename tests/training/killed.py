"""Training runs that are killed again and again: ``python -m tests.training.killed FOLDER...``.

Each folder holds the shards and, in ``case.json``, a seed and the params. Each attempt is a process of its
own. Where it ends, by ``kill -9`` from within, is drawn from the seed: after an optimizer step, or while a
checkpoint is flushed, renamed into place or removed. The last attempt is left alone. It writes the final
weights to ``weights.safetensors`` and the curves to ``curves.json``; how each attempt ended goes to
``ends.json``.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft  # noqa: F401 - once here, not in each attempt
import torch
from safetensors.torch import save_file

from pipeline.training import loop
from pipeline.training.gather import full_weights
from tests.training.runs import Recorder, trained

ATTEMPTS = 6
PLACES: dict[str, tuple[Any, str, int]] = {
    "step": (loop, "optimizer_step", 5),
    "flush": (os, "fsync", 12),
    "rename": (Path, "rename", 3),
    "remove": (shutil, "rmtree", 3),
}
"""What may be the last call of an attempt: who has it, its name, and up to how many calls are let through."""


def dying(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The function, which kills its process once it was called so often: at the start of the next call."""
    left = calls

    def called(*args: Any, **named: Any) -> Any:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*args, **named)

    return called


def run(folder: Path, changes: dict[str, Any]) -> None:
    """Train to the end and write what came of it."""
    log = Recorder()
    module, _ = trained(folder, log, **changes)
    save_file(full_weights(module), folder / "weights.safetensors")
    (folder / "curves.json").write_text(json.dumps(log.curves()))


def attempt(folder: Path, changes: dict[str, Any], place: str | None, calls: int) -> int:
    """One attempt in a process of its own; gives how it ended, as :func:`os.waitstatus_to_exitcode`."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        if place is not None:
            owner, name, _ = PLACES[place]
            setattr(owner, name, dying(getattr(owner, name), calls))
        run(folder, changes)
        code = 0
    finally:
        os._exit(code)


def main(folder: Path) -> None:
    """Kill attempts until there were :data:`ATTEMPTS`, then let one through."""
    seed, changes = json.loads((folder / "case.json").read_text())
    draw = random.Random(seed)
    ends = []
    for _ in range(ATTEMPTS):
        place = draw.choice(sorted(PLACES))
        calls = draw.randrange(PLACES[place][2])
        ends.append([place, calls, attempt(folder, changes, place, calls)])
        if ends[-1][-1] != -signal.SIGKILL:
            break
    else:
        ends.append(["none", 0, attempt(folder, changes, None, 0)])
    (folder / "ends.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in sys.argv[1:]:
        main(Path(case))
