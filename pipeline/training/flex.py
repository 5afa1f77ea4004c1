"""Packed attention on a GPU: ``flex_attention``, which skips the blocks that a block mask leaves empty."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from pipeline.training.batch import Span


class BlockMasks:
    """Block masks of a packed row for ``flex_attention``, one per sliding window, made when asked for.

    Args:
        spans: The pairs in the row.
        position_ids: Their positions, shape (1, length), on the device.
    """

    def __init__(self, spans: Sequence[Span], position_ids: Tensor) -> None:
        device = position_ids.device
        counts = torch.tensor([[span.prompt, span.chosen, span.rejected] for span in spans], device=device)
        parts = torch.arange(3, device=device).repeat(len(spans)).repeat_interleave(counts.flatten())
        pairs = torch.arange(len(spans), device=device).repeat_interleave(counts.sum(dim=1))
        self._sees = functools.partial(_sees, pairs, parts, position_ids[0])
        self._length = position_ids.shape[1]
        self._device = device
        self._made: dict[int | None, BlockMask] = {}

    def mask(self, window: int | None) -> BlockMask:
        """The block mask for a sliding window, or without one."""
        if window not in self._made:
            self._made[window] = create_block_mask(
                self.rule(window), None, None, self._length, self._length, device=self._device
            )
        return self._made[window]

    def rule(self, window: int | None) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """Whether a query sees a key, by (batch, head, query, key)."""
        return functools.partial(self._sees, window)


def _sees(
    pairs: Tensor,
    parts: Tensor,
    positions: Tensor,
    window: int | None,
    batch: Tensor,
    head: Tensor,
    query: Tensor,
    key: Tensor,
) -> Tensor:
    seen = (pairs[query] == pairs[key]) & (key <= query)
    seen = seen & ((parts[key] == 0) | (parts[key] == parts[query]))
    if window is not None:
        seen = seen & (positions[query] - positions[key] < window)
    return seen


@functools.cache
def _compiled_flex() -> Callable[..., Tensor]:
    # Uncompiled, flex_attention makes all scores at once.
    compiled: Callable[..., Tensor] = torch.compile(flex_attention, dynamic=True)
    return compiled


def flex(query: Tensor, key: Tensor, value: Tensor, scale: float, mask: BlockMask) -> Tensor:
    """``flex_attention`` by a block mask, compiled.

    Shapes are those of :func:`~pipeline.training.attention.packed_attention`, the result's the query's.
    """
    return _compiled_flex()(
        query, key, value, block_mask=mask, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
    )
