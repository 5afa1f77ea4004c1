"""The clock of both sides' optimizer steps, and the memory they took."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.flops import synchronize
from benchmarks.measure import own_peak_mb


class StepClock:
    """Wall time of each optimizer step; a GPU's work is waited for at both ends.

    Args:
        device: Where the steps run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun = 0.0
        self.steps: list[float] = []

    def begin(self) -> None:
        """A step begins."""
        synchronize(self._device)
        self._begun = time.perf_counter()

    def end(self) -> None:
        """It ended."""
        synchronize(self._device)
        self.steps.append(time.perf_counter() - self._begun)

    def figures(self) -> dict[str, Any]:
        """Of the steps so far, all but the first, which warms up: their time, each and together, and memory.

        ``peak_mb`` is the process' peak memory, on a GPU that of its tensors there; then ``host_peak_mb`` has
        the process'.
        """
        timed = self.steps[1:]
        memory = {"peak_mb": own_peak_mb()}
        if self._device.type == "cuda":
            memory = {
                "peak_mb": torch.cuda.max_memory_allocated(self._device) / 1e6,
                "host_peak_mb": own_peak_mb(),
            }
        return {"seconds": sum(timed), "step_seconds": timed, **memory}
