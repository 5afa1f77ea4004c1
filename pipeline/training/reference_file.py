"""The reference model's log-probabilities on disk: ``data/reference/<split>.parquet``, which train reads.

Whose they are stands in each file's lineage: the base model and the shards. Where the objective needs no
reference model the files have no rows and their lineage a note, so that the stages and their artifacts are
the same for every objective. Nothing here loads a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import PipelineError
from pipeline.files import canonical_json, content_id
from pipeline.schema import REFERENCE_LOGPS
from pipeline.tables import read_lineage, read_table, write_table

SPLITS = ("train", "validation")
"""The splits that training reads."""


class References:
    """Log-probabilities under the reference model, by pair.

    Args:
        table: Rows of :data:`~pipeline.schema.REFERENCE_LOGPS`.
    """

    def __init__(self, table: pl.DataFrame) -> None:
        self._places = {pair_id: place for place, pair_id in enumerate(table["pair_id"].to_list())}
        sums = [table[name].to_numpy() for name in ("chosen_logp_sum", "rejected_logp_sum")]
        self._sums: npt.NDArray[np.float64] = np.stack(sums)
        rows = (f"{pair_id} {chosen!r} {rejected!r}" for pair_id, chosen, rejected in table.iter_rows())
        self.fingerprint = content_id("\n".join(rows))

    def of(self, pair_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Sums over the tokens of the chosen (first row) and rejected responses, shape (2, pairs).

        Raises:
            KeyError: If a pair has none.
        """
        return self._sums[:, [self._places[pair_id] for pair_id in pair_ids]]


def lineage_of(base: Mapping[str, Any], manifest: Mapping[str, Any], split: str) -> dict[str, Any]:
    """What the values depend on: the base model's lineage and the hashes of a split's shards."""
    shards = [shard["sha256"] for shard in manifest["splits"][split]["shards"]]
    return {"base": dict(base), "shards": shards}


def write_references(folder: Path, split: str, table: pl.DataFrame, lineage: Mapping[str, Any]) -> None:
    """Write a split's values.

    Args:
        folder: ``data/reference``, or what is to become it.
        split: The split's name.
        table: Rows of :data:`~pipeline.schema.REFERENCE_LOGPS`.
        lineage: Of :func:`lineage_of`, and a note where there are no rows.

    Raises:
        PipelineError: If the rows break the schema.
    """
    write_table(table, folder / f"{split}.parquet", REFERENCE_LOGPS, lineage)


def read_references(
    folder: Path, base: Mapping[str, Any], manifest: Mapping[str, Any], splits: Sequence[str] = SPLITS
) -> References:
    """The values of the splits that training reads.

    Args:
        folder: ``data/reference``.
        base: Lineage of the base model that is to be trained.
        manifest: Manifest of the shards it is to be trained on.
        splits: Of which to read.

    Raises:
        PipelineError: If a file is missing, was made for an objective without a reference model, or is of
            another base model or other shards.
    """
    tables = []
    for split in splits:
        path = folder / f"{split}.parquet"
        table = read_table(path, REFERENCE_LOGPS)
        _check(path, read_lineage(path), lineage_of(base, manifest, split))
        tables.append(table)
    return References(pl.concat(tables))


def _check(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse values of another model or of other pairs."""
    if "note" in found:
        raise PipelineError(
            "There are no log-probabilities of the reference model",
            file=path,
            found=str(found["note"]),
            expected="a row for every pair",
            hint="Run `dvc repro reference`",
        )
    for column, what in (("base", "another base model"), ("shards", "other shards")):
        if canonical_json(found.get(column)) != canonical_json(expected[column]):
            raise PipelineError(
                f"The reference log-probabilities are of {what}",
                file=path,
                column=column,
                found=canonical_json(found.get(column)),
                expected=canonical_json(expected[column]),
                hint="Run `dvc repro reference`",
            )
