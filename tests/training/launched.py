"""A stage in small, run as a module by the tests of the launch: each rank writes down who it is."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.distributed as dist

from pipeline.errors import foreseen_faults
from pipeline.params import load_params
from pipeline.training.launch import hand_to_torchrun, process_group


def main() -> None:
    params = load_params().train
    hand_to_torchrun(params, "tests.training.launched")
    with process_group(params):
        rank = torch.tensor(dist.get_rank() if dist.is_initialized() else 0)
        if os.environ.get("FAULT_IN") == str(int(rank)):
            raise OSError("no space left")
        if dist.is_initialized():
            dist.all_reduce(rank)
        name = os.environ.get("RANK", "none")
        threads = os.environ.get("OMP_NUM_THREADS")
        Path(f"rank-{name}").write_text(f"{int(rank)} {threads}", encoding="utf-8")


if __name__ == "__main__":
    with foreseen_faults():
        main()
