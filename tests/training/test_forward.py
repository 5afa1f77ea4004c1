"""Packed pairs give what the plain two-sequence pass gives, in values and gradients, model by model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

import pipeline.training.forward as forward
from pipeline.tokens.shards import TokenPair
from pipeline.training import attention
from pipeline.training.batch import Batch, pack, pad
from pipeline.training.forward import check_head, packed_attention, pair_logps, target_logps, why_not_packed
from pipeline.training.model import disable_dropout
from tests.training.architectures import PACKED, PADDED, WINDOW, tiny
from tests.training.conftest import make_pair, make_pairs
from tests.training.plain import assert_same_gradients, gradients, plain_logps

PAD = 2


def pairs_of_all_kinds() -> list[TokenPair]:
    """Unequal parts, longer than sliding windows, with a hole in a mask and a trained turn in a prompt."""
    first = make_pair("a", prompt=11, chosen=9, rejected=4)
    second = make_pair("b", prompt=1, chosen=3, rejected=14)
    third = make_pair("c", prompt=6, chosen=1, rejected=1)
    holed = first.chosen_mask.copy()
    holed[[0, 5]] = False
    turn = np.zeros(6, bool)
    turn[[0, 2, 3]] = True
    return [replace(first, chosen_mask=holed), second, replace(third, prompt_mask=turn)]


def weighted(logps: Tensor) -> Tensor:
    """A scalar in which no two targets count the same, so that none can stand for another."""
    weights: Tensor = torch.linspace(-1, 1, len(logps), dtype=logps.dtype).cos() / len(logps)
    return (logps * weights * torch.arange(1, len(logps) + 1)).sum()


def run(model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    logps = target_logps(model, batch)
    weighted(logps).backward()
    return logps.detach(), gradients(model)


@pytest.mark.parametrize("full", [False, True], ids=["response", "full"])
@pytest.mark.parametrize("name", PACKED)
def test_packed_is_the_plain_pass(name: str, full: bool) -> None:
    model, pairs = tiny(name), pairs_of_all_kinds()
    model.train()
    disable_dropout(model)
    expected = plain_logps(model, pairs, full)
    weighted(expected).backward()
    of_plain = gradients(model)
    with packed_attention(model) as fault:
        assert fault is None
        assert model.config._attn_implementation == attention.NAME
        packed, of_packed = run(model, pack(pairs, full))
    padded, of_padded = run(model, pad(pairs, PAD, full))
    for logps, found in ((packed, of_packed), (padded, of_padded)):
        torch.testing.assert_close(logps, expected.detach(), rtol=1e-4, atol=1e-4)
        assert_same_gradients(found, of_plain, 1e-4)


def test_the_comparison_is_not_blind() -> None:
    """A position, a window or a leak of one token's kind would show many times over the tolerance."""
    model, pairs = tiny("mistral").eval(), pairs_of_all_kinds()
    with torch.no_grad():
        expected = plain_logps(model, pairs)
        with packed_attention(model):
            batch = pack(pairs)
            shifted = replace(batch, position_ids=torch.arange(batch.input_ids.shape[1])[None])
            apart = (target_logps(model, shifted) - expected).abs().max()
            model.config.sliding_window = WINDOW + 1
            widened = (target_logps(model, batch) - expected).abs().max()
    assert apart > 1e-2 and widened > 1e-2


def test_dropout_that_is_left_on_is_refused() -> None:
    model = tiny("llama").train()
    with packed_attention(model), pytest.raises(NotImplementedError, match="dropout"):
        target_logps(model, pack(pairs_of_all_kinds()))


@pytest.mark.parametrize("name", PACKED)
def test_no_token_of_another_sequence_is_seen(name: str) -> None:
    """Other tokens where a sequence must not look leave its log-probabilities as they are, bit by bit."""
    model = tiny(name, torch.bfloat16).eval()
    first, second = make_pair("a", 5, 7, 6), make_pair("b", 4, 3, 8)
    other = replace(first, chosen_ids=first.chosen_ids[::-1].copy())
    with torch.no_grad(), packed_attention(model) as fault:
        assert fault is None
        before = target_logps(model, pack([first, second]))
        after = target_logps(model, pack([other, second]))
    assert not torch.equal(before[:7], after[:7])
    assert torch.equal(before[7:], after[7:])


