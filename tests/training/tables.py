"""A language model that is a table: the logits of the next token are a row looked up by the last one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor, nn

from pipeline.tokens.shards import TokenPair
from pipeline.training.batch import Batch
from pipeline.training.forward import pair_logps, target_states
from pipeline.training.head import Task, head_loss
from pipeline.training.logps import PairLogps
from pipeline.training.objective import LossTerms


class Table(nn.Module):
    """Next-token logits by last token, small enough to work out by hand.

    Args:
        logits: Shape (last token, next token).
    """

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.head = nn.Linear(len(logits), len(logits), bias=False, dtype=logits.dtype)
        self.head.weight.data = logits.T.clone()

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def get_decoder(self) -> Any:
        def decode(input_ids: Tensor, **_: Any) -> SimpleNamespace:
            states = nn.functional.one_hot(input_ids, self.head.in_features).to(self.head.weight.dtype)
            return SimpleNamespace(last_hidden_state=states)

        return decode

    def logps(self, batch: Batch) -> PairLogps:
        """By autograd through the logits of a batch."""
        model: Any = self
        return pair_logps(model, batch)

    def head_loss(self, task: Task) -> LossTerms:
        """By the head that makes its own gradient."""
        model: Any = self
        return head_loss(target_states(model, task.batch), self.head, task)


def pair(prompt: list[int], chosen: list[int], rejected: list[int]) -> TokenPair:
    """A pair of the given tokens, all of the responses trained on."""
    ids = [np.array(tokens, np.int32) for tokens in (prompt, chosen, rejected)]
    masks = [np.zeros(len(prompt), bool), np.ones(len(chosen), bool), np.ones(len(rejected), bool)]
    return TokenPair("pair", ids[0], ids[1], ids[2], masks[0], masks[1], masks[2])
