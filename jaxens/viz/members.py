"""Figures of an ensemble's maps: all members, their centers of mass, one member and the mean.

Pazzani et al. 2022, Figures 2, 4 and 6.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Num
from matplotlib.figure import Figure

from jaxens.viz.colors import Colors, full_color_at
from jaxens.viz.inputs import Array, Images, to_maps, to_rgb, to_texts
from jaxens.viz.maps import Scale, add_legend, colors_of, full_colors_at
from jaxens.viz.montage import Montage

CENTERS_PER_ROW = 4
PAIRS_PER_ROW = 3


def show_members(
    images: Images,
    maps: Num[Array, "member image height width"],
    *,
    signed: bool | Sequence[bool],
    scale: Scale = "own",
    percentile: float = 99.0,
    title: str = "",
    captions: Sequence[str] = (),
    masks: Bool[Array, "image height width"] | None = None,
    points: Float[Array, "image 2"] | None = None,
) -> Figure:
    """Draws a row for each image: the image, each member's map, their mean and their spread.

    The spread is the standard deviation over members. A map that is not finite is left out of
    both, and the row says of how many members the mean is. Of one member there is neither.

    Args:
        images: Images [image, height, width, channel], gray or RGB; uint8, or floats in [0, 1].
        maps: Relevance of each member.
        signed: Whether negative values mean evidence against the target, see `show`; for all
            images, or one for each.
        scale: "own": each panel has its own color scale. "shared": the panels of one image share
            the scale of its members' maps, so a mean over members that disagree is fainter. The
            spread has its own.
        percentile: Percentile of the magnitudes from which on the color is full.
        title: Title of the figure.
        captions: A text for each image, on its left.
        masks: Outlined in yellow on the image. An empty mask is not drawn.
        points: Key points (x, y), as fractions of width and height; yellow crosses on the image.
            NaN is not drawn.

    Returns:
        The figure; see `show`.

    Raises:
        ValueError: As `show`.
    """
    images = to_rgb(images)
    maps = to_maps(maps, images)
    several = len(maps) > 1
    texts = to_texts(captions, len(images), "captions")
    if several:
        for i, text in enumerate(_mean_titles(maps)):
            texts[i] += "" if np.isfinite(maps[:, i]).all() else f"\n{text}"
    names = [f"member {m}" for m in range(len(maps))] if several else ["map"]
    mean, spread = mean_and_spread(maps)
    layers = [*maps, mean] if several else [*maps]
    montage = Montage(
        len(images),
        1 + len(layers) + several,
        image_size=images.shape[1:3],
        title=title,
        row_titles=texts,
        column_titles=["image", *names, *["mean", "spread"] * several],
    )
    by_row = [signed] * len(images) if isinstance(signed, bool) else signed
    if len(by_row) != len(images):
        raise ValueError(f"{len(by_row)} signs for {len(images)} images: give one, or one for each")
    colors = [colors_of(each) for each in by_row]
    for row, (image, of_colors) in enumerate(zip(images, colors, strict=True)):
        montage.image(row, 0, image)
        montage.truth(row, 0, row, masks, points)
        of_row = np.stack([layer[row] for layer in layers])
        fulls = full_colors_at(of_row, maps[:, row], scale, percentile)
        for column, (map, full) in enumerate(zip(of_row, fulls, strict=True), start=1):
            montage.map(row, column, image, map, full, of_colors)
        if several:
            full = full_color_at(spread[row], percentile)
            montage.map(row, 1 + len(layers), image, spread[row], full, "spread")
    bars: list[Colors] = [*dict.fromkeys(colors)]
    if several:
        bars.append("spread")
    add_legend(montage, bars, scale, percentile)
    return montage.figure


def show_centers(
    images: Images,
    centers: Float[Array, "member image 2"],
    mean_centers: Float[Array, "image 2"],
    *,
    title: str = "",
    captions: Sequence[str] = (),
    masks: Bool[Array, "image height width"] | None = None,
    points: Float[Array, "image 2"] | None = None,
) -> Figure:
    """Draws each image with dots at centers of mass: black for members, red for the mean map.

    Where three members or more have a center, an ellipse shows two standard deviations of them.

    Args:
        images: Images [image, height, width, channel], gray or RGB; uint8, or floats in [0, 1].
        centers: Center (x, y) of each member's map as fractions of width and height, such as from
            `jaxens.metrics.center_of_mass`. NaN (a map without a center) has no dot, and the
            caption says how many members have one.
        mean_centers: Center of each image's mean map.
        title: Title of the figure.
        captions: A text for each image, above it.
        masks: As in `show_members`.
        points: As in `show_members`.

    Returns:
        The figure; see `show`.

    Raises:
        ValueError: As `show`.
    """
    images = to_rgb(images)
    centers, mean_centers = np.asarray(centers, np.float64), np.asarray(mean_centers, np.float64)
    has_center = ~np.isnan(centers[..., 0])
    texts = to_texts(captions, len(images), "captions")
    for i, count in enumerate(has_center.sum(axis=0)):
        if 0 < count < len(centers):
            texts[i] += f"\n{count} of {len(centers)} members have a center"
    montage = Montage(
        -(-len(images) // CENTERS_PER_ROW),
        min(len(images), CENTERS_PER_ROW),
        image_size=images.shape[1:3],
        title=title,
        captions=texts,
        inches=2.3,
        below=0.15,
    )
    for i, image in enumerate(images):
        cell = divmod(i, CENTERS_PER_ROW)
        montage.image(*cell, image)
        montage.truth(*cell, i, masks, points)
        montage.caption(*cell, texts[i])
        known = centers[has_center[:, i], i]
        if len(known) > 2:
            montage.ellipse(*cell, known)
        for center in known:
            montage.dot(*cell, center, "black", 3.5)
        if np.isfinite(mean_centers[i]).all():
            montage.dot(*cell, mean_centers[i], "red", 5)
        elif not len(known):
            montage.remark(*cell, "no map has a center")
    return montage.figure


def show_comparison(
    images: Images,
    maps: Num[Array, "member image height width"],
    *,
    signed: bool,
    scale: Scale = "own",
    percentile: float = 99.0,
    title: str = "",
    captions: Sequence[str] = (),
) -> Figure:
    """Draws each image twice: with the first member's map, and with the mean of all members'.

    Args:
        images: Images [image, height, width, channel], gray or RGB; uint8, or floats in [0, 1].
        maps: Relevance of each member. Maps that are not finite are left out of the mean.
        signed: Whether negative values mean evidence against the target; see `show`.
        scale: As in `show_members`.
        percentile: As in `show_members`.
        title: Title of the figure.
        captions: A text for each image, above it.

    Returns:
        The figure; see `show`.

    Raises:
        ValueError: As `show`.
    """
    images = to_rgb(images)
    maps = to_maps(maps, images)
    mean, _ = mean_and_spread(maps)
    texts = to_texts(captions, len(images), "captions")
    texts = [f"{text}\nmember 0 alone".strip() for text in texts]
    montage = Montage(
        -(-len(images) // PAIRS_PER_ROW),
        2 * min(len(images), PAIRS_PER_ROW),
        image_size=images.shape[1:3],
        title=title,
        captions=texts,
        inches=1.6,
    )
    colors = colors_of(signed)
    for i, (image, mean_title) in enumerate(zip(images, _mean_titles(maps), strict=True)):
        row, pair = divmod(i, PAIRS_PER_ROW)
        panels = np.stack([maps[0, i], mean[i]])
        fulls = full_colors_at(panels, maps[:, i], scale, percentile)
        for k, text in enumerate((texts[i], mean_title)):
            montage.map(row, 2 * pair + k, image, panels[k], fulls[k], colors)
            montage.caption(row, 2 * pair + k, text)
    add_legend(montage, [colors], scale, percentile)
    return montage.figure


def mean_and_spread(
    maps: Float[np.ndarray, "member image height width"],
) -> tuple[Float[np.ndarray, "image height width"], Float[np.ndarray, "image height width"]]:
    """Returns mean and standard deviation over the members whose map is finite; NaN without any.

    The mean is `jaxens.metrics.mean_of_finite`, for arrays on the host.
    """
    finite = np.isfinite(maps).all(axis=(-2, -1))[..., None, None]
    count = np.where(finite.any(axis=0), finite.sum(axis=0), np.nan)
    values = np.where(finite, maps, 0)
    mean = values.sum(axis=0) / count
    variance = np.where(finite, (values - mean) ** 2, 0).sum(axis=0) / count
    return mean, np.sqrt(variance)


def _mean_titles(maps: np.ndarray) -> list[str]:
    members = len(maps)
    counts = np.isfinite(maps).all(axis=(-2, -1)).sum(axis=0)
    return [f"mean of {n} of {members}" if n < members else f"mean of {members}" for n in counts]
