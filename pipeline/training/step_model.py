"""The model as a training step sees it: pairs in, their share of the step's loss out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from pipeline.params import TrainParams
from pipeline.tokens.shards import TokenPair
from pipeline.training.dialects import objective_of
from pipeline.training.forward import Batch, collate, pair_logps
from pipeline.training.model import autocast
from pipeline.training.objective import LossTerms, loss_terms
from pipeline.training.totals import StepTotals


class StepModel(nn.Module):
    """Wraps a causal language model; what DDP and FSDP wrap in turn, since all of a pass runs in its forward.

    Args:
        model: The language model; its parameters are this module's.
        pad_id: Padding token; any id does, padding is masked.
        params: The ``train`` section.
    """

    def __init__(self, model: PreTrainedModel, pad_id: int, params: TrainParams) -> None:
        super().__init__()
        self.model = model
        self.pad_id = pad_id
        self.params = params
        self.objective = objective_of(params)

    def micro_batches(self, pairs: Sequence[TokenPair]) -> Iterator[Batch]:
        """The pairs of a step (or of a validation pass), laid out for one forward pass after another.

        Every pair comes once; each micro-batch keeps to ``micro_batch_tokens`` unless one pair is longer.
        """
        size = max(1, self.params.micro_batch_tokens // 1024)
        ordered = sorted(pairs, key=lambda pair: -pair.longest)
        for start in range(0, len(ordered), size):
            part = ordered[start : start + size]
            yield collate(part, self.pad_id, self.objective.nll_scope == "full").to(self.model.device)

    def forward(self, batch: Batch, totals: StepTotals) -> LossTerms:
        """The micro-batch's share of the step's loss, with its gradient where gradients are on.

        Args:
            batch: One of :meth:`micro_batches`.
            totals: The whole step's, over all micro-batches and ranks.
        """
        with autocast(self.model.device, self.params.dtype):
            logps = pair_logps(self.model, batch)
        nll = logps.nll_means.sum() if self.objective.nll_reduction == "sequence_mean" else logps.nll_sum
        return loss_terms(nll, logps.chosen, logps.rejected, totals, self.objective)


def trained_parameters(model: nn.Module) -> list[torch.nn.Parameter]:
    """The parameters that require gradients, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
