"""Curves of an evaluation: scores against the ensemble's size, and against the threshold."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxens.attribution import METHODS
from jaxens.metrics import METRICS, THRESHOLDS

ENSEMBLE, INDIVIDUAL = "tab:blue", "tab:red"  # as in the paper's Figure 5


def draw_sizes(sizes: Mapping[tuple[str, str], Any], question: str, path: Path) -> Path:
    """A row for each metric, a column for each method; `sizes` by (method, metric).

    Blue is the mean map's score and its 95 % band, red the average of the individuals.
    """
    methods = list(dict.fromkeys(method for method, _ in sizes))
    shown = list(dict.fromkeys(metric for _, metric in sizes))
    figure, panels = _grid(shown, methods)
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
    return _finish(
        figure,
        panels,
        f"{question}: score of the mean map against the members in it (band: 95 %, over pictures "
        "and orders of members)",
        "members",
        path,
    )


def draw_thresholds(found: Mapping[str, Any], question: str, path: Path) -> Path | None:
    """IoU against the threshold, a panel for each method; `found` are `Answers`.

    None, and no file, where no picture has a mask.
    """
    drawn = {method: each for method, each in found.items() if each.iou_ensemble is not None}
    if not drawn:
        return None
    figure, panels = _grid(["IoU"], list(drawn))
    for axes, each in zip(panels[0], drawn.values(), strict=True):
        for scores, colour, label in (
            (each.iou_ensemble, ENSEMBLE, "mean map"),
            (each.iou_individual, INDIVIDUAL, "average individual"),
        ):
            scored = scores[np.isfinite(scores).all(axis=1)]
            axes.plot(
                THRESHOLDS, scored.sum(axis=0) / max(1, len(scored)), color=colour, label=label
            )
        axes.set_ylim(bottom=0)
    panels[0][0].set_ylabel("IoU\n(higher is better)", fontsize=8)
    title = f"{question}: IoU against the threshold of the normalised map"
    return _finish(figure, panels, title, "threshold", path)


def _grid(rows: Sequence[str], methods: Sequence[str]) -> tuple[Figure, Any]:
    figure = Figure((1.0 + 1.55 * len(methods), 0.9 + 1.45 * len(rows)), dpi=130)
    panels = figure.subplots(len(rows), len(methods), squeeze=False)
    for c, method in enumerate(methods):
        panels[0][c].set_title(METHODS[method].title, fontsize=8)
    return figure, panels


def _finish(figure: Figure, panels: Any, title: str, below: str, path: Path) -> Path:
    """Writes a PNG beside and renames it."""
    for axes in panels.flat:
        _plain(axes)
    for axes in panels[-1]:
        axes.set_xlabel(below, fontsize=8)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", fontsize=7, frameon=False, ncols=2)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left", wrap=True)
    figure.tight_layout(rect=(0, 0.06, 1, 0.97))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    figure.savefig(beside, format="png")
    return beside.replace(path)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=6)
    axes.spines[["top", "right"]].set_visible(False)
