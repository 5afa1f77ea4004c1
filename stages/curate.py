"""Stage curate: people's decisions replayed on the pairs, in data/curate."""

import sys

from pipeline.curation.decisions import read_decisions
from pipeline.curation.replay import Replay
from pipeline.curation.resolve import CONTESTED, STALE
from pipeline.files import atomic_folder, sha256_file
from pipeline.ledger import Ledger, stop_if_empty, write_funnel, write_ledger
from pipeline.params import Params, project_path
from pipeline.progress import track
from pipeline.schema import CHANGED_PAIRS, CLUSTERED_PAIRS, DECISIONS
from pipeline.tables import ROW_GROUP, StoredTable, open_table, read_lineage, write_table
from stages._stage import DATA, METRICS, run

_REPORTED = {
    STALE: "no longer fit a pair and were not applied",
    CONTESTED: "contradict each other and were not applied",
}
"""Fates of decisions that a person should look into."""


def main(params: Params) -> None:
    """Apply the decisions file named by ``curate`` in params."""
    source = StoredTable(DATA / "dedupe" / "pairs.parquet", CLUSTERED_PAIRS)
    rows, lineage = source.rows, read_lineage(source.path)
    decisions = project_path(params.curate.decisions)
    decided = read_decisions(decisions)
    lineage["decisions_sha256"] = sha256_file(decisions)
    ledger, replay = Ledger("curate"), Replay(decided, params.curate.resolve)
    with atomic_folder(DATA / "curate") as folder:
        with open_table(folder / "pairs.parquet", CLUSTERED_PAIRS, lineage) as table:
            blocks = replay.blocks(source, ledger)
            for block in track(blocks, "curating", total=-(-rows // ROW_GROUP), unit="blocks"):
                table.write(block)
        stop_if_empty(table.rows, ledger, "pairs", f"Take decisions out of {decisions}")
        write_ledger(folder, ledger)
        read = replay.decisions()
        write_table(read, folder / "decisions.parquet", DECISIONS, lineage)
        write_table(replay.changed(), folder / "changed.parquet", CHANGED_PAIRS, lineage)
        for fate in _REPORTED:
            read.filter(fate=fate).drop("fate").write_ndjson(folder / f"{fate}.jsonl")
    counts = replay.counts()
    for fate, warning in _REPORTED.items():
        if counts[fate]:
            where = DATA / "curate" / f"{fate}.jsonl"
            print(f"warning: {counts[fate]} decisions {warning}, see {where}", file=sys.stderr)
    write_funnel(METRICS / "curate.json", "pairs", rows, "pairs", table.rows, ledger, counts)


if __name__ == "__main__":
    run(main)
