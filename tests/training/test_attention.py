from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention

from pipeline.training import attention, flex
from pipeline.training.attention import packed_attention
from pipeline.training.batch import Span
from pipeline.training.flex import BlockMasks

Lengths = Sequence[tuple[int, int, int]]

EVEN: Lengths = [(5, 7, 6), (3, 2, 9)]
UNEQUAL: Lengths = [(1, 1, 1), (40, 3, 70), (2, 31, 1), (1, 90, 25)]


def spans_of(lengths: Lengths) -> tuple[Span, ...]:
    found: list[Span] = []
    for parts in lengths:
        found.append(Span(found[-1].end if found else 0, *parts))
    return tuple(found)


def sequences_of(spans: Sequence[Span]) -> list[list[int]]:
    """The places of each sequence in the row, in order: prompt and chosen, prompt and rejected."""
    found = []
    for span in spans:
        prompt = list(range(span.start, span.start + span.prompt))
        middle = span.start + span.prompt + span.chosen
        found.append(prompt + list(range(span.start + span.prompt, middle)))
        found.append(prompt + list(range(middle, span.end)))
    return found


def dense_mask(spans: Sequence[Span], window: int | None) -> Tensor:
    """Who sees whom, by definition: a token sees those before it in a sequence that both are in."""
    length = spans[-1].end
    mask = torch.zeros(length, length, dtype=torch.bool)
    for places in sequences_of(spans):
        for later, query in enumerate(places):
            first = 0 if window is None else max(0, later - window + 1)
            mask[query, places[first : later + 1]] = True
    return mask


def positions_of(spans: Sequence[Span]) -> Tensor:
    positions = torch.zeros(1, spans[-1].end, dtype=torch.int64)
    for places in sequences_of(spans):
        positions[0, places] = torch.arange(len(places))
    return positions


def dense_attention(
    parts: Sequence[Tensor], spans: Sequence[Span], window: int | None, scale: float | None
) -> Tensor:
    """The same attention from a mask over the whole row; shape (1, length, heads, dimension)."""
    query, key, value = parts
    share = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(share, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores.masked_fill(~dense_mask(spans, window), -torch.inf)
    out: Tensor = (scores.softmax(-1) @ value).transpose(1, 2)
    return out


def operands(
    spans: Sequence[Span], heads: int = 4, key_heads: int = 4, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = [(1, count, spans[-1].end, 8) for count in (heads, key_heads, key_heads)]
    found = [torch.randn(shape, generator=random, dtype=torch.float64).to(dtype) for shape in shapes]
    return [part.requires_grad_() for part in found]


def attend(parts: Sequence[Tensor], spans: tuple[Span, ...], **others: Any) -> Tensor:
    query, key, value = parts
    out, weights = packed_attention(nn.Identity(), query, key, value, None, spans=spans, **others)
    assert weights is None
    return out


def with_gradients(out: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """An output, and the gradients of a sum in which no two of its values count the same."""
    weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view(out.shape).to(out.dtype)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), list(parts))]


@pytest.mark.parametrize("window", [None, 1, 3, 64])
@pytest.mark.parametrize("block", [2, 16, 128])
@pytest.mark.parametrize(("heads", "key_heads"), [(4, 4), (4, 2), (3, 1)])
@pytest.mark.parametrize("lengths", [EVEN, UNEQUAL], ids=["even", "unequal"])
def test_blocks_are_the_dense_attention(
    lengths: Lengths,
    heads: int,
    key_heads: int,
    block: int,
    window: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "QUERY_BLOCK", block)
    spans = spans_of(lengths)
    parts = operands(spans, heads, key_heads)
    found = with_gradients(attend(parts, spans, sliding_window=window), parts)
    expected = with_gradients(dense_attention(parts, spans, window, None), parts)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_a_scale_of_the_models_own(scale: float) -> None:
    spans = spans_of(EVEN)
    parts = operands(spans, 4, 2)
    found = with_gradients(attend(parts, spans, scaling=scale), parts)
    expected = with_gradients(dense_attention(parts, spans, None, scale), parts)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_gradcheck() -> None:
    spans = spans_of([(2, 2, 3), (1, 2, 1)])
    parts = operands(spans, 2, 1)

    def attended(*tensors: Tensor) -> Tensor:
        return attend(tensors, spans, sliding_window=3)

    assert torch.autograd.gradcheck(attended, parts)


@pytest.mark.parametrize("window", [None, 20])
def test_bf16_is_close_to_float32(window: int | None) -> None:
    spans = spans_of(UNEQUAL)
    exact_parts = operands(spans, 4, 2, torch.bfloat16)
    exact = [part.detach().float().requires_grad_() for part in exact_parts]
    rounded = with_gradients(attend(exact_parts, spans, sliding_window=window), exact_parts)
    expected = with_gradients(attend(exact, spans, sliding_window=window), exact)
    for one, other in zip(rounded, expected, strict=True):
        assert one.dtype == torch.bfloat16
        # bf16 keeps 8 bits: a few roundings of the largest value.
        room = 2**-6 * other.abs().max().item()
        torch.testing.assert_close(one.float(), other, rtol=2**-6, atol=room)


