"""Attention over packed pairs: within ``[prompt | chosen]``, and from rejected over ``[prompt | rejected]``.

Registered with transformers as the attention implementation :data:`NAME`; the pairs' spans reach it through
the decoder's keyword arguments. No mask over the whole row is ever made: on the CPU each pair's blocks are
computed apart, in blocks of queries that leave out the keys they cannot see; on a GPU ``flex_attention``
skips the blocks that its block mask leaves empty.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers import AttentionInterface

from pipeline.training.batch import Span
from pipeline.training.flex import BlockMasks, flex

NAME = "packed_pairs"
"""What transformers knows this attention by."""

QUERY_BLOCK = 128
"""Queries whose scores exist at once: small enough to stay in cache and to leave out most unseen keys."""


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    spans: tuple[Span, ...] | None = None,
    block_masks: BlockMasks | None = None,
    **unknown: Any,
) -> tuple[Tensor, None]:
    """Attention over one packed row, in the form that transformers calls.

    Args:
        module: The attention layer.
        query: Shape (1, heads, length, dimension).
        key: Shape (1, key heads, length, dimension); heads is a multiple of key heads.
        value: As key.
        attention_mask: None; the spans say what is seen.
        scaling: Factor of the scores; None: 1 / sqrt(dimension).
        dropout: Must be 0; see :func:`pipeline.training.model.disable_dropout`.
        sliding_window: Keys farther back than this are not seen.
        spans: The pairs in the row.
        block_masks: What a GPU needs of them.
        unknown: What else a model hands over: ignored where it is None or means nothing here.

    Returns:
        Shape (1, length, heads, dimension), and None in the place of weights.

    Raises:
        NotImplementedError: If the model asks for something else than this.
    """
    for name in ("softcap", "s_aux", "position_bias"):
        if unknown.get(name) is not None:
            raise NotImplementedError(f"attention with {name}")
    if dropout or attention_mask is not None or spans is None:
        raise NotImplementedError("attention with dropout, a mask, or without spans")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if torch.is_autocast_enabled(query.device.type):
        # Rotary positions make float32 of queries and keys there; values are bf16.
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if block_masks is not None:
        out = flex(query, key, value, scale, block_masks.mask(sliding_window))
    else:
        row = query[0], key[0], value[0]
        out = _BlockAttention.apply(*row, scale, sliding_window, spans)  # type: ignore[no-untyped-call]
        out = out.unsqueeze(0)
    return out.transpose(1, 2), None


# A compiled layer breaks off here: the spans, which differ in every batch, are not for the compiler.
AttentionInterface.register(NAME, torch.compiler.disable(packed_attention))


@dataclass(frozen=True)
class _Window:
    """A block of queries and the keys it sees, as places in a sequence that is causal.

    Queries ``start:stop`` of the sequence see keys from ``first:stop``: all of them up to ``checked``, and of
    the rest those where ``hidden``, shape (stop - start, stop - checked), is 0 and not -inf.
    """

    start: int
    stop: int
    first: int
    checked: int
    hidden: Tensor


def _windows(queries_from: int, length: int, window: int | None, like: Tensor) -> list[_Window]:
    """Blocks of the queries from a place on in a causal sequence."""
    found = []
    for start in range(queries_from, length, QUERY_BLOCK):
        stop = min(length, start + QUERY_BLOCK)
        if window is None or stop <= window:
            first, checked, near = 0, start, None
        else:
            first = checked = max(0, start - window + 1)
            near = window
        hidden = _hidden(stop - start, start - checked, near, like.dtype)
        found.append(_Window(start, stop, first, checked, hidden))
    return found


@functools.lru_cache(maxsize=1024)
def _hidden(queries: int, before: int, window: int | None, dtype: torch.dtype) -> Tensor:
    """What hides keys from queries: those behind a query, and those ``window`` or more before it."""
    distance = torch.arange(queries)[:, None] + before - torch.arange(before + queries)[None, :]
    unseen = distance < 0 if window is None else (distance < 0) | (distance >= window)
    return torch.zeros(queries, before + queries, dtype=dtype).masked_fill_(unseen, -math.inf)


class _BlockAttention(torch.autograd.Function):
    """Attention pair by pair and block by block; the weights are computed again in the backward pass."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        window: int | None,
        spans: Sequence[Span],
    ) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.scale, ctx.window, ctx.spans = scale, window, spans  # type: ignore[attr-defined]
        out = _like_rows(query)
        for part in _parts(spans):
            k, v = part.take(key), part.take(value)
            for block in _windows(part.given, part.length, window, query):
                weights = _weights(part.queries(query, block, len(k)), k, scale, block)
                found = torch.bmm(weights, v[:, block.first : block.stop])
                part.put(out, found, block)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        grad_query = _like_rows(query)
        # Prompts' keys are seen by both responses: their gradients are sums, in float32.
        wide = torch.float64 if query.dtype == torch.float64 else torch.float32
        grad_key, grad_value = (torch.zeros(part.shape, dtype=wide) for part in (key, value))
        for part in _parts(ctx.spans):
            k, v = part.take(key), part.take(value)
            grad_k, grad_v = (torch.zeros(k.shape, dtype=wide) for _ in range(2))
            for block in _windows(part.given, part.length, ctx.window, query):
                seen = slice(block.first, block.stop)
                q = part.queries(query, block, len(k))
                weights = _weights(q, k, ctx.scale, block)
                grad = part.queries(grad_out, block, len(k))
                grad_v[:, seen] += torch.bmm(weights.transpose(1, 2), grad)
                grad_weights = torch.bmm(grad, v[:, seen].transpose(1, 2))
                grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
                part.put(grad_query, torch.bmm(grad_scores, k[:, seen]).mul_(ctx.scale), block)
                grad_k[:, seen] += torch.bmm(grad_scores.transpose(1, 2), q).mul_(ctx.scale)
            part.add(grad_key, grad_k)
            part.add(grad_value, grad_v)
        return grad_query, grad_key.to(key.dtype), grad_value.to(value.dtype), None, None, None


