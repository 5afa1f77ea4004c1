"""ORPO as four sources have it, by name: ``train.dialect`` in params.

The same lambda means different objectives where L_SFT is taken over other tokens or averaged in another way.
A dialect stands for ``nll_scope`` and ``nll_reduction``:

================= ================= ================== ================== ==================
..                paper             official           trl                llamafactory
================= ================= ================== ================== ==================
tokens of L_SFT   response          prompt, response   prompt, response   response
(nll_scope)       (response)        (full)             (full)             (response)
its average       of each sequence, over the batch's   over the batch's   of each sequence,
(nll_reduction)   then of pairs     tokens             tokens             then of pairs
                  (sequence_mean)   (token_mean)       (token_mean)       (sequence_mean)
log P of the odds mean over the     mean over the      mean over the      mean over the
                  response          response           response           response
preference term   + lambda * mean   + alpha * mean     + beta * mean      + beta * mean
                  L_OR              L_OR               L_OR               L_OR
================= ================= ================== ================== ==================

So two and two are one formula once the slips below are out. The defaults of params, ``dialect: null`` with
response and token_mean, are none of the four: they are official's with ``--disable_prompt_loss``. Liger's
fused ORPO (linkedin/Liger-Kernel, ``chunked_loss/orpo_loss.py``) is token_mean over the labels it is given.
Wherever the sources say "batch", ours is the whole optimizer step: theirs average the averages of
micro-batches and ranks, which for token_mean depends on how the step is cut.

Sources, and what of each is not reproduced:

- paper: arXiv 2403.07691. Eq. 2 and 3 divide by the tokens of a sequence, eq. 6 takes the mean over triples
  of prompt, chosen and rejected. Not reproduced: the sign of the gradient in eq. 8.
- official: xfactlab/orpo at 208d2d648068e700cbb1ae0e8320b1dc99b014ec, ``src/orpo_trainer.py``, with the
  prompt in L_SFT as its scripts run it. Not reproduced: labels equal to the pad token, which ``main.py`` sets
  to EOS, are taken out of L_SFT, so that the end of a turn is never trained; the mask of log P reaches one
  token past the end of a sequence that is shorter than the padding, and counts a pad token as its last;
  ``log1p(-exp)`` and ``log(sigmoid)``, infinite where P is near 1 and where the margin is far below 0; the
  loss rounded to bf16.
- trl: TRL 1.16.0, ``trl/experimental/orpo/orpo_trainer.py``. Its labels of L_SFT are all attended tokens but
  the first, those of log P leave the prompt out. Not reproduced: with P = 1 its odds are infinite, ours are
  held just below (``objective.CEILING``); the router loss of mixture-of-experts models is not added.
- llamafactory: hiyouga/LLaMA-Factory, ``src/llamafactory/train/dpo/trainer.py`` (``odds_ratio_loss``, and
  ``data/processor/pairwise.py`` for the labels). Not reproduced: ``log1p(-exp)`` as in official;
  ``pref_ftx``, which adds L_SFT once more with a weight of its own.

Where a shard's mask leaves a token of the response out (law 3), it is out in every dialect, though all four
sources would train on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.params import TrainParams
from pipeline.training.objective import NllReduction, NllScope, Objective


class NllForm(NamedTuple):
    """What L_SFT covers and how it is averaged; see :class:`pipeline.training.objective.Objective`."""

    scope: NllScope
    reduction: NllReduction


DIALECTS: Mapping[str, NllForm] = {
    "paper": NllForm("response", "sequence_mean"),
    "official": NllForm("full", "token_mean"),
    "trl": NllForm("full", "token_mean"),
    "llamafactory": NllForm("response", "sequence_mean"),
}
"""Name to the form it stands for."""


def objective_of(params: TrainParams) -> Objective:
    """The objective a ``train`` section asks for; a dialect there is spelled out."""
    form = NllForm(params.nll_scope, params.nll_reduction)
    if params.dialect is not None:
        form = DIALECTS[params.dialect]
    return Objective(params.objective, params.lambda_, form.scope, form.reduction, params.beta)
