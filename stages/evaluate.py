"""Stage evaluate: base, trained and further models on the same held-out pairs and prompts."""

from pipeline.evaluation.evaluate import evaluate
from pipeline.files import atomic_folder, write_json
from pipeline.params import Params
from pipeline.schema import EVALUATED_PAIRS, EVALUATED_SLICES, GENERATIONS, SPLIT_PAIRS
from pipeline.tables import read_table, write_table
from pipeline.tokens.shards import ShardSet
from stages._models import measured_models
from stages._stage import DATA, METRICS, run


def main(params: Params) -> None:
    """Measure models/base, models/trained and ``evaluate.models`` on the split ``evaluate.split``."""
    split = params.evaluate.split
    result = evaluate(
        measured_models(params.evaluate.models),
        ShardSet(DATA / "tokenize", split),
        read_table(DATA / "split" / f"{split}.parquet", SPLIT_PAIRS),
        params.evaluate,
        params.model.trust_remote_code,
    )
    with atomic_folder(DATA / "evaluate") as folder:
        write_table(result.pairs, folder / "pairs.parquet", EVALUATED_PAIRS)
        write_table(result.slices, folder / "slices.parquet", EVALUATED_SLICES)
        write_table(result.generations, folder / "generations.parquet", GENERATIONS)
    write_json(METRICS / "evaluate.json", result.metrics)


if __name__ == "__main__":
    run(main, weights=lambda _: True)
