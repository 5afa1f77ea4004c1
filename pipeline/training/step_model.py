"""The model as a training step sees it: pairs in, their share of the step's loss out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn
from transformers import PreTrainedModel

from pipeline.params import TrainParams
from pipeline.tokens.shards import TokenPair
from pipeline.training import attention
from pipeline.training.batch import Batch, pack, pad
from pipeline.training.dialects import objective_of
from pipeline.training.forward import pair_logps, target_states, why_not_packed
from pipeline.training.head import Scratch, Task, head_loss
from pipeline.training.logps import PairLogps
from pipeline.training.model import autocast
from pipeline.training.objective import LossTerms
from pipeline.training.packing import plan_bins, plan_rows
from pipeline.training.ranks import say
from pipeline.training.reference_file import References
from pipeline.training.totals import StepTotals


class StepModel(nn.Module):
    """Wraps a causal language model; what DDP and FSDP wrap in turn, since all of a pass runs in its forward.

    Where the model can take it and params do not say otherwise, it gets packed attention for good, and pairs
    are packed; else each sequence is a padded row, and a line on standard error says why.

    Args:
        model: The language model; its parameters are this module's.
        pad_id: Padding token; any id does, padding is masked.
        params: The ``train`` section.
        references: Log-probabilities under the reference model, of every pair that may come, where the
            objective needs them.

    Raises:
        ValueError: If it needs them, and there are none.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        pad_id: int,
        params: TrainParams,
        references: References | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.pad_id = pad_id
        self.params = params
        self.objective = objective_of(params)
        if self.objective.needs_reference and references is None:
            raise ValueError(f"objective {self.objective.name} needs the reference model's log-probabilities")
        self.references = references if self.objective.needs_reference else None
        self._scratch = Scratch()
        self.packs = params.shared_prefix and _made_to_pack(model)

    def micro_batches(self, pairs: Sequence[TokenPair]) -> Iterator[Batch]:
        """The pairs of a step (or of a validation pass), laid out for one forward pass after another.

        Every pair comes once; each micro-batch keeps to ``micro_batch_tokens`` unless one pair is longer.
        """
        room = self.params.micro_batch_tokens
        if self.packs:
            plan = plan_bins([pair.tokens for pair in pairs], room)
        else:
            plan = plan_rows([2 * pair.longest for pair in pairs], room)
        for places in plan:
            yield self.lay_out([pairs[place] for place in places])

    def lay_out(self, pairs: Sequence[TokenPair]) -> Batch:
        """Pairs as one batch, packed or padded, on the model's device."""
        with_prompt = self.objective.nll_scope == "full"
        batch = pack(pairs, with_prompt) if self.packs else pad(pairs, self.pad_id, with_prompt)
        if self.references is not None:
            wide = self.model.dtype == torch.float64
            values = torch.from_numpy(self.references.of(batch.pair_ids))
            batch = replace(batch, reference=values if wide else values.float())
        return batch.to(self.model.device)

    def forward(self, batch: Batch, totals: StepTotals) -> LossTerms:
        """The micro-batch's share of the step's loss, with its gradient where gradients are on.

        Args:
            batch: One of :meth:`micro_batches`.
            totals: The whole step's, over all micro-batches and ranks.
        """
        head = self.model.get_output_embeddings()
        with autocast(self.model.device, self.params.dtype):
            # A head that is more than its weights, adapted by LoRA say, is left to autograd.
            if type(head) is nn.Linear:
                states = target_states(self.model, batch)
                return head_loss(states, head, Task(batch, totals, self.objective), self._scratch)
            return pair_logps(self.model, batch).loss_terms(totals, self.objective, batch.reference)

    @torch.no_grad()
    def logps(self, batch: Batch) -> PairLogps:
        """The pairs' log-probabilities alone, by the same pass."""
        with autocast(self.model.device, self.params.dtype):
            return pair_logps(self.model, batch)


def _made_to_pack(model: PreTrainedModel) -> bool:
    # Compiled layers would be compiled for this alone.
    with torch.compiler.set_stance("force_eager"):
        fault = why_not_packed(model)
    if fault is None:
        model.set_attn_implementation(attention.NAME)
        return True
    say(f"{model.config.model_type} cannot take packed pairs ({fault}); each sequence runs as a padded row")
    return False


def trained_parameters(model: nn.Module) -> list[torch.nn.Parameter]:
    """The parameters that require gradients, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
