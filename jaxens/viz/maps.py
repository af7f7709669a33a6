"""Figures of anybody's relevance maps: one map over an image, or a grid of them."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Num
from matplotlib.figure import Figure

from jaxens.viz.colors import Colors, Kind, full_color_at
from jaxens.viz.inputs import Array, Image, Images, to_maps, to_rgb, to_texts
from jaxens.viz.montage import Bar, Montage

Scale = Literal["own", "shared"]


def show(
    image: Image,
    map: Num[Array, "height width"],
    *,
    signed: bool,
    kind: Kind = "overlay",
    percentile: float = 99.0,
    title: str = "",
    colorbar: bool = True,
) -> Figure:
    """Draws one relevance map over its image.

    A map that is zero, constant, not finite, or without a positive value where only those are
    shown, is drawn and labeled as such.

    Args:
        image: Image [height, width, channel], gray (1 channel) or RGB (3); uint8, or floats in
            [0, 1].
        map: Relevance [height, width], in any unit.
        signed: Whether negative values mean evidence against the target. True: positive values
            are warm, negative ones cold. False: one color scale; negative values count as zero.
        kind: What is drawn.
            "overlay": the image in gray, colored the more the larger the map's magnitude.
            "heatmap": the colors alone, on white.
            "masked": the image, darkened where the map is not positive.
            "alpha": the image, faded to white where the map is not positive.
        percentile: Percentile of the map's magnitudes from which on the color is full. At 100,
            one outlier can hide the rest.
        title: Title of the figure.
        colorbar: Whether to draw a color bar, with the map's values at its ends.

    Returns:
        A figure that no window or global state of Matplotlib knows; `save` writes it to a file.

    Raises:
        ValueError: The shapes do not fit, a float image is outside [0, 1], or `kind` or
            `percentile` is invalid.
    """
    image = to_rgb(np.asarray(image)[None])
    map = to_maps(np.asarray(map)[None], image, "map")[0]
    full = full_color_at(map, percentile)
    colors = colors_of(signed)
    montage = Montage(1, 1, image_size=image.shape[1:3], title=title, inches=3.6)
    montage.map(0, 0, image[0], map, full, colors, kind)
    if colorbar:
        low = f"{-full:.3g}" if signed and full else "0"
        note = f"full color from percentile {percentile:g} of the magnitudes"
        montage.legend([Bar(colors, low, f"{full:.3g}", kind)], note)
    return montage.figure


def show_maps(
    images: Images,
    maps: Mapping[str, Num[Array, "image height width"]],
    *,
    signed: bool | Mapping[str, bool],
    kind: Kind = "overlay",
    scale: Scale = "own",
    percentile: float = 99.0,
    title: str = "",
    row_titles: Sequence[str] = (),
    masks: Bool[Array, "image height width"] | None = None,
    points: Float[Array, "image 2"] | None = None,
    mark_maps: bool = False,
) -> Figure:
    """Draws a row for each image: the image, and a panel for each of its maps.

    Args:
        images: Images [image, height, width, channel], as in `show`.
        maps: Relevance by column title, such as the name of a method.
        signed: As in `show`; for all columns, or by column title.
        kind: As in `show`.
        scale: "own": each panel has its own color scale. "shared": the panels of one image share
            a scale, so equal colors mean equal values; use it for maps in the same unit.
        percentile: As in `show`, of the magnitudes that have a scale in common.
        title: Title of the figure.
        row_titles: A text for each image, on its left.
        masks: Outlined in yellow. An empty mask is not drawn.
        points: Key points (x, y), as fractions of width and height; yellow crosses. NaN is not
            drawn.
        mark_maps: Whether to draw masks and points on the maps, too, not on the image alone.

    Returns:
        The figure; see `show`.

    Raises:
        ValueError: As `show`; or `signed` lacks a column.
    """
    images = to_rgb(images)
    layers = {name: to_maps(of_column, images, name) for name, of_column in maps.items()}
    by_column = dict.fromkeys(layers, signed) if isinstance(signed, bool) else signed
    if missing := [name for name in layers if name not in by_column]:
        raise ValueError(f"signed lacks {', '.join(missing)}: give a bool for each column of maps")
    colors = [colors_of(by_column[name]) for name in layers]
    montage = Montage(
        len(images),
        1 + len(layers),
        image_size=images.shape[1:3],
        title=title,
        row_titles=to_texts(row_titles, len(images), "row titles"),
        column_titles=["image", *layers],
    )
    for row, image in enumerate(images):
        montage.image(row, 0, image)
        of_row = np.stack([layer[row] for layer in layers.values()])
        fulls = full_colors_at(of_row, of_row, scale, percentile)
        for column, (map, full) in enumerate(zip(of_row, fulls, strict=True)):
            montage.map(row, 1 + column, image, map, full, colors[column], kind)
        for column in range(1 + len(layers) if mark_maps else 1):
            montage.truth(row, column, row, masks, points)
    add_legend(montage, list(dict.fromkeys(colors)), scale, percentile, kind)
    return montage.figure


def colors_of(signed: bool) -> Colors:
    """Returns the colors of signed or unsigned maps."""
    return "signed" if signed else "heat"


def full_colors_at(
    maps: Float[np.ndarray, "panel height width"],
    reference: Float[np.ndarray, "map height width"],
    scale: Scale,
    percentile: float,
) -> list[float]:
    """Returns for each panel the magnitude of full color; a shared scale is that of `reference`."""
    if scale == "own":
        return [full_color_at(map, percentile) for map in maps]
    if scale == "shared":
        return [full_color_at(reference, percentile)] * len(maps)
    raise ValueError(f"unknown scale {scale!r}: choose own or shared")


def add_legend(
    montage: Montage,
    colors: Sequence[Colors],
    scale: Scale,
    percentile: float,
    kind: Kind = "overlay",
) -> None:
    """Draws a color bar for each of `colors`, and says where the color is full."""
    ends = {
        "signed": ("against the target", "for it"),
        "heat": ("none", "most"),
        "spread": ("spread (standard deviation): none", "most"),
    }
    panels = "each panel" if scale == "own" else "all maps of an image"
    note = f"full color from percentile {percentile:g} of the magnitudes in {panels}"
    if scale == "shared" and "spread" in colors:
        note += "; the spread has a scale of its own"
    montage.legend([Bar(name, *ends[name], kind) for name in colors], note)
