"""Pairs laid out for one forward pass, in one of two ways.

Packed, the way that computes nothing twice: one row without padding, pair after pair as
``[prompt | chosen | rejected]``; positions restart at the prompt's end for the rejected response, which does
not see the chosen one (:mod:`pipeline.training.attention`). Padded, for models that cannot take that: one row
per sequence, the chosen ones first, the prompt in both.

Either way, targets are named by index: which state predicts which token of which sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.tokens.shards import TokenPair

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """Where a pair lies in a packed row: its first token, and the tokens of its three parts."""

    start: int
    prompt: int
    chosen: int
    rejected: int

    @property
    def end(self) -> int:
        """The place behind its last token."""
        return self.start + self.prompt + self.chosen + self.rejected


@dataclass(frozen=True)
class Batch:
    """Pairs in one forward pass. Tokens are int64, shape (rows, length).

    Targets lie pair by pair: the prompt's (as part of the chosen sequence), the chosen response's, the
    rejected one's.

    Attributes:
        input_ids: The tokens.
        position_ids: Their positions, the same shape.
        attention_mask: The same shape, 0 on padding; None where packed.
        spans: The pairs' places in the packed row; None where padded.
        states: Flat place (row * length + column) of the state that predicts each target, int64 (targets,).
        labels: The token each target is, int64 (targets,).
        sequences: The sequence of each target, int64 (targets,): pair p's chosen is p, its rejected
            ``pairs + p``.
        in_response: Whether each target belongs to a response, bool (targets,); the others are the prompt's.
        per_pair: How many targets each pair has, in order.
        pair_ids: The pairs, in order.
        reference: Log-probability of each pair's chosen (first row) and rejected response under the reference
            model, summed over its tokens, shape (2, pairs); None where the objective needs none.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor | None
    spans: tuple[Span, ...] | None
    states: Tensor
    labels: Tensor
    sequences: Tensor
    in_response: Tensor
    per_pair: tuple[int, ...]
    pair_ids: tuple[str, ...]
    reference: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class _Targets:
    """Targets of one pair, by place in its own ``[prompt | chosen | rejected]``.

    Attributes:
        predictors: Place of the state that predicts each target.
        places: Place of each target.
        rejected: Whether it belongs to the rejected sequence.
        in_response: Whether it belongs to a response.
    """

    predictors: Index
    places: Index
    rejected: npt.NDArray[np.bool_]
    in_response: npt.NDArray[np.bool_]


def _targets(pair: TokenPair, prompt_targets: bool) -> _Targets:
    prompt, chosen = len(pair.prompt_ids), len(pair.chosen_ids)
    in_prompt = pair.prompt_mask | prompt_targets
    # Nothing predicts the first token.
    of_prompt = np.flatnonzero(in_prompt[1:]) + 1
    of_chosen = np.flatnonzero(pair.chosen_mask) + prompt
    of_rejected = np.flatnonzero(pair.rejected_mask) + prompt + chosen
    # The state before the first rejected token is the prompt's last, not the chosen response's.
    before_rejected = np.where(of_rejected == prompt + chosen, prompt, of_rejected) - 1
    parts = (len(of_prompt), len(of_chosen), len(of_rejected))
    return _Targets(
        np.concatenate([of_prompt - 1, of_chosen - 1, before_rejected]),
        np.concatenate([of_prompt, of_chosen, of_rejected]),
        np.repeat([False, False, True], parts),
        np.repeat([False, True, True], parts),
    )


def _tokens(pair: TokenPair) -> Index:
    return np.concatenate([pair.prompt_ids, pair.chosen_ids, pair.rejected_ids]).astype(np.int64)


def pack(pairs: Sequence[TokenPair], prompt_targets: bool = False) -> Batch:
    """Lay pairs out as one row without padding, each prompt once.

    Args:
        pairs: At least one.
        prompt_targets: Whether all of the prompt's tokens of the chosen sequences are targets too (nll_scope
            full); else those that the shard's mask marks are (``tokenize.loss_on``).
    """
    spans: list[Span] = []
    ids, positions, states = [], [], []
    start = 0
    targets = [_targets(pair, prompt_targets) for pair in pairs]
    for pair, wanted in zip(pairs, targets, strict=True):
        span = Span(start, len(pair.prompt_ids), len(pair.chosen_ids), len(pair.rejected_ids))
        ids.append(_tokens(pair))
        positions.append(np.arange(span.prompt + span.chosen))
        positions.append(np.arange(span.prompt, span.prompt + span.rejected))
        states.append(wanted.predictors + start)
        spans.append(span)
        start = span.end
    return _batch(
        pairs,
        targets,
        np.concatenate(ids)[None],
        np.concatenate(positions)[None],
        np.concatenate(states),
        spans=tuple(spans),
    )


def pad(pairs: Sequence[TokenPair], pad_id: int, prompt_targets: bool = False) -> Batch:
    """Lay pairs out as right-padded rows, one per sequence: the chosen ones, then the rejected ones.

    Args:
        pairs: At least one.
        pad_id: What padding holds; never attended to and never a target.
        prompt_targets: As for :func:`pack`.
    """
    rows, length = 2 * len(pairs), max(pair.longest for pair in pairs)
    ids = np.full((rows, length), pad_id, dtype=np.int64)
    attended = np.zeros((rows, length), dtype=np.int64)
    targets = [_targets(pair, prompt_targets) for pair in pairs]
    states = []
    for place, (pair, wanted) in enumerate(zip(pairs, targets, strict=True)):
        prompt, chosen = len(pair.prompt_ids), len(pair.chosen_ids)
        for row, response in ((place, pair.chosen_ids), (place + len(pairs), pair.rejected_ids)):
            ids[row, :prompt] = pair.prompt_ids
            ids[row, prompt : prompt + len(response)] = response
            attended[row, : prompt + len(response)] = 1
        # A rejected target's state lies in the other row, without the chosen response before it.
        columns = wanted.predictors - np.where(wanted.rejected & (wanted.predictors >= prompt), chosen, 0)
        states.append((place + len(pairs) * wanted.rejected) * length + columns)
    positions = np.broadcast_to(np.arange(length), (rows, length))
    return _batch(pairs, targets, ids, positions, np.concatenate(states), attention_mask=attended)


def _batch(
    pairs: Sequence[TokenPair],
    targets: Sequence[_Targets],
    ids: Index,
    positions: Index,
    states: Index,
    attention_mask: Index | None = None,
    spans: tuple[Span, ...] | None = None,
) -> Batch:
    labels = [_tokens(pair)[wanted.places] for pair, wanted in zip(pairs, targets, strict=True)]
    sequences = [place + len(pairs) * wanted.rejected for place, wanted in enumerate(targets)]
    return Batch(
        input_ids=torch.from_numpy(ids),
        position_ids=torch.from_numpy(np.ascontiguousarray(positions)),
        attention_mask=None if attention_mask is None else torch.from_numpy(attention_mask),
        spans=spans,
        states=torch.from_numpy(states),
        labels=torch.from_numpy(np.concatenate(labels)),
        sequences=torch.from_numpy(np.concatenate(sequences)),
        in_response=torch.from_numpy(np.concatenate([wanted.in_response for wanted in targets])),
        per_pair=tuple(len(wanted.places) for wanted in targets),
        pair_ids=tuple(pair.pair_id for pair in pairs),
    )
