"""A figure of a training: losses and scores of every member by epoch."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxens.names import shorten
from jaxens.viz.curves import CHANCE, ENSEMBLE, INDIVIDUAL
from jaxens.viz.inputs import Array
from jaxens.viz.texts import draw_legend, drawable, style_of

COLUMNS = 4
CELL = (2.2, 1.9)  # inches
LETTERS = 28  # of a title


def learning_curves(
    epochs: Sequence[int],
    members: Mapping[str, Float[Array, "epoch member"]],
    *,
    ensemble: Mapping[str, Float[Array, "epoch"]] | None = None,
    baseline: Mapping[str, Float[Array, "epoch"]] | None = None,
    chance: Mapping[str, float] | None = None,
) -> Figure:
    """Draws a panel for each quantity, such as the loss or the accuracy of a task, by epoch.

    Args:
        epochs: Numbers of the epochs.
        members: By title of a panel: a curve for each member (thin, red).
        ensemble: By title: a curve of the ensemble (blue).
        baseline: By title: a curve of the member that is trained on all data (black, dashed).
        chance: By title: the score of a guess (gray).

    Returns:
        The figure; see `show`.
    """
    ensemble, baseline, chance = ensemble or {}, baseline or {}, chance or {}
    columns = min(COLUMNS, len(members))
    rows = -(-len(members) // columns)
    below = 0.75
    width, height = max(4.4, CELL[0] * columns), CELL[1] * rows + below
    figure = Figure((width, height), dpi=130)
    grid = {
        "left": 0.45 / width,
        "right": 1 - 0.1 / width,
        "bottom": below / height,
        "top": 1 - 0.3 / height,
        "wspace": 0.28,
        "hspace": 0.4,
    }
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid).ravel()
    named = {}  # a line of each kind
    for axes, (title, of_members) in zip(panels, members.items(), strict=False):
        for curve in np.asarray(of_members).T:
            (line,) = axes.plot(
                epochs, curve, color=INDIVIDUAL, lw=0.8, alpha=0.55, marker=".", ms=2
            )
            named["each member"] = line
        if title in baseline:
            (line,) = axes.plot(epochs, baseline[title], color="black", lw=1.2, ls="--")
            named["trained on all data"] = line
        if title in ensemble:
            (line,) = axes.plot(epochs, ensemble[title], color=ENSEMBLE, lw=1.8, marker=".", ms=4)
            named["ensemble"] = line
        if title in chance:
            named["chance"] = axes.axhline(chance[title], color=CHANCE, ls=":", lw=1)
        shown = drawable(shorten(title, LETTERS))
        axes.set_title(shown, fontsize=8, **style_of(shown))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("epoch", fontsize=7)
    for axes in panels[len(members) :]:
        axes.set_axis_off()
    draw_legend(figure, list(named.values()), list(named), len(named), "lower center")
    return figure
