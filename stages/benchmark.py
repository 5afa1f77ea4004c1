"""Stage benchmark: the published benchmarks that params enable, in data/benchmark and metrics/benchmark.json.

Answers and judgements lie in data/benchmark.work as well, as they are made: a stage that was stopped goes on
from them, and an answer is made again only where its model, prompt or settings changed.
"""

from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.benchmarks.contamination import contamination
from pipeline.evaluation.benchmarks.interface import Benchmark
from pipeline.evaluation.benchmarks.registry import BENCHMARKS, enabled_benchmarks
from pipeline.evaluation.benchmarks.run import chosen_models, run_benchmarks
from pipeline.files import atomic_folder, write_json
from pipeline.params import Params
from pipeline.records import read_record
from pipeline.tables import read_lineage
from stages._models import measured_models
from stages._stage import DATA, METRICS, run

WORK = DATA / "benchmark.work"
DECONTAMINATED = DATA / "decontaminate" / "pairs.parquet"


def main(params: Params) -> None:
    """Run the benchmarks with models/base and models/trained."""
    benchmarks = enabled_benchmarks(params.benchmarks)
    if not benchmarks:
        print(f"no benchmark is enabled (benchmarks.<name>.enabled, of {', '.join(BENCHMARKS)})")
    models = chosen_models(measured_models(params.evaluate.models), params.benchmarks) if benchmarks else {}
    with atomic_folder(DATA / "benchmark") as folder:
        metrics = run_benchmarks(
            benchmarks,
            models,
            params.benchmarks,
            _contaminations(benchmarks),
            folder,
            WORK,
            params.model.trust_remote_code,
            params.tokenize.special_tokens_in_text,
        )
        write_json(folder / "scores.json", metrics)
    write_json(METRICS / "benchmark.json", metrics)


def _contaminations(benchmarks: list[Benchmark]) -> dict[str, dict[str, Any]]:
    """Of each benchmark, whether the training data was decontaminated against it."""
    lists = read_lineage(DECONTAMINATED).get("benchmarks")
    if lists is None:
        raise PipelineError(
            "The pairs do not say which benchmarks they were decontaminated against",
            file=DECONTAMINATED,
            expected="benchmarks in the lineage",
            hint="Run `dvc repro --force --single-item decontaminate`",
        )
    counts = read_record(METRICS / "decontaminate.json", "decontaminate", "benchmarks")["benchmarks"]
    return {
        benchmark.name: contamination(benchmark.name, benchmark.files, lists, counts)
        for benchmark in benchmarks
    }


if __name__ == "__main__":
    run(main, weights=lambda params: bool(enabled_benchmarks(params.benchmarks)))
