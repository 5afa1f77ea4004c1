from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tokens.shards import TokenPair
from pipeline.training.batch import Batch, Span, pack, pad
from pipeline.training.totals import step_totals

PAD = 2


def pair_of(
    name: str,
    prompt: list[int],
    chosen: list[int],
    rejected: list[int],
    masks: tuple[list[int], list[int], list[int]] | None = None,
) -> TokenPair:
    """A pair with given tokens; its masks mark the responses where nothing else is said."""
    ids = [np.array(tokens, np.int32) for tokens in (prompt, chosen, rejected)]
    marks = masks or ([0] * len(prompt), [1] * len(chosen), [1] * len(rejected))
    masks_of = [np.array(mark, np.bool_) for mark in marks]
    return TokenPair(name, ids[0], ids[1], ids[2], masks_of[0], masks_of[1], masks_of[2])


A = pair_of("a", [10, 11], [12, 13, 14], [15])
B = pair_of("b", [20], [21], [22, 23])


def test_packed_by_hand() -> None:
    batch = pack([A, B])
    #                                   a: prompt  chosen      rejected  b: prompt  chosen  rejected
    assert batch.input_ids.tolist() == [[10, 11, 12, 13, 14, 15, 20, 21, 22, 23]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 2, 0, 1, 1, 2]]
    assert batch.attention_mask is None
    assert batch.spans == (Span(0, 2, 3, 1), Span(6, 1, 1, 2))
    assert [span.end for span in batch.spans] == [6, 10]
    assert batch.labels.tolist() == [12, 13, 14, 15, 21, 22, 23]
    # Both responses' first tokens are predicted by the prompt's last state.
    assert batch.states.tolist() == [1, 2, 3, 1, 6, 6, 8]
    assert batch.sequences.tolist() == [0, 0, 0, 2, 1, 3, 3]
    assert batch.in_response.tolist() == [True] * 7
    assert batch.per_pair == (4, 3)
    assert batch.pair_ids == ("a", "b")


def test_padded_by_hand() -> None:
    batch = pad([A, B], PAD)
    assert batch.input_ids.tolist() == [
        [10, 11, 12, 13, 14],
        [20, 21, PAD, PAD, PAD],
        [10, 11, 15, PAD, PAD],
        [20, 22, 23, PAD, PAD],
    ]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4]] * 4
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [
        [1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
    ]
    assert batch.spans is None
    assert batch.labels.tolist() == [12, 13, 14, 15, 21, 22, 23]
    # Row * 5 + column.
    assert batch.states.tolist() == [1, 2, 3, 11, 5, 15, 16]
    assert batch.sequences.tolist() == [0, 0, 0, 2, 1, 3, 3]
    assert batch.in_response.tolist() == [True] * 7
    assert batch.per_pair == (4, 3)
    assert batch.pair_ids == ("a", "b")


def test_types() -> None:
    for batch in (pack([A, B]), pad([A, B], PAD)):
        for tensor in (batch.input_ids, batch.position_ids, batch.states, batch.labels, batch.sequences):
            assert tensor.dtype == torch.int64 and tensor.is_contiguous()
        assert batch.in_response.dtype == torch.bool


LAYOUTS = pytest.mark.parametrize(
    "lay", [pack, lambda pairs, full=False: pad(pairs, PAD, full)], ids=["pack", "pad"]
)
Lay = Callable[..., Batch]


@LAYOUTS
def test_prompt_targets_are_the_chosen_sequences(lay: Lay) -> None:
    batch = lay([A, B], True)
    # The first token of a prompt is predicted by nothing; b's prompt has no other.
    assert batch.labels.tolist() == [11, 12, 13, 14, 15, 21, 22, 23]
    assert batch.sequences.tolist() == [0, 0, 0, 0, 2, 1, 3, 3]
    assert batch.in_response.tolist() == [False, *[True] * 7]
    assert batch.states[0] == 0
    assert batch.per_pair == (5, 3)


@LAYOUTS
def test_turns_of_the_prompt_that_the_shard_marks_are_targets(lay: Lay) -> None:
    """An earlier assistant turn (``loss_on: all_assistant_turns``): once, in L_SFT, not in log P."""
    marked = pair_of("a", [3, 4, 5, 6], [7, 8], [9], ([1, 0, 1, 1], [1, 1], [1]))
    batch = lay([marked])
    assert batch.labels.tolist() == [5, 6, 7, 8, 9]
    assert batch.states[:4].tolist() == [1, 2, 3, 4]
    assert batch.in_response.tolist() == [False, False, True, True, True]
    assert batch.sequences.tolist() == [0, 0, 0, 0, 1]
    # Nothing predicts the first token, marked or not: the totals leave it out as well.
    assert step_totals([marked], "response", "token_mean").nll_divisor == 4
    assert step_totals([marked], "full", "token_mean").nll_divisor == 5
    assert int((lay([marked], True).sequences == 0).sum()) == 5


@LAYOUTS
def test_holes_in_the_masks_are_no_targets(lay: Lay) -> None:
    holed = pair_of("a", [3, 4], [5, 6, 7, 8], [9, 10, 11], ([0, 0], [0, 1, 0, 1], [1, 0, 1]))
    batch = lay([holed])
    assert batch.labels.tolist() == [6, 8, 9, 11]
    assert batch.sequences.tolist() == [0, 0, 1, 1]
    before = batch.input_ids.flatten()[batch.states].tolist()
    assert before == [5, 7, 4, 10]


@LAYOUTS
def test_an_eos_that_is_the_pad_token_is_a_target(lay: Lay) -> None:
    batch = lay([pair_of("a", [3, 4], [5, PAD], [PAD]), pair_of("b", [3, 4, 5], [6, 7, PAD], [8])])
    assert batch.labels.tolist() == [5, PAD, PAD, 6, 7, PAD, 8]
    if batch.attention_mask is not None:
        assert batch.attention_mask.sum(1).tolist() == [4, 6, 3, 4]


@LAYOUTS
def test_one_token_everywhere(lay: Lay) -> None:
    batch = lay([pair_of("a", [3], [4], [5])])
    assert batch.labels.tolist() == [4, 5]
    assert batch.sequences.tolist() == [0, 1]
    assert batch.input_ids.flatten()[batch.states].tolist() == [3, 3]


@LAYOUTS
def test_a_batch_goes_to_a_device_whole(lay: Lay) -> None:
    batch = lay([A, B]).to(torch.device("meta"))
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    assert len(tensors) == (6 if batch.attention_mask is None else 7)
    assert {tensor.device.type for tensor in tensors.values()} == {"meta"}
    assert batch.pair_ids == ("a", "b") and batch.per_pair == (4, 3)


@st.composite
def token_pairs(draw: st.DrawFn) -> list[TokenPair]:
    """Up to four pairs; each token is the number of its place among all, so that none comes twice."""
    pairs, number = [], 100
    for place in range(draw(st.integers(1, 4))):
        lengths = [draw(st.integers(1, 5)) for _ in range(3)]
        marks = [draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)) for size in lengths]
        for mark in marks[1:]:  # a response is never without a target
            mark[-1] = 1
        starts = [number, number + lengths[0], number + lengths[0] + lengths[1]]
        ids = [list(range(start, start + size)) for start, size in zip(starts, lengths, strict=True)]
        pairs.append(pair_of(str(place), ids[0], ids[1], ids[2], (marks[0], marks[1], marks[2])))
        number += sum(lengths)
    return pairs


