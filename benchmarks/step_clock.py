"""The clock of both sides' optimizer steps, by the wall and by the processor, and the memory they took."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.flops import synchronize
from benchmarks.measure import own_peak_mb


class StepClock:
    """Wall and processor time of each optimizer step; a GPU's work is waited for at both ends.

    Args:
        device: Where the steps run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun = self._begun_cpu = 0.0
        self.steps: list[float] = []
        self.cpu_steps: list[float] = []

    def begin(self) -> None:
        """A step begins."""
        synchronize(self._device)
        self._begun, self._begun_cpu = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """It ended."""
        synchronize(self._device)
        self.steps.append(time.perf_counter() - self._begun)
        self.cpu_steps.append(time.process_time() - self._begun_cpu)

    def figures(self) -> dict[str, Any]:
        """Of the steps so far, all but the first, which warms up: their time, each and together, and memory.

        ``cpu_seconds`` are the processor's, of all threads: other work on the machine lengthens them less.
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
        times = {"seconds": sum(timed), "cpu_seconds": sum(self.cpu_steps[1:]), "step_seconds": timed}
        return {**times, **memory}
