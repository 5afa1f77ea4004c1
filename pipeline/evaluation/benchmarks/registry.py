"""The benchmarks there are, by their key in params."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.evaluation.benchmarks.alpacaeval import AlpacaEval
from pipeline.evaluation.benchmarks.ifeval import IFEval
from pipeline.evaluation.benchmarks.interface import Benchmark
from pipeline.evaluation.benchmarks.mtbench import MTBench
from pipeline.params import BenchmarksParams

BENCHMARKS: dict[str, Callable[[BenchmarksParams], Benchmark]] = {
    "ifeval": lambda params: IFEval(params.ifeval),
    "alpacaeval": lambda params: AlpacaEval(params.alpacaeval, params.judge),
    "mtbench": lambda params: MTBench(params.mtbench, params.judge),
}
"""How each benchmark is made from the section ``benchmarks``; each has a sub-section with ``enabled``."""


def enabled_benchmarks(params: BenchmarksParams) -> list[Benchmark]:
    """The benchmarks that params switch on, ready to run, in the order of :data:`BENCHMARKS`.

    Raises:
        PipelineError: If one lacks what it needs: its prompts, or the package that scores it.
    """
    return [make(params) for name, make in BENCHMARKS.items() if getattr(params, name).enabled]
