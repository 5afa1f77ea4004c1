"""Whether the training data was searched for a benchmark's prompts, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.files import sha256_file


def contamination(
    name: str,
    files: Sequence[Path],
    lists: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """The decontamination status of the training data against one benchmark.

    A list of stage decontaminate is the benchmark's if it was the same file, or else if it bears the
    benchmark's name, case and punctuation apart ("IF-Eval" is ifeval).

    Args:
        name: The benchmark's name.
        files: The files its prompts were read from.
        lists: The ``benchmarks`` of the lineage of data/decontaminate: benchmark, name, sha256, items.
        counts: The ``benchmarks`` of metrics/decontaminate.json: items, items_found and contaminated_pairs by
            list.

    Returns:
        ``status``: decontaminated or not_checked; for the former also ``list`` (its name in params),
        ``recognised_by`` (file or name), ``items``, ``items_found`` and ``dropped_pairs``.
    """
    hashes = {sha256_file(path) for path in files}
    by_file = [listed for listed in lists if listed["sha256"] in hashes]
    by_name = [listed for listed in lists if _folded(listed["benchmark"]) == _folded(name)]
    found = next(iter([*by_file, *by_name]), None)
    if found is None:
        return {"status": "not_checked"}
    counted = counts[found["benchmark"]]
    return {
        "status": "decontaminated",
        "list": found["benchmark"],
        "recognised_by": "file" if by_file else "name",
        "items": counted["items"],
        "items_found": counted["items_found"],
        "dropped_pairs": counted["contaminated_pairs"],
    }


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
