"""Noise that turns greedy decoding into sampling, answer by answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.evaluation.sampling import Draw, GumbelNoise, Sampler, answer_key

IDS = torch.zeros(1, 1, dtype=torch.long)


def test_the_likeliest_noisy_token_is_a_draw_of_the_distribution() -> None:
    chances = torch.tensor([0.5, 0.3, 0.19, 0.01])
    keys = [answer_key(0, "prompt", sample) for sample in range(4000)]
    drawn = GumbelNoise(keys)(IDS, chances.log().expand(4000, 4)).argmax(-1)
    counts, expected = torch.bincount(drawn, minlength=4), 4000 * chances
    # Pearson's statistic of three degrees of freedom is above 16.27 once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 16.27


def test_each_row_has_its_own_stream_step_after_step() -> None:
    scores = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = GumbelNoise([11, 7, 5])
    found = torch.stack([together(IDS, step) for step in scores])
    for row, key in enumerate((11, 7, 5)):
        drawn = np.random.Generator(np.random.Philox(key=key)).standard_exponential((2, 50))
        assert torch.equal(found[:, row], scores[:, row] - torch.from_numpy(np.log(drawn)))


def test_a_token_that_is_ruled_out_stays_out() -> None:
    scores = torch.tensor([[0.0, -torch.inf, 1.0]])
    noisy = GumbelNoise([3])(IDS, scores)
    assert noisy[0, 1] == -torch.inf and noisy[0, [0, 2]].isfinite().all()


def test_rows_without_a_key_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 rows of scores for 1 keys"):
        GumbelNoise([3])(IDS, torch.zeros(2, 4))


def test_keys_tell_seeds_prompts_and_samples_apart() -> None:
    keys = {answer_key(seed, prompt, sample) for seed in (0, 1) for prompt in ("a", "b") for sample in (0, 1)}
    assert len(keys) == 8
    # SHA-256 over the XXH3 hashes of "sample", "0", "a" and "1": a recorded run can be drawn again.
    assert answer_key(0, "a", 1) == 0x8270ABE2DB00008F


def test_sampled_tokens_have_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    process = Sampler([Draw(5, temperature=2.0)])
    drawn = [int(process(IDS, logits).argmax()) for _ in range(4000)]
    expected = torch.softmax(logits[0] / 2.0, dim=0)
    found = torch.bincount(torch.tensor(drawn), minlength=3) / len(drawn)
    # Four standard errors of a share near 0.5 of 4000 draws: 0.03.
    assert found.tolist() == pytest.approx(expected.tolist(), abs=0.03)


def test_each_row_has_its_own_temperature_and_greedy_rows_stay_as_they_are() -> None:
    logits = torch.tensor([[0.0, 1.0], [3.0, 2.0], [0.5, 4.0]])
    noisy = Sampler([Draw(1, 0.5), None, Draw(9)])(IDS, logits)
    warped = torch.tensor([[0.0, 2.0], [0.5, 4.0]])
    assert torch.equal(noisy[[0, 2]], GumbelNoise([1, 9])(IDS, warped))
    assert noisy[1].tolist() == [3.0, 2.0]
    assert logits.tolist() == [[0.0, 1.0], [3.0, 2.0], [0.5, 4.0]]


def test_nothing_is_drawn_outside_of_the_nucleus() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    process = Sampler([Draw(3)], top_p=0.6)
    drawn = {int(process(IDS, logits).argmax()) for _ in range(200)}
    assert drawn == {0, 1}