def test_tensors_that_lie_otherwise_in_memory() -> None:
    """What models hand over: heads split off the last dimension and transposed, not contiguous."""
    spans = spans_of(EVEN)
    parts = operands(spans, 4, 2)
    other = [part.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for part in parts]
    assert not other[0].is_contiguous()
    found, expected = (with_gradients(attend(each, spans), each) for each in (other, parts))
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)


def seen_by_blocks(queries_from: int, length: int, window: int | None) -> Tensor:
    """The mask of a causal sequence that the blocks of its queries stand for."""
    mask = torch.zeros(length, length, dtype=torch.bool)
    for block in attention._windows(queries_from, length, window, torch.empty(0)):
        mask[block.start : block.stop, block.first : block.checked] = True
        mask[block.start : block.stop, block.checked : block.stop] = block.hidden == 0
    return mask


@given(
    sizes=st.tuples(st.integers(0, 30), st.integers(1, 40)),
    window=st.none() | st.integers(1, 80),
    block=st.integers(1, 50),
)
def test_blocks_of_queries_see_what_they_should(
    sizes: tuple[int, int], window: int | None, block: int
) -> None:
    given_tokens, others = sizes
    length = given_tokens + others
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "QUERY_BLOCK", block)
        found = seen_by_blocks(given_tokens, length, window)
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    expected = (distance >= 0) & (distance < (window or length))
    expected[:given_tokens] = False
    assert torch.equal(found, expected)


def test_a_window_that_hides_nothing_needs_no_wide_masks() -> None:
    blocks = attention._windows(300, 2000, 4096, torch.empty(0))
    assert max(block.hidden.shape[1] for block in blocks) == attention.QUERY_BLOCK
    assert {block.first for block in blocks} == {0}


@st.composite
def spans_and_window(draw: st.DrawFn) -> tuple[tuple[Span, ...], int | None]:
    lengths = draw(st.lists(st.tuples(*[st.integers(1, 9)] * 3), min_size=1, max_size=4))
    return spans_of(lengths), draw(st.none() | st.integers(1, 20))


@given(case=spans_and_window())
def test_the_rule_of_block_masks_is_the_dense_mask(case: tuple[tuple[Span, ...], int | None]) -> None:
    spans, window = case
    length = spans[-1].end
    rule = BlockMasks(spans, positions_of(spans)).rule(window)
    query, key = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    nothing = torch.zeros_like(query)
    assert torch.equal(rule(nothing, nothing, query, key), dense_mask(spans, window))


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_flex_attention_gives_the_same(
    window: int | None, key_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs on a GPU, here without its compiler; on the CPU it has no backward."""
    monkeypatch.setattr(flex, "_compiled_flex", lambda: flex_attention)
    spans = spans_of(UNEQUAL)
    parts = [part.detach() for part in operands(spans, 4, key_heads, torch.float32)]
    masks = BlockMasks(spans, positions_of(spans))
    found = attend(parts, spans, sliding_window=window, block_masks=masks, scaling=0.4)
    expected = attend(parts, spans, sliding_window=window, scaling=0.4)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_block_masks_are_made_once_for_each_window() -> None:
    spans = spans_of(EVEN)
    masks = BlockMasks(spans, positions_of(spans))
    assert masks.mask(None) is masks.mask(None)
    assert masks.mask(4) is masks.mask(4) is not masks.mask(None)


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({"softcap": 50.0}, "softcap"),
        ({"s_aux": torch.zeros(4)}, "s_aux"),
        ({"position_bias": torch.zeros(1)}, "position_bias"),
        ({"dropout": 0.1}, "dropout"),
        ({"spans": None}, "without spans"),
        ({"attention_mask": torch.zeros(1, 1, 32, 32)}, "a mask"),
    ],
)
def test_what_it_cannot_do_is_refused(others: dict[str, Any], named: str) -> None:
    spans = spans_of(EVEN)
    query, key, value = operands(spans)
    call: dict[str, Any] = {"attention_mask": None, "spans": spans, **others}
    with pytest.raises(NotImplementedError, match=named):
        packed_attention(nn.Identity(), query, key, value, **call)


def test_what_means_nothing_here_is_ignored() -> None:
    spans = spans_of(EVEN)
    parts = operands(spans)
    others = {
        "softcap": None,
        "is_causal": True,
        "output_attentions": False,
        "position_ids": positions_of(spans),
    }
    assert torch.equal(attend(parts, spans, **others), attend(parts, spans))
