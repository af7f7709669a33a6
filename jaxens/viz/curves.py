"""Curves of an evaluation: scores against the ensemble's size, and against the threshold."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxens.attribution import METHODS
from jaxens.metrics import METRICS, THRESHOLDS

ENSEMBLE, INDIVIDUAL = "tab:blue", "tab:red"  # as in the paper's Figure 5
LETTERS = 14  # of a title, an inch


def draw_sizes(sizes: Mapping[tuple[str, str], Any], question: str) -> Figure:
    """A row for each metric, a column for each method; `sizes` by (method, metric).

    Blue is the mean map's score and its 95 % band, red the average of the individuals.
    """
    methods = list(dict.fromkeys(method for method, _ in sizes))
    shown = list(dict.fromkeys(metric for _, metric in sizes))
    title = (
        f"{question}: score of the mean map against the members in it (band: 95 %, over pictures "
        "and orders of members)"
    )
    figure, panels = _grid(title, shown, methods)
    for r, metric in enumerate(shown):
        for c, method in enumerate(methods):
            axes, drawn = panels[r][c], sizes[method, metric]
            members = np.arange(1, len(drawn.curve.mean) + 1)
            axes.plot(members, drawn.curve.mean, ".-", color=ENSEMBLE, label="mean map")
            axes.fill_between(
                members, drawn.curve.low, drawn.curve.high, color=ENSEMBLE, alpha=0.2, lw=0
            )
            axes.axhline(drawn.individual, color=INDIVIDUAL, label="average individual")
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        better = "higher" if METRICS[metric].higher_is_better else "lower"
        panels[r][0].set_ylabel(f"{METRICS[metric].title}\n({better} is better)", fontsize=8)
    return _finish(figure, panels, "members")


def draw_thresholds(thresholds: Mapping[tuple[str, str], Any], question: str) -> Figure:
    """IoU, precision and recall against the threshold; `thresholds` by (method, name)."""
    methods = list(dict.fromkeys(method for method, _ in thresholds))
    shown = list(dict.fromkeys(name for _, name in thresholds))
    title = f"{question}: region of the map against the threshold of its normalised range"
    figure, panels = _grid(title, shown, methods)
    for r, name in enumerate(shown):
        for c, method in enumerate(methods):
            axes, drawn = panels[r][c], thresholds[method, name]
            axes.plot(THRESHOLDS, drawn.ensemble, color=ENSEMBLE, label="mean map")
            axes.plot(THRESHOLDS, drawn.individual, color=INDIVIDUAL, label="average individual")
            axes.set_ylim(bottom=0)
        label = METRICS[name].title if name in METRICS else name
        panels[r][0].set_ylabel(f"{label}\n(higher is better)", fontsize=8)
    return _finish(figure, panels, "threshold")


def _grid(title: str, rows: Sequence[str], methods: Sequence[str]) -> tuple[Figure, Any]:
    """Panels at places of our own: Matplotlib takes seconds to find some."""
    below, left, cell = 0.75, 0.85, (1.6, 1.45)  # inches
    width = left + cell[0] * len(methods)
    lines = textwrap.wrap(title, int(LETTERS * width))
    above = 0.6 + 0.15 * len(lines)
    height = above + below + cell[1] * len(rows)
    figure = Figure((width, height), dpi=130)
    figure.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left", y=1 - 0.12 / height)
    panels = figure.subplots(
        len(rows),
        len(methods),
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - 0.1 / width,
            "bottom": below / height,
            "top": 1 - above / height,
            "wspace": 0.4,
            "hspace": 0.35,
        },
    )
    for c, method in enumerate(methods):
        panels[0][c].set_title(METHODS[method].title, fontsize=8)
    return figure, panels


def _finish(figure: Figure, panels: Any, below: str) -> Figure:
    """Labels the axes and adds the legend."""
    for axes in panels.flat:
        _plain(axes)
    for axes in panels[-1]:
        axes.set_xlabel(below, fontsize=8)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", fontsize=7, frameon=False, ncols=2)
    return figure


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=6)
    axes.spines[["top", "right"]].set_visible(False)
