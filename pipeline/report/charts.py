"""Charts as inline SVG that takes its colours from the page, so that it reads well in light and dark."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Series = tuple[list[int], list[float]]
"""A curve: steps and values."""

# matplotlib wants colours, the page decides on them: each of these stands for a CSS colour and is replaced.
_INK = "#010101"
_GRID = "#010102"
_SERIES = {"#010103": "var(--series-1)", "#010104": "var(--series-2)", "#010105": "var(--series-3)"}
_COLOURS = {_INK: "currentColor", _GRID: "var(--line)", **_SERIES}
_PALETTE = tuple(_SERIES)

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "preference-pipeline",
    "font.size": 10.0,
    "text.color": _INK,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
}
_SIZE = (4.8, 2.7)
_SMOOTH_FROM = 24  # fewer points than this are drawn as they are
_BINS = 24
_STEPS = [1, 2, 5, 10]


@dataclass(frozen=True)
class Chart:
    """A drawn chart: a title, the SVG, and a sentence that says how to read it."""

    title: str
    svg: Markup
    caption: str


@dataclass(frozen=True)
class Strip:
    """One row of :func:`strips`: a label, five rising values, and whether it is of dropped rows."""

    label: str
    quantiles: tuple[float, float, float, float, float]
    dropped: bool = False


def curves(
    title: str,
    lines: Mapping[str, Series],
    validation: Mapping[str, Series],
    caption: str,
    limits: tuple[float, float] | None = None,
) -> Chart | None:
    """Values over training steps, smoothed where there are many; None where there is no line.

    Args:
        title: The chart's title.
        lines: A label to each curve.
        validation: Curves of the validation split under the same labels, drawn as dots.
        caption: How to read it.
        limits: Least and greatest value of the scale; None: by the values.
    """
    if not any(steps for steps, _ in lines.values()):
        return None
    with mpl.rc_context(_STYLE):
        figure, axes = _figure()
        window = 1
        for colour, (label, (steps, values)) in zip(_PALETTE, lines.items(), strict=False):
            window = _draw_curve(axes, label, steps, values, colour)
            if label in validation:
                axes.plot(*validation[label], "o", color=colour, markersize=4, label=f"{label}, validation")
        if limits is not None and limits[0] < limits[1]:
            margin = 0.04 * (limits[1] - limits[0])
            axes.set_ylim(limits[0] - margin, limits[1] + margin)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=_STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=_STEPS))
        if len(axes.get_legend_handles_labels()[1]) > 1:
            _legend(axes)
        svg = _svg(figure, title)
    note = f" Faint: each step; strong: mean over {window} steps." if window > 1 else ""
    return Chart(title, svg, caption + note)


def _draw_curve(axes: Axes, label: str, steps: list[int], values: list[float], colour: str) -> int:
    """Draw one curve; the number of steps its strong line is averaged over."""
    if len(values) < _SMOOTH_FROM:
        axes.plot(steps, values, color=colour, linewidth=1.8, marker="o", markersize=2.5, label=label)
        return 1
    window = len(values) // 12 | 1  # odd, so that the mean is centred on its step
    axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
    axes.plot(steps, rolling_mean(values, window), color=colour, linewidth=2.0, label=label)
    return window


def rolling_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean around each value, over an odd window that shrinks towards the ends."""
    half = window // 2
    means = []
    for index in range(len(values)):
        reach = min(half, index, len(values) - 1 - index)
        part = values[index - reach : index + reach + 1]
        means.append(sum(part) / len(part))
    return means


def histogram(
    title: str,
    groups: Mapping[str, Sequence[float]],
    xlabel: str,
    caption: str,
    limit: float | None = None,
) -> Chart | None:
    """How often values occur; several groups share their bins. None where there is no value.

    Args:
        title: The chart's title.
        groups: A label to its values.
        xlabel: What the values are.
        caption: How to read it.
        limit: A value to mark with a line, where it lies near the others.
    """
    every = [value for values in groups.values() for value in values]
    if not every:
        return None
    with mpl.rc_context(_STYLE):
        figure, axes = _figure()
        edges = bin_edges(every)
        for colour, (label, values) in zip(_PALETTE, groups.items(), strict=False):
            if len(groups) == 1:
                axes.hist(values, bins=edges, color=colour, rwidth=0.88)
            else:
                axes.hist(values, bins=edges, color=colour, alpha=0.25)
                axes.hist(values, bins=edges, color=colour, histtype="step", linewidth=1.6, label=label)
        if limit is not None and limit <= edges[-1] + (edges[-1] - edges[0]) / 4:
            axes.axvline(limit, color=_INK, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(xlabel)
        axes.set_ylabel("pairs")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=_STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=_STEPS))
        if len(groups) > 1:
            _legend(axes)
        svg = _svg(figure, title)
    return Chart(title, svg, caption)


def strips(title: str, rows: Sequence[Strip], xlabel: str, caption: str) -> Chart | None:
    """Spreads below one another: a thin line over 90 %, a thick one over half, a dot at the median.

    Args:
        title: The chart's title.
        rows: From top to bottom. None where there is none.
        xlabel: What the values are.
        caption: How to read it.
    """
    if not rows:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIZE[0], 0.8 + 0.26 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            low, first, middle, third, high = row.quantiles
            colour = _PALETTE[1] if row.dropped else _PALETTE[0]
            axes.plot([low, high], [place, place], color=colour, linewidth=1.2, solid_capstyle="round")
            axes.plot(
                [first, third],
                [place, place],
                color=colour,
                linewidth=5.5,
                solid_capstyle="round",
                alpha=0.55,
            )
            axes.plot([middle], [place], "o", color=colour, markersize=5)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(xlabel)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=_STEPS))
        svg = _svg(figure, title)
    return Chart(title, svg, caption)


def bin_edges(values: Sequence[float]) -> list[float]:
    """Edges of the bins: around each value where there are few distinct ones, else evenly spread."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return [distinct[0] - 0.5, distinct[0] + 0.5]
    step = min(right - left for left, right in itertools.pairwise(distinct))
    bins = round((distinct[-1] - distinct[0]) / step) + 1
    if bins <= _BINS:
        return [distinct[0] + (index - 0.5) * step for index in range(bins + 1)]
    width = (distinct[-1] - distinct[0]) / _BINS
    return [distinct[0] + index * width for index in range(_BINS + 1)]


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    return figure, figure.add_subplot()


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2, handlelength=1.4)


def _svg(figure: Figure, title: str) -> Markup:
    """The figure as an SVG element to stand in HTML: no prolog, no metadata, ids of its own, CSS colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    prefix = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    label = Markup.escape(title)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))
