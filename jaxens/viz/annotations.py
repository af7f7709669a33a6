"""A figure of images and what people annotated on them."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxens.names import shorten
from jaxens.viz.inputs import Array, Images, to_rgb, to_texts
from jaxens.viz.montage import MIN_WIDTH, Montage
from jaxens.viz.texts import draw_legend

PAIRS_PER_ROW = 5
INCHES = 1.4  # of an image
LETTERS = 20  # of a part's name in the legend


def annotated_images(
    images: Images,
    *,
    masks: Mapping[str, Bool[Array, "image height width"]] | None = None,
    points: Mapping[str, Float[Array, "image 2"]] | None = None,
    boxes: Float[Array, "image 4"] | None = None,
    captions: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Draws each image twice: plain, and with its annotations.

    Args:
        images: Images [image, height, width, channel], gray or RGB; uint8, or floats in [0, 1].
        masks: Masks by part name, outlined in the color of the part. An empty one is not drawn.
        points: Key points (x, y) by part name, as fractions of width and height; crosses in the
            color of the part. NaN is not drawn.
        boxes: Boxes (left, top, right, bottom) as fractions of width and height; white. NaN is not
            drawn.
        captions: A text for each image, above it.
        title: Title of the figure.

    Returns:
        The figure; see `show`.

    Raises:
        ValueError: The images are not gray or RGB, floats are outside [0, 1], or captions do not
            match the images.
    """
    images, masks, points = to_rgb(images), masks or {}, points or {}
    texts = to_texts(captions, len(images), "captions")
    parts = list(dict.fromkeys([*masks, *points]))
    colors = dict(zip(parts, colormaps["tab20"](np.linspace(0, 1, len(parts))), strict=True))
    columns = 2 * min(len(images), PAIRS_PER_ROW)
    names = [shorten(part, LETTERS) for part in parts]
    per_row = _legend_columns(names, max(MIN_WIDTH, columns * INCHES))
    montage = Montage(
        -(-len(images) // PAIRS_PER_ROW),
        columns,
        image_size=images.shape[1:3],
        title=title,
        captions=texts,
        inches=INCHES,
        below=0.26 + 0.16 * -(-len(parts) // per_row),
    )
    for i, image in enumerate(images):
        row, pair = divmod(i, PAIRS_PER_ROW)
        plain, marked = (row, 2 * pair), (row, 2 * pair + 1)
        montage.image(*plain, image)
        montage.image(*marked, image)
        montage.caption(*plain, texts[i], size=5)
        for part, of_part in masks.items():
            montage.outline(*marked, np.asarray(of_part[i], bool), colors[part])
        for part, of_part in points.items():
            montage.cross(*marked, np.asarray(of_part[i]), colors[part])
        if boxes is not None:
            montage.box(*marked, np.asarray(boxes[i]))
    handles = [Line2D([], [], color=colors[part]) for part in parts]
    draw_legend(montage.figure, handles, names, per_row, "lower center")
    return montage.figure


def _legend_columns(names: Sequence[str], width: float) -> int:
    """Returns how many names of parts fit side by side."""
    inches = 0.5 + 0.065 * max(map(len, names), default=0)
    return max(1, min(8, int(width / inches)))