@pytest.mark.parametrize("name", PADDED)
def test_what_cannot_be_packed_is_told_apart_and_runs_padded(name: str) -> None:
    model, pairs = tiny(name).eval(), pairs_of_all_kinds()
    own = model.config._attn_implementation
    reason = PADDED[name][1]
    assert reason in str(why_not_packed(model))
    assert model.config._attn_implementation == own
    with torch.no_grad(), packed_attention(model) as fault:
        assert reason in str(fault)
        assert model.config._attn_implementation == own
        found = target_logps(model, pad(pairs, PAD))
        torch.testing.assert_close(found, plain_logps(model, pairs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["gptj", "lfm2", "phimoe"])
def test_what_cannot_be_packed_is_told_apart_in_bf16(name: str) -> None:
    assert PADDED[name][1] in str(why_not_packed(tiny(name, torch.bfloat16)))


def test_positions_from_elsewhere_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    rotary = model.model.rotary_emb.forward

    def counted(states: Tensor, position_ids: Tensor) -> Any:
        return rotary(states, torch.arange(position_ids.shape[1])[None])

    monkeypatch.setattr(model.model.rotary_emb, "forward", counted)
    assert "log-probabilities differ by" in str(why_not_packed(model))


def test_the_look_leaves_the_model_as_it_was() -> None:
    model = tiny("llama").train()
    own = model.config._attn_implementation
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert why_not_packed(model) is None
    assert model.training and model.config._attn_implementation == own
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_packed_attention_is_given_back_after_an_exception() -> None:
    model = tiny("llama")
    own = model.config._attn_implementation
    with pytest.raises(RuntimeError, match="stop"), packed_attention(model):
        assert model.config._attn_implementation == attention.NAME
        raise RuntimeError("stop")
    assert model.config._attn_implementation == own
    ids = torch.arange(1, 9)[None]
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape == (1, 8, 259)


def test_means_and_sums_are_those_of_the_plain_pass() -> None:
    model, pairs = tiny("llama").eval(), make_pairs(5)
    with torch.no_grad():
        logps = plain_logps(model, pairs).split(
            [n for p in pairs for n in (len(p.chosen_ids), len(p.rejected_ids))]
        )
        with packed_attention(model):
            found = pair_logps(model, pack(pairs))
    chosen, rejected = logps[::2], logps[1::2]
    means = torch.stack([part.mean() for part in chosen])
    torch.testing.assert_close(found.chosen, means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.nll_means, -means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        found.rejected, torch.stack([part.mean() for part in rejected]), rtol=1e-4, atol=1e-5
    )
    assert found.nll_sum.item() == pytest.approx(-sum(part.sum().item() for part in chosen), rel=1e-5)


def test_prompt_targets_are_in_l_sft_alone() -> None:
    model, pair = tiny("llama").eval(), make_pair("one", prompt=6, chosen=4, rejected=3)
    with torch.no_grad():
        whole = plain_logps(model, [pair], True)[:9]
        full, response = (pair_logps(model, pad([pair], PAD, scope)) for scope in (True, False))
    assert full.nll_sum.item() == pytest.approx(-whole.sum().item(), rel=1e-5)
    assert full.nll_means.tolist() == pytest.approx([-whole.mean().item()], rel=1e-5)
    torch.testing.assert_close(full.chosen, response.chosen)
    torch.testing.assert_close(full.rejected, response.rejected)


@pytest.mark.parametrize("lay", ["pack", "pad"])
def test_a_pair_scores_the_same_alone_and_in_company(lay: str) -> None:
    model, pairs = tiny("llama").eval(), make_pairs(6)
    with torch.no_grad(), packed_attention(model):
        if lay == "pad":
            model.set_attn_implementation("sdpa")
        together = pair_logps(model, pack(pairs) if lay == "pack" else pad(pairs, PAD))
        for number, pair in enumerate(pairs):
            alone = pair_logps(model, pack([pair]) if lay == "pack" else pad([pair], 77))
            torch.testing.assert_close(alone.chosen[0], together.chosen[number], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(alone.rejected[0], together.rejected[number], rtol=1e-5, atol=1e-5)


def test_chunks_change_neither_values_nor_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = tiny("llama").eval(), pad(make_pairs(4), PAD)

    def chunked(size: int) -> tuple[Tensor, dict[str, Tensor]]:
        monkeypatch.setattr(forward, "HEAD_CHUNK", size)
        return run(model, batch)

    whole, parts = chunked(10_000), chunked(7)
    torch.testing.assert_close(parts[0], whole[0], rtol=1e-6, atol=1e-6)
    assert_same_gradients(parts[1], whole[1], 1e-5)


def test_autocast_makes_the_products_in_bf16() -> None:
    model, batch = tiny("llama").eval(), pad(make_pairs(3), PAD)
    seen = set()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda *call: seen.add(call[2].dtype))
    with torch.no_grad():
        exact = target_logps(model, batch)
        assert seen == {torch.float32}
        seen.clear()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = target_logps(model, batch)
    assert seen == {torch.bfloat16}
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.2)


@pytest.mark.parametrize(("cap", "whole"), [(None, True), (0.01, False)])
def test_a_model_that_caps_its_logits_is_told_apart(cap: float | None, whole: bool) -> None:
    model: PreTrainedModel = tiny("gemma2", final_logit_softcapping=cap).eval()
    assert check_head(model) is whole


def test_a_model_without_a_decoder_of_its_own_is_told_apart() -> None:
    assert not check_head(tiny("llama4_text").eval())


def test_longest_counts_the_longer_response() -> None:
    assert make_pair("a", 2, 3, 9).longest == 11
