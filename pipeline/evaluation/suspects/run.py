"""Signals of every training pair, part by part: a frozen model, one model per fold, one trained on all.

shards -> frozen ------> probe_margin, base_margin, base_sum_margin --+
       -> fold 0..k-1 -> cross_fit_margin ----------------------------+-> stacked_margin --+-> suspicion
       -> all pairs ---> dynamics_mean, dynamics_std --------------------------------------+
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from pipeline.errors import PipelineError
from pipeline.evaluation.suspects.combine import length_margins, stacked_margins, suspicion
from pipeline.evaluation.suspects.features import frozen_view
from pipeline.evaluation.suspects.folds import assign_folds
from pipeline.evaluation.suspects.parts import Columns, Parts
from pipeline.evaluation.suspects.probe import cross_fit
from pipeline.evaluation.suspects.training import pair_margins, train_epochs
from pipeline.params import SuspectsParams, TrainParams
from pipeline.schema import SUSPECTS
from pipeline.tokens.shards import ShardSet
from pipeline.training.rng import seed_everything
from pipeline.training.step_model import StepModel

Folds = npt.NDArray[np.int64]

PARTS = 2
"""Version of what finished parts hold: those of another are not taken up."""


@dataclass(frozen=True)
class Job:
    """What a run of suspects works on.

    Attributes:
        shards: The training pairs' tokens.
        model: Makes the model to train, afresh from the base model each time.
        frozen: Makes the base model as it is.
        params: The ``suspects`` section.
        train: Of :func:`~pipeline.evaluation.suspects.training.run_params`.
    """

    shards: ShardSet
    model: Callable[[], StepModel]
    frozen: Callable[[], StepModel]
    params: SuspectsParams
    train: TrainParams


def find_suspects(job: Job, pairs: pl.DataFrame, parts: Parts) -> pl.DataFrame:
    """All signals of every training pair that has tokens.

    Args:
        job: Models, tokens and params.
        pairs: The training pairs: pair_id, cluster_id, texts_sha256, chosen, rejected, margin.
        parts: Those of an earlier attempt are not made again.

    Returns:
        Rows of :data:`~pipeline.schema.SUSPECTS`, the most suspect first.

    Raises:
        PipelineError: If the shards and the table do not hold the same pairs, or there are fewer clusters
            than folds; as training does.
    """
    texts = in_order(pairs, job.shards)
    folded = assign_folds(texts, job.params.folds, job.params.seed)
    folds = np.array(folded["fold"].to_list(), dtype=np.int64)
    _check_folds(folds, job.params)
    columns = {
        **_frozen(job, folds, parts),
        "cross_fit_margin": _cross_fit_margins(job, folds, parts),
        **parts.get("all", partial(_dynamics, job)),
    }
    facts = texts.select("pair_id", "texts_sha256", score_margin="margin")
    told = pl.DataFrame({"length_margin": length_margins(texts), "fold": folded["fold"], **columns})
    signals = pl.concat([facts, told], how="horizontal")
    signals = signals.with_columns(stacked_margin=pl.Series(stacked_margins(signals)))
    ranked = signals.with_columns(suspicion(signals, list(job.params.signals)))
    return ranked.select(list(SUSPECTS.columns)).sort("suspicion", "pair_id", descending=[True, False])


def in_order(pairs: pl.DataFrame, shards: ShardSet) -> pl.DataFrame:
    """The pairs' rows in the order of the shards; pairs that tokenize dropped are left out.

    Raises:
        PipelineError: If the shards hold a pair that the table does not.
    """
    ids = pl.DataFrame({"pair_id": shards.pair_ids}, schema={"pair_id": pl.String})
    joined = ids.join(pairs, on="pair_id", how="left", maintain_order="left")
    if unknown := joined["cluster_id"].null_count():
        raise PipelineError(
            "The shards and the split's table hold different pairs",
            file="data/tokenize",
            found=f"{unknown} pairs that data/split/train.parquet does not have",
            expected="shards made from that table",
            hint="Run `dvc repro tokenize`",
        )
    return joined


def _check_folds(folds: Folds, params: SuspectsParams) -> None:
    found = len(np.unique(folds))
    if found < params.folds:
        raise PipelineError(
            "There are too few training pairs to cross-fit",
            key="suspects.folds",
            found=f"{found} clusters of training pairs",
            expected=f"at least {params.folds}, one for each fold",
            hint="Lower suspects.folds, or take more data",
        )


def _frozen(job: Job, folds: Folds, parts: Parts) -> Columns:
    """What the base model says as it is: its own margin, and that of a probe on its hidden states."""

    def make() -> Columns:
        view = frozen_view(job.frozen(), job.shards)
        probed = cross_fit(view.features, torch.from_numpy(folds))
        told = {"base_margin": view.margins, "base_sum_margin": view.sum_margins, "probe_margin": probed}
        return {name: margins.tolist() for name, margins in told.items()}

    return parts.get("frozen", make)


def _cross_fit_margins(job: Job, folds: Folds, parts: Parts) -> list[float]:
    """Each pair's margin by the model that was trained on the other folds."""
    margins = np.zeros(len(folds))
    for fold in range(job.params.folds):
        held_out = np.flatnonzero(folds == fold).tolist()
        seen = np.flatnonzero(folds != fold).tolist()
        part = parts.get(f"fold-{fold}", partial(_fold, job, fold, seen, held_out))
        margins[held_out] = part["cross_fit_margin"]
    return list(margins.tolist())


def _fold(job: Job, fold: int, seen: Sequence[int], held_out: Sequence[int]) -> Columns:
    seed_everything(job.train.seed)
    model = job.model()
    name = f"fold {fold + 1} of {job.params.folds}"
    for _ in train_epochs(model, job.shards, seen, job.train, name):
        pass
    return {"cross_fit_margin": pair_margins(model, job.shards, held_out, f"{name}, held out")}


def _dynamics(job: Job) -> Columns:
    """Mean and standard deviation over epochs of each pair's margin while the model is trained on it.

    Dataset Cartography (Swayamdipta et al., 2020) has the mean and the deviation of the gold label's
    probability over the epochs of a training run; the log-odds margin takes its place here. A wrong label is
    hard to learn: its mean is low, and so is its deviation; of an ambiguous pair the deviation is high.
    """
    seed_everything(job.train.seed)
    model = job.model()
    everything = range(len(job.shards))
    margins = [
        pair_margins(model, job.shards, everything, f"margins after epoch {epoch}")
        for epoch in train_epochs(model, job.shards, everything, job.train, "all pairs")
    ]
    return {
        "dynamics_mean": np.mean(margins, axis=0).tolist(),
        "dynamics_std": np.std(margins, axis=0).tolist(),
    }
