"""Drawing tokens so that an answer depends on its prompt's id and not on the batch it is written in.

A token is drawn with the Gumbel-max trick (Maddison, Tarlow and Minka 2014): the argmax of logits plus
independent Gumbel noise is a sample of their softmax. The noise of an answer comes from a stream of its own,
keyed by the answer and laid out by step and token id, so that it is the same whatever else the batch holds,
on a GPU as on a CPU, and for every model with the same vocabulary.

What floating point leaves of that: logits differ in their last bits with the width and the number of rows of
the batch. The noise is fixed, so a token changes only where the two best sums lie within that difference, and
from there on the answer is another one: next to never in float32, often within a long answer in bf16. Greedy
answers are no different. Drawing from cumulated probabilities instead would be worse: there every token's
bounds move with the errors of all tokens before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import LogitsProcessor, TopPLogitsWarper

from pipeline.files import content_id


@dataclass(frozen=True)
class Draw:
    """How the tokens of one answer are drawn.

    Attributes:
        key: The stream they are drawn from, 64 bits; the same key gives the same answer.
        temperature: What logits are divided by, above 0.
    """

    key: int
    temperature: float = 1.0


def answer_key(seed: int, prompt_id: str, sample: int) -> int:
    """The 64-bit key of an answer's stream: a hash of the seed, the prompt's id and the sample's number."""
    return int(content_id("sample", str(seed), prompt_id, str(sample)), 16)


class GumbelNoise(LogitsProcessor):
    """Adds each row's own Gumbel noise to its scores, so that greedy decoding draws a sample.

    Streams are NumPy's Philox, a counter-based generator: the same for the same key, with the pinned NumPy.
    Noise is made in float64, as float32 is too coarse near 0, where it decides over unlikely tokens.

    Args:
        keys: One per row of the batch, from :func:`answer_key`. An object serves one batch, from its first
            step on.
    """

    def __init__(self, keys: Sequence[int]) -> None:
        self._streams = [np.random.Generator(np.random.Philox(key=key)) for key in keys]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of the next token (rows x vocabulary, logits or log-probabilities) with noise.

        Raises:
            ValueError: If there are not as many rows as keys.
        """
        if len(scores) != len(self._streams):
            raise ValueError(f"{len(scores)} rows of scores for {len(self._streams)} keys")
        noise = np.empty(tuple(scores.shape), np.float64)
        for row, stream in zip(noise, self._streams, strict=True):
            stream.standard_exponential(out=row)
        # -log of an exponential variate is a Gumbel variate; a zero, hardly ever drawn, would be infinite.
        np.maximum(noise, np.finfo(np.float64).tiny, out=noise)
        np.log(noise, out=noise)
        return scores - torch.from_numpy(noise).to(scores.device, scores.dtype)


class Sampler(LogitsProcessor):
    """Makes greedy decoding draw, each row by a stream of its own, or leave a row greedy.

    Args:
        draws: One per row of the batch; None: greedy. An object serves one batch, from its first step on.
        top_p: Probability that the tokens drawn from have together, the likeliest first; 1: all tokens.
    """

    def __init__(self, draws: Sequence[Draw | None], top_p: float = 1.0) -> None:
        drawn = {row: draw for row, draw in enumerate(draws) if draw is not None}
        self._rows = list(drawn)
        self._temperatures = torch.tensor(
            [[draw.temperature] for draw in drawn.values()], dtype=torch.float64
        )
        self._nucleus = TopPLogitsWarper(top_p) if top_p < 1.0 else None
        self._noise = GumbelNoise([draw.key for draw in drawn.values()])

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of the next token (rows x vocabulary, logits); those of drawn rows warped and with noise."""
        if not self._rows:
            return scores
        drawn = scores[self._rows] / self._temperatures.to(scores.dtype).to(scores.device)
        if self._nucleus is not None:
            drawn = self._nucleus(input_ids, drawn)
        noisy = scores.clone()
        noisy[self._rows] = self._noise(input_ids, drawn)
        return noisy
