"""Chosen and rejected log-probabilities over training, by variant (arXiv 2403.07691, figures 3 and 7).

Under supervised fine-tuning on chosen responses both rise together; under ORPO they part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.variant_results import VariantResult
from pipeline.files import atomic_file

_SIDES = {"chosen_logp": ("chosen", "#0072b2", "-"), "rejected_logp": ("rejected", "#d55e00", "--")}
"""Colours that colour-blind people tell apart (Okabe and Ito), and lines that need no colour."""


def write_curves(path: Path, results: Sequence[VariantResult]) -> bool:
    """Draw a panel for each variant that was trained, as SVG with the same bytes for the same curves.

    Args:
        path: Where to; no file is written where no variant was trained.
        results: The variants; those that were not trained have no curves.

    Returns:
        Whether there was anything to draw.
    """
    trained = [each for each in results if each.curves["metric"].is_in(list(_SIDES)).any()]
    if not trained:
        return False
    with matplotlib.rc_context({"svg.hashsalt": "compare", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(3.6 * len(trained) + 0.8, 3.4), layout="constrained")
        panels = figure.subplots(1, len(trained), sharex=True, sharey=True, squeeze=False)[0]
        for panel, result in zip(panels, trained, strict=True):
            _panel(panel, result)
        panels[0].set_ylabel("mean log-probability per token (nats)")
        panels[0].legend(frameon=False)
        with atomic_file(path) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})
    return True


def _panel(panel: Axes, result: VariantResult) -> None:
    """Each step, faint, and the mean of an epoch's steps around it: of the same pairs wherever it stands."""
    for metric, (label, colour, line) in _SIDES.items():
        rows = result.curves.filter(metric=metric).sort("step")
        window = max(1, round(rows.height / (result.epochs or 1)))
        mean = rows["value"].rolling_mean(window, center=True)
        steps = rows["step"].to_numpy()
        panel.plot(steps, rows["value"].to_numpy(), color=colour, alpha=0.25, linewidth=0.8)
        panel.plot(steps, mean.to_numpy(), color=colour, linestyle=line, linewidth=1.8, label=label)
    panel.set_title(result.name)
    panel.set_xlabel("step")
    panel.grid(alpha=0.25)