def wanted(pairs: list[TokenPair], full: bool) -> list[tuple[int, int, int, bool]]:
    """Target, token before it in its own sequence, sequence, whether in a response; by walking sequences."""
    found = []
    for place, pair in enumerate(pairs):
        prompt = pair.prompt_ids.tolist()
        in_scope = [full or bool(mark) for mark in pair.prompt_mask]
        for number in range(1, len(prompt)):
            if in_scope[number]:
                found.append((prompt[number], prompt[number - 1], place, False))
        for rejected, ids, mask in (
            (False, pair.chosen_ids, pair.chosen_mask),
            (True, pair.rejected_ids, pair.rejected_mask),
        ):
            whole = [*prompt, *ids.tolist()]
            for number in np.flatnonzero(mask).tolist():
                target = len(prompt) + number
                found.append((whole[target], whole[target - 1], place + len(pairs) * rejected, True))
    return found


@given(pairs=token_pairs(), full=st.booleans())
def test_both_layouts_name_the_targets_of_the_sequences(pairs: list[TokenPair], full: bool) -> None:
    expected = wanted(pairs, full)
    for batch in (pack(pairs, full), pad(pairs, PAD, full)):
        before = batch.input_ids.flatten()[batch.states]
        columns = (batch.labels, before, batch.sequences, batch.in_response)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
        assert sum(batch.per_pair) == len(expected)
        counts = [sum(row[2] % len(pairs) == place for row in expected) for place in range(len(pairs))]
        assert list(batch.per_pair) == counts


@given(pairs=token_pairs())
def test_positions_count_within_each_sequence(pairs: list[TokenPair]) -> None:
    batch = pack(pairs)
    assert batch.spans is not None
    for span, pair in zip(batch.spans, pairs, strict=True):
        prompt, chosen, rejected = len(pair.prompt_ids), len(pair.chosen_ids), len(pair.rejected_ids)
        assert (span.prompt, span.chosen, span.rejected) == (prompt, chosen, rejected)
        assert batch.position_ids[0, span.start : span.end].tolist() == [
            *range(prompt + chosen),
            *range(prompt, prompt + rejected),
        ]
        assert batch.input_ids[0, span.start : span.end].tolist() == [
            *pair.prompt_ids,
            *pair.chosen_ids,
            *pair.rejected_ids,
        ]
    assert [span.start for span in batch.spans] == [0, *[span.end for span in batch.spans[:-1]]]
    assert batch.input_ids.shape == (1, batch.spans[-1].end)


def test_the_totals_count_the_targets() -> None:
    pairs = [replace(A, chosen_mask=np.array([True, False, True])), B]
    for full, scope in ((False, "response"), (True, "full")):
        batch = pack(pairs, full)
        assert step_totals(pairs, scope, "token_mean").nll_divisor == int((batch.sequences < 2).sum())
