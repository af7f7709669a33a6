"""Places labels next to an image so that the lines to their tips do not cross."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import isotonic_regression, linear_sum_assignment

from jaxens.viz.inputs import Array

_BLENDS = np.linspace(0, 1, 9)


@dataclass(frozen=True)
class Layout:
    """Where labels are. The unit is that of the sizes that were given; y points down.

    Attributes:
        size: Width and height of the canvas.
        image: Left, top, right, bottom of the image on the canvas.
        labels: Left, top, right, bottom of each label.
        starts: x, y of the end of each line that is at the label.
        tips: x, y of the end of each line that is in the image.
    """

    size: tuple[float, float]
    image: tuple[float, float, float, float]
    labels: Float[np.ndarray, "label 4"]
    starts: Float[np.ndarray, "label 2"]
    tips: Float[np.ndarray, "label 2"]


def lay_out(
    tips: Float[Array, "label 2"],
    labels: Float[Array, "label 2"],
    image_size: Sequence[float],
    gap: float,
) -> Layout:
    """Places each label to the left or right of an image, joined to its tip by a straight line.

    Labels are placed in rows at the two sides, so that the total length of the lines is smallest.
    Then no two lines cross: if two did, exchanging their labels would make them shorter. After
    that, each label moves towards the height of its tip, if it fits there and no lines cross. A
    second layout avoids lines that run over the tips of others. If no lines cross in it, the layout
    with fewer such tips is returned. The same input gives the same layout.

    The shortest lines are the matching of Bekos et al. 2007 (Boundary labeling).

    Args:
        tips: x, y in fractions of the image's width and height, in [0, 1].
        labels: Width and height of each label.
        image_size: Width and height of the image.
        gap: The least distance between labels, and between a label and the image.

    Returns:
        The layout. The canvas is as wide as the labels need, and higher than the image if the
        labels are.

    Raises:
        ValueError: If there is not one label for each tip, or a tip is outside of the image.
    """
    fractions, sizes = np.asarray(tips, float), np.asarray(labels, float)
    if fractions.shape != sizes.shape or fractions.shape[1:] != (2,):
        raise ValueError(
            f"tips of shape {fractions.shape} and labels of shape {sizes.shape}: give x, y of "
            "each tip, and width and height of each label"
        )
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ValueError("a tip is outside of the image: give fractions in [0, 1], leave out NaN")
    image_width, image_height = image_size
    ends = fractions * image_size
    pitch = sizes[:, 1].max(initial=0) + gap
    height = max(image_height, pitch * -(-len(ends) // 2))
    ends[:, 1] += (height - image_height) / 2
    x = np.array([-gap, image_width + gap])  # of the starts on the left, and on the right
    side, starts = _best_starts(ends, x, sizes, height, gap)
    # A side without labels has no margin.
    widest = [sizes[side == k, 0].max(initial=-gap) for k in (0, 1)]
    left = widest[0] + gap
    starts[:, 0] += left
    ends[:, 0] += left
    outer = np.where(side == 0, starts[:, 0] - sizes[:, 0], starts[:, 0] + sizes[:, 0])
    boxes = np.stack(
        [
            np.minimum(starts[:, 0], outer),
            starts[:, 1] - sizes[:, 1] / 2,
            np.maximum(starts[:, 0], outer),
            starts[:, 1] + sizes[:, 1] / 2,
        ],
        axis=1,
    )
    top = (height - image_height) / 2
    return Layout(
        size=(left + image_width + widest[1] + gap, height),
        image=(left, top, left + image_width, top + image_height),
        labels=boxes,
        starts=starts,
        tips=ends,
    )


def _best_starts(
    ends: Float[np.ndarray, "label 2"],
    x: Float[np.ndarray, "2"],
    sizes: Float[np.ndarray, "label 2"],
    height: float,
    gap: float,
) -> tuple[Int[np.ndarray, "label"], Float[np.ndarray, "label 2"]]:
    """Returns the side of each label (0: left, 1: right), and the start of its line."""
    pitch = sizes[:, 1].max(initial=0) + gap
    rows = max(1, int(height / pitch + 1e-9)) if pitch else 1
    heights = (np.arange(rows) + 0.5) * height / rows
    places = np.stack([np.repeat(x, rows), np.tile(heights, 2)], axis=1)
    lengths = np.linalg.norm(ends[:, None] - places, axis=-1)
    passed = _passes(places, ends, gap).sum(axis=-1)
    layouts = []
    for penalty in (height, 0):  # only lines that are shortest are sure not to cross
        chosen = linear_sum_assignment(lengths + penalty * passed)[1]
        side = chosen // rows
        for y in _heights(ends[:, 1], places[chosen, 1], side, sizes[:, 1], height, gap):
            starts = np.stack([x[side], y], axis=1)
            if not crossings(starts, ends).any():
                own = np.arange(len(ends))
                layouts.append((_passes(starts, ends, gap)[own, own].sum(), side, starts))
    return min(layouts, key=lambda layout: layout[0])[1:]


def _heights(
    wanted: Float[np.ndarray, "label"],
    rows: Float[np.ndarray, "label"],
    side: Int[np.ndarray, "label"],
    heights: Float[np.ndarray, "label"],
    height: float,
    gap: float,
) -> Iterator[Float[np.ndarray, "label"]]:
    """Yields middles of labels: the nearest to the wanted ones, then ever nearer to the rows."""
    y = rows.copy()
    for k in (0, 1):
        order = np.flatnonzero(side == k)
        order = order[np.argsort(rows[order])]
        y[order] = _stack(wanted[order], heights[order], height, gap)
    for blend in _BLENDS:
        yield (1 - blend) * y + blend * rows


def _passes(
    starts: Float[np.ndarray, "start 2"], ends: Float[np.ndarray, "label 2"], gap: float
) -> Bool[np.ndarray, "label start tip"]:
    """Returns which tips a line from each start to the tip of each label passes within the gap.

    Tips that are close to each other do not count: no line to one keeps away from the other.
    """
    along = ends[:, None] - starts  # [label, start, 2]
    to = ends - starts[:, None]  # [start, tip, 2]
    squares = np.maximum((along**2).sum(axis=-1), 1e-12)[..., None]
    share = np.clip(np.einsum("lsx,stx->lst", along, to) / squares, 0, 1)
    distance = np.linalg.norm(to - share[..., None] * along[:, :, None], axis=-1)
    apart = np.linalg.norm(ends[:, None] - ends, axis=-1) > 2 * gap
    return (distance < gap) & apart[:, None]


def _stack(
    wanted: Float[np.ndarray, "label"],
    heights: Float[np.ndarray, "label"],
    height: float,
    gap: float,
) -> Float[np.ndarray, "label"]:
    """Returns the middles of labels one below the other, nearest to the wanted ones.

    Nearest in least squares. In coordinates from which the labels' own room is subtracted, the
    middles only have to increase, which is an isotonic regression with bounds.
    """
    if not len(wanted):
        return wanted
    room = np.concatenate([[0], np.cumsum((heights[:-1] + heights[1:]) / 2 + gap)])
    highest, lowest = heights[0] / 2, height - heights[-1] / 2 - room[-1]
    increasing = isotonic_regression(wanted - room).x
    return np.clip(increasing, highest, max(highest, lowest)) + room


def crossings(
    starts: Float[np.ndarray, "line 2"], ends: Float[np.ndarray, "line 2"]
) -> Bool[np.ndarray, "line line"]:
    """Returns which of some straight lines cross. Lines that only touch do not."""

    def side_of(points: np.ndarray) -> np.ndarray:
        """On which side of each line (rows) points lie (columns)."""
        along, to = ends - starts, points[None] - starts[:, None]
        return along[:, None, 0] * to[..., 1] - along[:, None, 1] * to[..., 0]

    scale = 1e-9 * max(1.0, float(np.abs(np.concatenate([starts, ends])).max(initial=0))) ** 2
    first, second = side_of(starts), side_of(ends)
    apart = (np.minimum(first, second) < -scale) & (np.maximum(first, second) > scale)
    return apart & apart.T
