"""How much a model's answers differ, within and across prompts: the two numbers of the paper's section 6.4.

Both are mean cosine similarities, so a higher value means less diverse answers (arXiv 2403.07691, Table 4,
marks them with a down arrow; the idea is Kirk et al. 2024):

- per input (PID): the mean over prompts of the mean pairwise similarity among the samples of one prompt;
- across input (AID): the mean pairwise similarity among the first samples of all prompts.

The paper's D has a factor of 1/2 over N(N-1) before the sum over unordered pairs, which would be a quarter of
their mean and never above 0.25; the values it reports (0.51 to 0.90) are means, and so are these.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import polars as pl

from pipeline.prose import folded_words
from pipeline.schema import GREEDY, SAMPLED

MAX_NGRAM = 3
"""Words of the longest n-gram that texts are compared by."""

Gram = tuple[str, ...]


class Similarity(Protocol):
    """A way to say how alike texts are."""

    @property
    def method(self) -> str:
        """Its name in the metrics."""

    def mean_cosines(self, groups: Sequence[Sequence[str]]) -> list[float]:
        """The mean cosine similarity over the unordered pairs of each group of two texts or more."""


class NgramSimilarity:
    """Cosine of bags of words: needs no model, and compares wording, not meaning.

    A text is the vector of how often each of its n-grams of 1 to :data:`MAX_NGRAM` casefolded words
    (:mod:`pipeline.prose`: punctuation is no word) occurs. Two texts without a word are alike (1), one
    without and one with words are not (0). Longer texts share more of their frequent words, so only models
    with answers of like length compare.
    """

    @property
    def method(self) -> str:
        """Its name in the metrics."""
        return f"word n-grams, 1 to {MAX_NGRAM}"

    def mean_cosines(self, groups: Sequence[Sequence[str]]) -> list[float]:
        """The mean cosine similarity over the unordered pairs of each group of two texts or more."""
        return [_mean_cosine([bag_of_ngrams(text) for text in group]) for group in groups]


def bag_of_ngrams(text: str) -> Counter[Gram]:
    """How often each n-gram of 1 to :data:`MAX_NGRAM` casefolded words occurs in a text."""
    words = folded_words(text)
    return Counter(
        tuple(words[start : start + length])
        for length in range(1, MAX_NGRAM + 1)
        for start in range(len(words) - length + 1)
    )


def _mean_cosine(bags: Sequence[Counter[Gram]]) -> float:
    # With unit vectors u, the sum of u_i . u_j over i != j is |sum of u|^2 - sum of |u|^2.
    total: defaultdict[Gram, float] = defaultdict(float)
    wordless = 0
    for bag in bags:
        norm = math.sqrt(sum(count * count for count in bag.values()))
        wordless += not bag
        for gram, count in bag.items():
            total[gram] += count / norm
    count = len(bags)
    off_diagonal = math.fsum(value * value for value in total.values()) - (count - wordless)
    return (off_diagonal + wordless * (wordless - 1)) / (count * (count - 1))


def diversity(answers: pl.DataFrame, similarity: Similarity) -> dict[str, Any]:
    """Section 6.4's numbers for one model; higher means less diverse.

    Args:
        answers: Rows of a generations table, of one model.
        similarity: How alike texts are.

    Returns:
        ``method``; ``per_input`` (None below two samples per prompt) and ``across_input`` (None below two
        sampled prompts); and ``across_input_greedy``, the latter over the greedy answers instead (None below
        two).
    """
    sampled = answers.filter(decoding=SAMPLED).sort("prompt_id", "sample")
    groups: dict[str, list[str]] = {
        "across_input": sampled.filter(sample=0)["response"].to_list(),
        "across_input_greedy": answers.filter(decoding=GREEDY)["response"].to_list(),
    }
    by_prompt = sampled.group_by("prompt_id", maintain_order=True).agg("response")["response"].to_list()
    inputs = [texts for texts in by_prompt if len(texts) > 1]
    across = {name: texts for name, texts in groups.items() if len(texts) > 1}
    found = similarity.mean_cosines([*inputs, *across.values()])
    within = found[: len(inputs)]
    values = dict(zip(across, found[len(inputs) :], strict=True))
    return {
        "method": similarity.method,
        "per_input": math.fsum(within) / len(within) if within else None,
        **{name: values.get(name) for name in groups},
    }
