"""Starting several ranks and joining them: torchrun does it, this only hands over to it.

A run with ``train.processes`` above 1 replaces itself with torchrun, so that ``dvc repro`` needs to know
nothing of ranks. Started by torchrun by hand (also over several machines), the same stage finds torchrun's
variables in its environment and joins. torchrun ends all ranks when one fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import torch
import torch.distributed as dist

from pipeline.errors import PipelineError
from pipeline.params import TrainParams

BACKEND = "cpu:gloo,cuda:nccl"
"""Tensors on the CPU go by gloo also where there are GPUs: a count that ranks agree on stalls no GPU."""


def hand_to_torchrun(params: TrainParams, module: str) -> None:
    """Replace this process with torchrun over ``module`` where the params ask for several ranks.

    Returns where there is nothing to do: one process is asked for, or this is one of torchrun's ranks.

    Args:
        params: The ``train`` section.
        module: Dotted name, as for ``python -m``; its exit status becomes this process's.

    Raises:
        OSError: If the interpreter cannot be started.
    """
    if params.processes == 1 or "RANK" in os.environ:
        return
    environment = dict(os.environ)
    _share_cores(environment, params.processes)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, torchrun_command(params.processes, module), environment)


def torchrun_command(processes: int, module: str) -> list[str]:
    """The command line that starts ``module`` on this machine in so many ranks, which find each other."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    return [*torchrun, "--standalone", "--nproc-per-node", str(processes), "-m", module]


@contextmanager
def process_group(params: TrainParams) -> Iterator[None]:
    """Join torchrun's ranks for the length of a block; without torchrun do nothing.

    With GPUs each rank's own, by its number on this machine, becomes the current device.

    Args:
        params: The ``train`` section.

    Raises:
        PipelineError: If torchrun started another number of ranks on this machine than the params say, or if
            there are GPUs, but fewer than ranks.
    """
    if "RANK" not in os.environ:
        yield
        return
    _check_ranks(params)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group(BACKEND)
    else:
        dist.init_process_group("gloo")
    yield
    # Not after a fault: the others may be waiting in a collective, and torchrun ends them.
    dist.destroy_process_group()


def _share_cores(environment: MutableMapping[str, str], processes: int) -> None:
    """Give each rank its share of the cores, unless the user has decided; torchrun's own default is one."""
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))


def _check_ranks(params: TrainParams) -> None:
    """What the run's lineage says of its ranks must be so."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if here != params.processes:
        raise PipelineError(
            "torchrun started another number of ranks on this machine than the params say",
            key="train.processes",
            found=str(params.processes),
            expected=str(here),
            hint=f"Set train.processes to {here}, or start torchrun with --nproc-per-node {params.processes}",
        )
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else None
    if gpus is not None and here > gpus:
        raise PipelineError(
            "There are fewer GPUs than ranks",
            key="train.processes",
            found=str(here),
            expected=f"at most {gpus}",
            hint="Lower train.processes",
        )
