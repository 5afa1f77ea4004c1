"""Training on some of the pairs, epoch by epoch, and what the model then thinks of any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from pipeline.params import SuspectsParams, TrainParams
from pipeline.progress import progress_bar
from pipeline.tokens.shards import ShardSet
from pipeline.training.batches import tracked_batches
from pipeline.training.objective import log_odds_margin
from pipeline.training.order import epoch_steps
from pipeline.training.parallel import make_optimizer
from pipeline.training.schedule import make_schedule
from pipeline.training.step import optimizer_step
from pipeline.training.step_model import StepModel


def run_params(train: TrainParams, suspects: SuspectsParams) -> TrainParams:
    """The ``train`` section as suspects trains: by ORPO, whose margin is asked for, in this one process.

    Args:
        train: As in params; its learning rate, batch, dtype and adapters count here too.
        suspects: Gives the epochs and the seed.
    """
    own = {"objective": "orpo", "epochs": suspects.epochs, "seed": suspects.seed, "processes": 1}
    return train.model_copy(update=own)


def train_epochs(
    step_model: StepModel, shards: ShardSet, places: Sequence[int], params: TrainParams, name: str
) -> Iterator[int]:
    """Train in place, with the steps of :mod:`pipeline.training`; stops after each epoch for a look.

    Args:
        step_model: With the parameters to train requiring gradients.
        shards: The training pairs.
        places: Which of them to train on; at least one.
        params: Of :func:`run_params`.
        name: What the progress bar calls it.

    Yields:
        The number of the epoch that was just finished, from 1.

    Raises:
        PipelineError: If the loss or the gradient is NaN or infinite, with the step's pair_ids.
    """
    optimizer = make_optimizer(step_model, params)
    plan = [
        epoch_steps(len(places), params.batch_pairs, params.seed, epoch) for epoch in range(params.epochs)
    ]
    schedule = make_schedule(optimizer.adamw, params, sum(len(steps) for steps in plan))
    for epoch, steps in enumerate(plan, start=1):
        with progress_bar() as progress:
            task = progress.begin(f"{name}, epoch {epoch} of {params.epochs}", len(steps), "steps")
            for step in steps:
                metrics = optimizer_step(step_model, optimizer, [shards[places[place]] for place in step])
                schedule.step()
                progress.done(task, note=f"loss {metrics['loss']:.3f}")
        yield epoch


@torch.no_grad()
def pair_margins(step_model: StepModel, shards: ShardSet, places: Sequence[int], name: str) -> list[float]:
    """Log odds(chosen) - log odds(rejected) of some pairs (arXiv 2403.07691, eq. 7), as the model stands.

    Args:
        step_model: In any state; it is left in evaluation mode.
        shards: The training pairs.
        places: Which of them to score.
        name: What the progress bar calls it.

    Returns:
        The margins in the order of ``places``, by the pass and in the dtype of training.
    """
    step_model.eval()
    found: dict[str, float] = {}
    pairs = (shards[place] for place in places)
    for batch in tracked_batches(step_model, pairs, len(places), name):
        logps = step_model.logps(batch)
        margins = log_odds_margin(logps.chosen, logps.rejected).tolist()
        found.update(zip(batch.pair_ids, margins, strict=True))
    return [found[shards.pair_ids[place]] for place in places]
