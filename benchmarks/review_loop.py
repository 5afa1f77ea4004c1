"""Closing the loop: what reviewing the suspects is worth, beside reviewing as many pairs drawn at random.

    flipped labels -> suspects -> decisions, one file for each way to review -> python -m pipeline compare

Run from the top of a project whose training labels were swapped on purpose (``split.flip_train``) and whose
suspects were found. It writes the decisions and the comparison; docs/curation-suspects.md has the whole run.

A reviewer is played who knows which labels were swapped. ``split.flip_train`` swaps a pair whatever curate
did to it, so that a pair swapped there is swapped back: right again. Held-out pairs are never touched.
"""

from __future__ import annotations

import sys
from pathlib import Path

# As in benchmarks/suspects.py.
sys.path[0] = str(Path(__file__).parents[1])

from collections.abc import Iterable
from typing import Annotated, Any

import polars as pl
import typer
import yaml

from pipeline.curation.decisions import Decision
from pipeline.curation.strategies import random
from pipeline.errors import PipelineError, foreseen_faults
from pipeline.files import write_text
from pipeline.params import load_params
from pipeline.schema import FLIPPED_PAIRS, SUSPECTS
from pipeline.suspect_commands import SUSPECTS_FILE
from pipeline.tables import read_table

FLIPPED_FILE = Path("data/split/flipped.parquet")
WHEN = "2000-01-01T00:00:00+00:00"
"""The time of every decision: nobody took them, and the same files should come out again."""


def reviews(found: pl.DataFrame, flipped: set[str], count: int, seed: int) -> dict[str, dict[str, str]]:
    """For each way to spend ``count`` reviews, the action on each pair.

    Args:
        found: Suspects, the worst first.
        flipped: pair_ids of the swapped labels.
        count: Pairs that are looked at, or changed without a look.
        seed: Of the pairs drawn at random.

    Returns:
        By the variant's name: ``random-swap`` and ``random-drop`` (looked at, wrong ones put right or left
        out), ``suspects-swap`` and ``suspects-drop`` (the same of the worst), and ``blind-swap`` and
        ``blind-drop`` (all of the worst, wrong or not, nobody looking).
    """
    worst = found["pair_id"].head(count).to_list()
    drawn = random(found.select("pair_id"), seed)["pair_id"].head(count).to_list()
    ways = {}
    for action in ("swap", "drop"):
        ways[f"random-{action}"] = {pair: action for pair in drawn if pair in flipped}
        ways[f"suspects-{action}"] = {pair: action for pair in worst if pair in flipped}
        ways[f"blind-{action}"] = dict.fromkeys(worst, action)
    return dict(sorted(ways.items(), reverse=True))


def decision_lines(actions: dict[str, str], name: str) -> str:
    """The decisions of one way to review, as the decisions file has them."""
    decisions = [
        Decision(pair_id=pair, action=action, annotators=[name], reason="played", when=WHEN)  # type: ignore[arg-type]
        for pair, action in actions.items()
    ]
    return "".join(f"{decision.line()}\n" for decision in decisions)


def comparison(names: Iterable[str], folder: Path, flip_rate: float, decisions: str) -> dict[str, Any]:
    """The variants for ``python -m pipeline compare``: flipped first, the others against it."""
    variants: list[dict[str, Any]] = [{"name": "flipped", "set": {}}]
    variants.append({"name": "clean", "set": {"split.flip_train": 0.0}})
    variants += [
        {"name": name, "set": {"curate.decisions": f"{folder.as_posix()}/{name}.jsonl"}} for name in names
    ]
    shared = {"split.flip_train": flip_rate, "curate.decisions": decisions}
    return {"set": shared, "variants": variants}


def main(
    folder: Annotated[Path, typer.Option(help="Where the decisions and compare.yaml go.")] = Path(
        "build/review"
    ),
    count: Annotated[int | None, typer.Option(help="Reviews; default: as many as there are swaps.")] = None,
    seed: Annotated[int, typer.Option(help="Of the pairs drawn at random.")] = 0,
) -> None:
    """Write the decisions of each way to review the pairs, and the comparison that trains on them."""
    with foreseen_faults():
        params = load_params()
        flipped = set(read_table(FLIPPED_FILE, FLIPPED_PAIRS, ["pair_id"])["pair_id"])
        if not flipped:
            raise PipelineError(
                "No label is known to be wrong",
                file=FLIPPED_FILE,
                key="split.flip_train",
                found=str(params.split.flip_train),
                expected="a share above 0, such as 0.2",
                hint="Set it, then run `dvc repro tokenize` and `python -m pipeline suspects`",
            )
        found = read_table(SUSPECTS_FILE, SUSPECTS, ["pair_id"])
        ways = reviews(found, flipped, count or len(flipped), seed)
        for name, actions in ways.items():
            write_text(folder / f"{name}.jsonl", decision_lines(actions, name))
            hit = sum(pair in flipped for pair in actions)
            print(f"{name}: {len(actions)} decisions, {hit} of {len(flipped)} wrong labels")
        told = comparison(ways, folder, params.split.flip_train, params.curate.decisions)
        write_text(folder / "compare.yaml", yaml.safe_dump(told, sort_keys=False))
        print(f"python -m pipeline compare --variants {folder / 'compare.yaml'}")


if __name__ == "__main__":
    typer.run(main)
