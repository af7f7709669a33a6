"""Figures of scores against the size of the ensemble, and against the threshold of a map."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from jaxens.names import shorten
from jaxens.viz.inputs import Array
from jaxens.viz.texts import draw_legend, drawable, style_of

ENSEMBLE, INDIVIDUAL = "tab:blue", "tab:red"  # as in Pazzani et al. 2022, Figure 5
CHANCE, CHANCE_STYLES = "0.45", ("--", ":", "-.")
LETTERS_PER_INCH = 14  # of a title
LETTERS = 20  # of the name of a chance-level map
TICKS = 4  # at most, of numbers of members


def size_curves(
    mean: Float[Array, "metric method size"],
    low: Float[Array, "metric method size"],
    high: Float[Array, "metric method size"],
    individual: Float[Array, "metric method"],
    *,
    metrics: Sequence[str],
    methods: Sequence[str],
    chance: Mapping[str, Float[Array, "metric"]] | None = None,
    title: str = "",
) -> Figure:
    """Draws scores of the mean map against the number of members: a panel per metric and method.

    Pazzani et al. 2022, Figure 5.

    Args:
        mean: Score of the mean map (blue), for 1, 2, ... members.
        low: Lower end of its confidence band.
        high: Upper end of its confidence band.
        individual: Average score of the individual members (red).
        metrics: A label for each row.
        methods: A title for each column.
        chance: Scores of maps without information (gray), by name.
        title: Title of the figure.

    Returns:
        The figure; see `show`.
    """
    figure, panels = _panels(title, metrics, methods, "members", 2 + len(chance or {}))
    mean, low, high = (np.asarray(scores) for scores in (mean, low, high))
    members = np.arange(1, mean.shape[-1] + 1)
    ticks = np.unique(np.linspace(1, len(members), min(TICKS, len(members))).round().astype(int))
    for cell, axes in np.ndenumerate(panels):
        axes.plot(members, mean[cell], ".-", color=ENSEMBLE, label="mean map")
        axes.fill_between(members, low[cell], high[cell], color=ENSEMBLE, alpha=0.2, lw=0)
        axes.axhline(float(individual[cell]), color=INDIVIDUAL, label="average member")
        for (name, scores), style in zip((chance or {}).items(), cycle(CHANCE_STYLES)):
            axes.axhline(float(scores[cell[0]]), color=CHANCE, ls=style, lw=1, label=_chance(name))
        axes.set_xticks(ticks)
    return _with_legend(figure, panels)


def threshold_curves(
    thresholds: Float[Array, "threshold"],
    ensemble: Float[Array, "metric method threshold"],
    individual: Float[Array, "metric method threshold"],
    *,
    metrics: Sequence[str],
    methods: Sequence[str],
    low: Float[Array, "metric method threshold"] | None = None,
    high: Float[Array, "metric method threshold"] | None = None,
    chance: Mapping[str, Float[Array, "metric threshold"]] | None = None,
    chosen: float | None = None,
    title: str = "",
) -> Figure:
    """Draws scores of a map's region against its threshold: a panel per metric and method.

    Args:
        thresholds: Thresholds, as fractions of a map's normalized range.
        ensemble: Score of the mean map (blue).
        individual: Average score of the individual members (red).
        metrics: A label for each row.
        methods: A title for each column.
        low: Lower end of the confidence band of `ensemble`.
        high: Upper end of the confidence band of `ensemble`.
        chance: Scores of maps without information (gray), by name.
        chosen: Threshold that a vertical line marks.
        title: Title of the figure.

    Returns:
        The figure; see `show`.
    """
    figure, panels = _panels(title, metrics, methods, "threshold", 2 + len(chance or {}))
    for cell, axes in np.ndenumerate(panels):
        axes.plot(thresholds, ensemble[cell], color=ENSEMBLE, label="mean map")
        if low is not None and high is not None:
            axes.fill_between(thresholds, low[cell], high[cell], color=ENSEMBLE, alpha=0.2, lw=0)
        axes.plot(thresholds, individual[cell], color=INDIVIDUAL, label="average member")
        for (name, scores), style in zip((chance or {}).items(), cycle(CHANCE_STYLES)):
            axes.plot(
                thresholds, scores[cell[0]], color=CHANCE, ls=style, lw=1, label=_chance(name)
            )
        if chosen is not None:
            axes.axvline(chosen, color="0.7", lw=0.8, zorder=0)
        axes.set_ylim(bottom=0)
    return _with_legend(figure, panels)


def _chance(name: str) -> str:
    return f"chance: {shorten(name, LETTERS)}"


def _panels(
    title: str, metrics: Sequence[str], methods: Sequence[str], x_label: str, curves: int
) -> tuple[Figure, Any]:
    """Returns a figure with empty labeled panels [metric, method], and room for a legend."""
    # Fixed positions: Matplotlib's automatic layout takes seconds.
    left, cell = 0.85, (1.6, 1.45)  # inches
    width = left + cell[0] * len(methods)
    below = 0.47 + 0.15 * -(-curves // _legend_columns(width))
    lines = textwrap.wrap(drawable(title), int(LETTERS_PER_INCH * width))
    above = 0.6 + 0.15 * len(lines)
    height = above + below + cell[1] * len(metrics)
    figure = Figure((width, height), dpi=130)
    figure.suptitle(
        "\n".join(lines), fontsize=9, x=0.01, ha="left", y=1 - 0.12 / height, **style_of(title)
    )
    panels = figure.subplots(
        len(metrics),
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
    for axes in panels.flat:
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    for axes, method in zip(panels[0], methods, strict=True):
        shown = drawable(method)
        axes.set_title(shown, fontsize=8, **style_of(shown))
    for axes, metric in zip(panels[:, 0], metrics, strict=True):
        shown = drawable(metric)
        axes.set_ylabel(shown, fontsize=8, **style_of(shown))
    for axes in panels[-1]:
        axes.set_xlabel(x_label, fontsize=8)
    return figure, panels


def _legend_columns(width: float) -> int:
    return max(1, min(4, int(width / 1.7)))


def _with_legend(figure: Figure, panels: Any) -> Figure:
    handles, labels = panels[0, 0].get_legend_handles_labels()
    columns = _legend_columns(figure.get_figwidth())
    draw_legend(figure, handles, labels, columns, "lower right")
    return figure
