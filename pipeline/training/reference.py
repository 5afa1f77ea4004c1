"""What DPO's reference model, the base model as it is, thinks of each pair: computed once, before training.

By the pass and in the dtype that the model is trained with, so that the rewards of the first step are 0 but
for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipeline.params import TrainParams
from pipeline.schema import REFERENCE_LOGPS
from pipeline.tokens.shards import ShardSet, TokenPair
from pipeline.training.batches import tracked_batches
from pipeline.training.fused import fuse
from pipeline.training.model import disable_dropout, load_model
from pipeline.training.prepare import weights_dtype
from pipeline.training.quantized import quantization
from pipeline.training.step_model import StepModel


def reference_model(folder: Path, pad_id: int, params: TrainParams, trust_remote_code: bool) -> StepModel:
    """The base model, without adapters, as it runs before the first step.

    Args:
        folder: Its directory.
        pad_id: Padding token; any id does.
        params: The ``train`` section.
        trust_remote_code: Whether code in the directory may run.

    Raises:
        PipelineError: As :func:`~pipeline.training.model.load_model`.
    """
    model = load_model(folder, trust_remote_code, weights_dtype(params), quantization=quantization(params))
    disable_dropout(model)
    fuse(model)
    model.eval()
    # Its own loss is not asked for: any objective that needs no reference will do.
    return StepModel(model, pad_id, params.model_copy(update={"objective": "sft"}))


def reference_logps(model: StepModel, pairs: ShardSet | Sequence[TokenPair]) -> pl.DataFrame:
    """Log-probabilities of both responses of every pair, summed over the tokens that are trained on.

    Args:
        model: Of :func:`reference_model`.
        pairs: The pairs of a split.

    Returns:
        Rows of :data:`~pipeline.schema.REFERENCE_LOGPS`, in the order of the pairs.
    """
    found: dict[str, tuple[float, float]] = {}
    for batch in tracked_batches(model, pairs, len(pairs), "reference"):
        logps = model.logps(batch)
        sums = zip(logps.chosen_sum.tolist(), logps.rejected_sum.tolist(), strict=True)
        found.update(zip(batch.pair_ids, sums, strict=True))
    rows = [(pair.pair_id, *found[pair.pair_id]) for pair in pairs]
    return pl.DataFrame(rows, schema=REFERENCE_LOGPS.schema(), orient="row")
