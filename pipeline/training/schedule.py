"""The learning rate over a run: warm-up, then one of four courses."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from pipeline.params import TrainParams


def warmup_steps(params: TrainParams, steps: int) -> int:
    """Steps over which the rate rises: ``warmup_steps`` where given, else ``warmup_ratio``, rounded up.

    Args:
        params: The ``train`` section.
        steps: Optimizer steps of the whole run.
    """
    if params.warmup_steps is not None:
        return params.warmup_steps
    return math.ceil(params.warmup_ratio * steps)


def make_schedule(optimizer: Optimizer, params: TrainParams, steps: int) -> LRScheduler:
    """The schedule that ``params`` name, on an optimizer; step it after each update.

    With w warm-up steps of T and t counted from 0, step t + 1 is taken at the peak times t / w in warm-up, so
    the first step at 0, and after it at the peak times::

        cosine        (1 + cos(pi (t - w) / (T - w))) / 2
        linear        (T - t) / (T - w)
        inverse_sqrt  sqrt(w / t); without warm-up sqrt(10000 / (t + 10000))
        constant      1

    These are transformers' schedules, the ones the published runs were made with.

    Args:
        optimizer: Its groups' rates are set from here on.
        params: The ``train`` section.
        steps: Optimizer steps of the whole run, T.
    """
    name = "constant_with_warmup" if params.schedule == "constant" else params.schedule
    schedule: LRScheduler = get_scheduler(
        name, optimizer, num_warmup_steps=warmup_steps(params, steps), num_training_steps=steps
    )
    return schedule
