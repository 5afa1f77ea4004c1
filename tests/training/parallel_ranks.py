"""What the ranks of the tests do: a few steps of a tiny model, written down by the main rank."""

from __future__ import annotations

import copy
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import LlamaForCausalLM

from pipeline.params import TrainParams, parse_params
from pipeline.tokens.shards import TokenPair
from pipeline.training.gather import (
    full_optimizer_state,
    full_weights,
    load_full_optimizer_state,
    load_full_weights,
    whole_model,
)
from pipeline.training.launch import process_group
from pipeline.training.model import add_adapters, checkpoint_layers, merge_adapters
from pipeline.training.parallel import (
    forward_backward,
    make_optimizer,
    parallelize,
    passes,
    step_model_of,
)
from pipeline.training.step import optimizer_step, totals_of, validate
from pipeline.training.step_model import StepModel
from tests.conftest import make_model
from tests.training.conftest import make_pair, make_pairs
from tests.training.runs import made_up_references

PAD = 2
RANKS = 2

Step = tuple[float, list[torch.Tensor]]


def steps() -> list[list[TokenPair]]:
    """Three steps: five pairs, of which one rank gets fewer; eight; and one, which leaves a rank without."""
    return [[make_pair("long", 20, 30, 40), *make_pairs(4)], make_pairs(8), [make_pair("last", 5, 9, 4)]]


def train_params(changes: dict[str, Any]) -> TrainParams:
    """One pair in each forward pass, unless changed."""
    values = {"lr": 1e-3, "weight_decay": 0.1, "micro_batch_tokens": 1, "dtype": "float32", **changes}
    return parse_params({"train": values}).train


def fresh_model(params: TrainParams) -> LlamaForCausalLM:
    """The tiny model, untrained, in the dtype of its params."""
    model = make_model()
    if params.lora.enabled:
        torch.manual_seed(1)
        add_adapters(model, params.lora)
        # The second factor starts at 0, and the first would then have no gradient in the first step.
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter.data, std=0.1)
    if params.gradient_checkpointing:
        checkpoint_layers(model)
    return model.bfloat16() if params.dtype == "bf16" else model


class Run:
    """A model in training, alone or as one of several ranks."""

    def __init__(self, changes: dict[str, Any]) -> None:
        self.params = train_params(changes)
        step_model = StepModel(fresh_model(self.params), PAD, self.params, made_up_references())
        self.module = parallelize(step_model, self.params)
        self.optimizer = make_optimizer(self.module, self.params)

    def train(self, all_steps: Sequence[Sequence[TokenPair]]) -> list[float]:
        """Gradient norms, step by step."""
        return [optimizer_step(self.module, self.optimizer, pairs)["grad_norm"] for pairs in all_steps]

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds; of use on the main rank alone."""
        state = {"weights": full_weights(self.module), "optimizer": full_optimizer_state(self.optimizer)}
        return copy.deepcopy(state)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        load_full_weights(self.module, state["weights"])
        load_full_optimizer_state(self.optimizer, state["optimizer"])

    def save(self, folder: Path) -> None:
        """The model directory, written by the main rank."""
        model = whole_model(self.module, lambda: fresh_model(self.params))
        if model is None:
            return
        if self.params.lora.enabled:
            merge_adapters(model)
        model.save_pretrained(folder)


def run_case(changes: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train, validate and save; where another run left ``first.pt``, also go on from its first step."""
    run = Run(changes)
    found: dict[str, Any] = {"norms": run.train(steps()), "validation": validate(run.module, make_pairs(3))}
    # A pass without gradients leaves some weights gathered under FSDP; what is read then is still the whole.
    found |= run.state()
    run.save(folder / "model")
    if (folder / "first.pt").exists():
        resumed = Run(changes)
        validate(resumed.module, make_pairs(3))
        resumed.load(torch.load(folder / "first.pt", weights_only=True))
        resumed.train(steps()[1:])
        found["resumed"] = resumed.state()
    first = Run(changes)
    first.train(steps()[:1])
    found["first"] = first.state()
    return found


def step_of_objective(changes: dict[str, Any]) -> Step:
    """Loss and gradients of one step of eight pairs, before its update."""
    run = Run(changes)
    pairs = make_pairs(8)
    totals = totals_of(step_model_of(run.module), pairs)
    loss = torch.zeros(())
    for each in passes(step_model_of(run.module), pairs):
        terms = forward_backward(run.module, run.optimizer, each, totals)
        loss += terms.loss.detach() * each.counts
    dist.all_reduce(loss)
    return loss.item(), [p.grad for p in run.module.parameters() if p.grad is not None]


def steps_of_objectives(folder: Path) -> list[Step]:
    """The steps of ``cases.pt``."""
    cases = torch.load(folder / "cases.pt", weights_only=True)
    return [step_of_objective(changes) for changes in cases]


def meet(folder: Path) -> None:
    """Write down a free port, where the ranks of a folder meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (folder / "port").write_text(str(probe.getsockname()[1]))


def as_rank(rank: int, folder: str, work: Callable[[Path], Any]) -> None:
    """Run ``work`` as one of two ranks, with the variables torchrun sets; rank 0 writes ``found.pt``."""
    torch.set_num_threads(1)
    port = (Path(folder) / "port").read_text()
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with process_group(train_params({"processes": RANKS})):
        found = work(Path(folder))
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")


def run_cases(folder: Path) -> dict[str, Any]:
    """Every case of ``cases.pt``, by name."""
    cases = torch.load(folder / "cases.pt", weights_only=True)
    return {name: run_case(changes, folder / name) for name, changes in cases.items()}
