"""Chosen and rejected log-probabilities over training, by variant (arXiv 2403.07691, figures 3 and 7).

Under supervised fine-tuning on chosen responses both rise together; under ORPO they part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.files import atomic_file

_SIDES = {"chosen_logp": ("chosen", "#0072b2", "-"), "rejected_logp": ("rejected", "#d55e00", "--")}
"""Colours that colour-blind people tell apart (Okabe and Ito), and lines that need no colour."""

_WINDOWS = 12
"""The mean runs over this part of the steps."""


def write_curves(path: Path, curves: Sequence[pl.DataFrame]) -> bool:
    """Draw a panel for each variant that was trained, as SVG with the same bytes for the same curves.

    Args:
        path: Where to; no file is written where no variant was trained.
        curves: Of each variant; columns variant, metric, step, value.

    Returns:
        Whether there was anything to draw.
    """
    drawn = pl.concat(curves).filter(pl.col("metric").is_in(list(_SIDES)))
    names = drawn["variant"].unique(maintain_order=True).to_list()
    if not names:
        return False
    with matplotlib.rc_context({"svg.hashsalt": "compare", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(3.6 * len(names) + 0.8, 3.4), layout="constrained")
        panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
        for panel, name in zip(panels, names, strict=True):
            _panel(panel, name, drawn.filter(variant=name))
        panels[0].set_ylabel("mean log-probability per token (nats)")
        panels[0].legend(frameon=False)
        with atomic_file(path) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})
    return True


def _panel(panel: Axes, name: str, curves: pl.DataFrame) -> None:
    """Each step, faint, and the mean of the steps around it."""
    for metric, (label, colour, line) in _SIDES.items():
        rows = curves.filter(metric=metric).sort("step")
        window = max(1, rows.height // _WINDOWS)
        mean = rows["value"].rolling_mean(window, min_samples=1, center=True)
        steps = rows["step"].to_numpy()
        panel.plot(steps, rows["value"].to_numpy(), color=colour, alpha=0.25, linewidth=0.8)
        panel.plot(steps, mean.to_numpy(), color=colour, linestyle=line, linewidth=1.8, label=label)
    panel.set_title(name)
    panel.set_xlabel("step")
    panel.grid(alpha=0.25)
