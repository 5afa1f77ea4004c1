"""The loop over two ranks: ``torchrun ... -m tests.training.loop_ranks FOLDER``.

``case.json`` holds the params, and after which call of :func:`optimizer_step` a rank kills itself (null:
never). The main rank writes the curves, the final weights and the saved model, as the stage does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from pipeline.training import loop, ranks
from pipeline.training.gather import full_weights
from pipeline.training.launch import process_group
from tests.training.killed import dying
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


def main(folder: Path) -> None:
    """Run the case of a folder as one of its ranks."""
    changes, killed_rank, calls = json.loads((folder / "case.json").read_text())
    with process_group(params(**changes)):
        if ranks.rank() == killed_rank:
            loop.optimizer_step = dying(loop.optimizer_step, calls)
        run(folder, changes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:]:
        main(Path(name))
