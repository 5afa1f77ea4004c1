"""How well the signals of a frozen model find flipped labels of real pairs, over many draws of the flips.

    real pairs -> pull to tokenize -> one pass of the base model -> for each draw: probe, stacking, AUC

``python benchmarks/suspect_draws.py --work FOLDER --pairs FILE --json FILE`` takes some ten minutes on two
cores. On a few hundred real pairs the AUC of one draw is uncertain by 0.02 to 0.04, more than what signals
differ by. A flip turns the sign of all that is known of a pair, so the model is asked once for all draws.
What it would be trained to say is measured by benchmarks/suspects.py, on one draw.
"""

from __future__ import annotations

import sys
from pathlib import Path

# As in benchmarks/suspects.py.
sys.path[0] = str(Path(__file__).parents[1])

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.machine import machine
from benchmarks.ranking import Flags, Floats, auc
from benchmarks.suspects import REAL, as_most, prepare
from pipeline.errors import foreseen_faults
from pipeline.evaluation.suspects.combine import STACKED, length_margins
from pipeline.evaluation.suspects.features import FrozenView, frozen_view
from pipeline.evaluation.suspects.folds import assign_folds
from pipeline.evaluation.suspects.probe import cross_fit
from pipeline.evaluation.suspects.run import in_order
from pipeline.files import write_json
from pipeline.params import load_params
from pipeline.suspect_commands import open_job

FROZEN = [name for name in STACKED if name != "cross_fit_margin"]
"""What is stacked: all that needs no training."""


def one_draw(
    view: FrozenView, known: Mapping[str, Floats], scores: Floats, folds: torch.Tensor, flipped: Flags
) -> dict[str, float]:
    """AUC of each signal and baseline with these labels flipped.

    Args:
        view: Of the pairs as they are.
        known: ``base_margin``, ``base_sum_margin`` and ``length_margin`` of the pairs as they are.
        scores: The size of their score margins.
        folds: The fold of each, int64.
        flipped: Whether its label is turned.
    """
    signs = np.where(flipped, -1.0, 1.0)
    signals = {name: values * signs for name, values in known.items()}
    signals["probe_margin"] = cross_fit(view.features * torch.from_numpy(signs)[:, None], folds).numpy()
    together = torch.from_numpy(np.stack([signals[name] for name in FROZEN], axis=1))
    lengths = signals["length_margin"]
    told = {
        "stacked": cross_fit(together, folds).numpy(),
        "probe": signals["probe_margin"],
        "base_margin": signals["base_margin"],
        "base_sum_margin": signals["base_sum_margin"],
        "length, as most labels have it": as_most(lengths),
        "length, the longer is better": lengths,
        "score_margin": scores,
    }
    return {name: auc(-margins, flipped) for name, margins in told.items()}


def main(
    work: Annotated[Path, typer.Option(help="Where the project goes; it stays.")],
    pairs: Annotated[Path, typer.Option(help="ultrafeedback_binarized rows.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    model: Annotated[Path, typer.Option(help="The base model.")] = Path("models/base"),
    draws: Annotated[int, typer.Option(min=1, help="Of the flips, by seeds from 0.")] = 20,
    max_length: Annotated[int, typer.Option(min=16, help="Tokens; responses are cut there.")] = REAL[
        "tokenize.max_length"
    ],
) -> None:
    """Measure the signals of a frozen model over many draws of flipped labels."""
    with foreseen_faults():
        settings: dict[str, Any] = {
            **REAL,
            "source.path": str(pairs.resolve()),
            "split.flip_train": 0.0,
            "tokenize.max_length": max_length,
        }
        prepare(work, settings, model)
        params = load_params(work / "params.yaml")
        job, table = open_job(work, params)
        texts, view = in_order(table, job.shards), frozen_view(job.frozen(), job.shards)
        known = {
            "base_margin": view.margins.double().numpy(),
            "base_sum_margin": view.sum_margins.double().numpy(),
            "length_margin": length_margins(texts).to_numpy(),
        }
        scores = np.abs(texts["margin"].fill_null(0.0).to_numpy())
        folded = assign_folds(texts, params.suspects.folds, params.suspects.seed)
        folds = torch.tensor(folded["fold"].to_list())
        found = []
        for seed in range(draws):
            flipped = np.random.default_rng(seed).random(texts.height) < REAL["split.flip_train"]
            found.append(one_draw(view, known, scores, folds, flipped))
            print(
                f"draw {seed + 1} of {draws}: " + str({k: round(v, 3) for k, v in found[-1].items()}),
                flush=True,
            )
        told = {}
        for name in found[0]:
            values = np.array([each[name] for each in found])
            behind = sum(each["stacked"] > each[name] for each in found)
            told[name] = {
                "auc": float(values.mean()),
                "deviation": float(values.std()),
                "behind_stacked": behind,
            }
            print(f"{name}: AUC {values.mean():.3f}, deviation {values.std():.3f}, below stacked in {behind}")
        if json_file is not None:
            write_json(
                json_file, {"machine": machine(), "settings": settings, "pairs": texts.height, "auc": told}
            )


if __name__ == "__main__":
    typer.run(main)
