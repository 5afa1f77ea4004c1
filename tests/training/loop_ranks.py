"""The loop over two ranks: ``torchrun ... -m tests.training.loop_ranks FOLDER...``.

Each folder's ``case.json`` holds the params, after how many steps the run ends before its time (null: it
does not), and which rank then kills itself (null: all stop). The main rank writes the curves, the final
weights and what the loop gave back.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file

from pipeline.training import loop, ranks
from pipeline.training.gather import full_weights
from pipeline.training.launch import process_group
from pipeline.training.step import optimizer_step
from tests.training.runs import Recorder, params, trained


def run(folder: Path, changes: dict[str, Any]) -> None:
    """Train to the end, write what came of it."""
    log = Recorder()
    module, result = trained(folder, log, **changes)
    found = full_weights(module)
    if ranks.is_main():
        save_file(found, folder / "weights.safetensors")
        told = {"curves": log.curves(), "weights_step": result.weights_step, "validation": result.validation}
        (folder / "told.json").write_text(json.dumps(told))


class Stopped(Exception):
    """A run that ends before its time, on all ranks."""


def main(folder: Path) -> None:
    """Run the case of a folder as one of its ranks."""
    changes, steps, killed_rank = json.loads((folder / "case.json").read_text())
    left = steps

    def counted(*arguments: Any) -> Any:
        nonlocal left
        if left == 0 and killed_rank is None:
            raise Stopped
        if left == 0 and killed_rank == ranks.rank():
            os.kill(os.getpid(), signal.SIGKILL)
        left = None if left is None else left - 1
        return optimizer_step(*arguments)

    with mock.patch.object(loop, "optimizer_step", counted), contextlib.suppress(Stopped):
        run(folder, changes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group(params(processes=2)):
        for name in sys.argv[1:]:
            main(Path(name))
