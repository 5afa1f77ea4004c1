"""Stage split: train, validation and test pairs, in data/split, and which training labels were swapped."""

from contextlib import ExitStack

import polars as pl

from pipeline.files import atomic_folder
from pipeline.ledger import Ledger, write_funnel, write_ledger
from pipeline.pairs.flips import flip_labels
from pipeline.pairs.split import split_blocks
from pipeline.params import Params
from pipeline.progress import track
from pipeline.schema import CLUSTERED_PAIRS, FLIPPED_PAIRS, SPLIT_PAIRS, SPLITS
from pipeline.tables import ROW_GROUP, StoredTable, open_table, read_lineage
from stages._stage import DATA, METRICS, run


def main(params: Params) -> None:
    """Place the pairs by cluster, by ``split`` in params."""
    source = StoredTable(DATA / "curate" / "pairs.parquet", CLUSTERED_PAIRS)
    rows, lineage = source.rows, read_lineage(source.path)
    ledger = Ledger("split")
    with atomic_folder(DATA / "split") as folder:
        with ExitStack() as files:
            tables = {
                name: files.enter_context(open_table(folder / f"{name}.parquet", SPLIT_PAIRS, lineage))
                for name in SPLITS
            }
            flips = files.enter_context(open_table(folder / "flipped.parquet", FLIPPED_PAIRS, lineage))
            blocks = split_blocks(params.split, source, ledger)
            for placed in track(blocks, "splitting", total=-(-rows // ROW_GROUP), unit="blocks"):
                block, flipped = flip_labels(params.split, placed)
                flips.write(flipped)
                for name, table in tables.items():
                    table.write(block.filter(pl.col("split") == name))
        write_ledger(folder, ledger)
    counts = {name: table.rows for name, table in tables.items()}
    told = {**counts, "flipped_train": flips.rows}
    write_funnel(METRICS / "split.json", "pairs", rows, "pairs", sum(counts.values()), ledger, told)


if __name__ == "__main__":
    run(main)
