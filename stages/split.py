"""Stage split: train, validation and test pairs, in data/split."""

import polars as pl

from pipeline.files import atomic_folder
from pipeline.ledger import write_funnel, write_ledger
from pipeline.pairs.split import split
from pipeline.params import Params
from pipeline.schema import CLUSTERED_PAIRS, SPLIT_PAIRS, SPLITS
from pipeline.tables import read_lineage, read_table, write_table
from stages._stage import DATA, METRICS, run


def main(params: Params) -> None:
    """Place the pairs by cluster, by ``split`` in params."""
    source = DATA / "curate" / "pairs.parquet"
    pairs = read_table(source, CLUSTERED_PAIRS)
    placed, ledger = split(params.split, pairs)
    parts = {name: placed.filter(pl.col("split") == name) for name in SPLITS}
    with atomic_folder(DATA / "split") as folder:
        for name, part in parts.items():
            write_table(part, folder / f"{name}.parquet", SPLIT_PAIRS, read_lineage(source))
        write_ledger(folder, ledger)
    counts = {name: part.height for name, part in parts.items()}
    write_funnel(METRICS / "split.json", "pairs", pairs.height, "pairs", placed.height, ledger, counts)


if __name__ == "__main__":
    run(main)