def _like_rows(query: Tensor) -> Tensor:
    """An empty tensor of a query's shape that lies token by token, as the layers around want it."""
    return query.new_empty(query.shape[1], query.shape[0], query.shape[2]).transpose(0, 1)


def _weights(q: Tensor, k: Tensor, scale: float, block: _Window) -> Tensor:
    """Softmax of a block's scores, shape (key heads, heads per key head * queries, keys seen)."""
    # The scale goes into the product: a pass over the scores of its own costs a third as much again.
    keys = k[:, block.first : block.stop].transpose(1, 2)
    scores = torch.baddbmm(q.new_zeros(1), q, keys, beta=0, alpha=scale)
    by_head = scores.view(len(k), -1, block.stop - block.start, block.stop - block.first)
    by_head[..., block.checked - block.first :].add_(block.hidden)
    return torch.softmax(scores, dim=-1)


@dataclass(frozen=True)
class _Part:
    """A causal sequence in a packed row: some given tokens, then those whose queries are computed.

    Attributes:
        head: Where the given tokens start in the row.
        given: How many there are.
        tail: Where the others start.
        length: Tokens of both.
    """

    head: int
    given: int
    tail: int
    length: int

    def take(self, keys: Tensor) -> Tensor:
        """The sequence's keys or values, (key heads, length, dimension)."""
        if self.head + self.given == self.tail:
            return keys[:, self.head : self.head + self.length]
        rest = keys[:, self.tail : self.tail + self.length - self.given]
        return torch.cat([keys[:, self.head : self.head + self.given], rest], dim=1)

    def add(self, grads: Tensor, found: Tensor) -> None:
        """Add gradients of the sequence's keys or values to the row's."""
        grads[:, self.head : self.head + self.given] += found[:, : self.given]
        grads[:, self.tail : self.tail + self.length - self.given] += found[:, self.given :]

    def _rows(self, block: _Window) -> slice:
        offset = self.tail - self.given
        return slice(block.start + offset, block.stop + offset)

    def queries(self, row: Tensor, block: _Window, key_heads: int) -> Tensor:
        """A block's queries, those of the heads that share a key head one after another."""
        part = row[:, self._rows(block)]
        return part.reshape(key_heads, -1, part.shape[-1])

    def put(self, row: Tensor, found: Tensor, block: _Window) -> None:
        """Write what :meth:`queries` has taken, changed, to its place."""
        target = row[:, self._rows(block)]
        target.copy_(found.view(target.shape))


def _parts(spans: Sequence[Span]) -> list[_Part]:
    """Two sequences a pair: prompt and chosen, all queries; prompt and rejected, the rejected's queries."""
    found = []
    for span in spans:
        found.append(_Part(span.start, 0, span.start, span.prompt + span.chosen))
        rejected = span.start + span.prompt + span.chosen
        found.append(_Part(span.start, span.prompt, rejected, span.prompt + span.rejected))
    return found
