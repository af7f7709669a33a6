"""Draws annotations in the five styles of the paper's Figure 9."""

import textwrap
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image as Pillow

from jaxens.annotation.sightings import Annotation
from jaxens.attribution import METHODS
from jaxens.names import shorten
from jaxens.viz.arrows import (
    INCHES,
    Arrow,
    draw_arrow,
    draw_image,
    groups_of_tips,
    labeled_arrows_panel,
)
from jaxens.viz.colors import Colors, color_map, full_color_at
from jaxens.viz.panels import Panel, fitted, panels_figure, text_sizes
from jaxens.viz.texts import drawable, style_of

LETTERS = 34  # in a line of words
ARROW = 34.0  # length of an arrow without a label, points
PERCENTILE = 99.0  # of a heatmap's magnitudes, from which on the color is full
_FONT = 9.0


def draw(
    annotations: Sequence[Annotation],
    styles: Sequence[str] = ("labeled_arrows",),
    *,
    columns: int | None = None,
    title: str = "",
) -> Figure:
    """Draws annotated images.

    Pazzani et al. 2022, Figure 9.

    Args:
        annotations: From `annotate`.
        styles: What is drawn of each image, side by side: "boxes" around the regions, "arrows"
            without labels, the "heatmap" of the prediction, "labeled_arrows", or "words".
        columns: Panels side by side (default: one for each style, or two of a single style).
        title: Title of the figure.
    """
    panels = [STYLES[style](each) for each in annotations for style in styles]
    first = [caption(each) for each in annotations]
    others = [style.replace("_", " ") for style in styles[1:]]
    titles = [title for text in first for title in (text, *others)]
    return panels_figure(
        panels,
        columns=columns or max(len(styles), min(2, len(panels))),
        titles=titles,
        title=title,
    )


def caption(annotation: Annotation) -> str:
    """Returns the prediction and its probability; the image's name if there is no prediction."""
    if not annotation.prediction:
        return shorten(annotation.name)
    return f"{shorten(annotation.prediction)} ({annotation.probability:.0%})"


def boxes(annotation: Annotation) -> Panel:
    """Returns a panel with a box around the most relevant region of each sighting."""
    width, height = fitted(annotation.image, INCHES)

    def draw(axes: Axes) -> None:
        draw_image(axes, annotation.image, (0, 0, width, height))
        for sighting in annotation.sightings:
            if np.isfinite(sighting.box).all():
                left, top, right, bottom = sighting.box * (width, height, width, height)
                axes.add_patch(
                    Rectangle(
                        (left, top),
                        right - left,
                        bottom - top,
                        fill=False,
                        edgecolor="#ffd400",
                        linewidth=1.5,
                        linestyle="--" if sighting.uncertain else "-",
                        path_effects=[withStroke(linewidth=3, foreground="black")],
                    )
                )

    return Panel((width, height), draw)


def arrows(annotation: Annotation) -> Panel:
    """Returns a panel with an arrow to each sighting, without labels.

    An arrow comes from the side of the image that is nearer to its tip. Sightings at one spot share
    an arrow, which is dashed if all of them are uncertain.
    """
    width, height = fitted(annotation.image, INCHES)

    def draw(axes: Axes) -> None:
        draw_image(axes, annotation.image, (0, 0, width, height))
        located = [each for each in annotation.sightings if np.isfinite(each.tip).all()]
        tips = np.array([each.tip for each in located]).reshape(-1, 2) * (width, height)
        uncertain = np.array([each.uncertain for each in located])
        group = groups_of_tips(tips)
        for g in np.unique(group):
            tip = tips[group == g].mean(axis=0)
            away = np.array([-1.0 if tip[0] < width / 2 else 1.0, -0.4])
            start = tip + ARROW * away / np.linalg.norm(away)
            draw_arrow(axes, start, tip, dashed=bool(uncertain[group == g].all()))

    return Panel((width, height), draw)


def heatmap(annotation: Annotation) -> Panel:
    """Returns a panel with the mean map of the prediction over the image."""
    colors: Colors = "signed" if METHODS[annotation.method].signed else "heat"
    full = full_color_at(annotation.heatmap, PERCENTILE)
    width, height = fitted(annotation.image, INCHES)
    size = annotation.image.shape[1::-1]  # it may be larger than what the ensemble has seen
    resized = Pillow.fromarray(annotation.heatmap).resize(size, Pillow.Resampling.BILINEAR)
    colored = color_map(annotation.image, np.asarray(resized), full, colors, "overlay")
    return Panel((width, height), lambda axes: draw_image(axes, colored, (0, 0, width, height)))


def labeled_arrows(annotation: Annotation) -> Panel:
    """Returns a panel with an arrow and a label for each sighting."""
    return labeled_arrows_panel(
        annotation.image,
        [
            Arrow(
                (float(sighting.tip[0]), float(sighting.tip[1])),
                sighting.label,
                uncertain=sighting.uncertain,
                spread=sighting.member_tips if sighting.uncertain else None,
            )
            for sighting in annotation.sightings
            if np.isfinite(sighting.tip).all()
        ],
    )


def words(annotation: Annotation) -> Panel:
    """Returns a panel with the image, and its sightings in words below it."""
    width, height = fitted(annotation.image, INCHES)
    text = "\n".join(textwrap.wrap(drawable(annotation.sentence), LETTERS))
    text_height = float(text_sizes([text], _FONT)[0, 1])

    def draw(axes: Axes) -> None:
        draw_image(axes, annotation.image, (0, 0, width, height))
        axes.text(0, height + 6, text, va="top", fontsize=_FONT, **style_of(text))

    return Panel((width, height + 8 + text_height), draw)


STYLES: dict[str, Callable[[Annotation], Panel]] = {
    "boxes": boxes,
    "arrows": arrows,
    "heatmap": heatmap,
    "labeled_arrows": labeled_arrows,
    "words": words,
}
