"""Turns a square upright as its EXIF orientation says, with its mask, points and box."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxens.data.schema import DecodedExample


class _Turn(NamedTuple):
    """What an image needs: first its axes swapped, then flips."""

    swap: bool
    left_right: bool
    up_down: bool


# EXIF 2.32, tag 274 (Orientation).
_TURNS = {
    1: _Turn(False, False, False),
    2: _Turn(False, True, False),
    3: _Turn(False, True, True),
    4: _Turn(False, False, True),
    5: _Turn(True, False, False),
    6: _Turn(True, True, False),
    7: _Turn(True, True, True),
    8: _Turn(True, False, True),
}


def upright(example: DecodedExample, orientation: int) -> DecodedExample:
    """Returns the example as a viewer shows it.

    Args:
        example: Image, mask, points and box as stored.
        orientation: As returned by `decoding.orientation_of`.
    """
    if orientation == 1:
        return example
    turn = _TURNS[orientation]
    corners = _turned_points(example.box.reshape(2, 2), turn)
    return replace(
        example,
        image=_turned(example.image, turn),
        mask=None if example.mask is None else _turned(example.mask, turn),
        points=_turned_points(example.points, turn),
        box=np.concatenate([corners.min(axis=0), corners.max(axis=0)]),
    )


def _turned(
    pixels: Shaped[np.ndarray, "size size channel"], turn: _Turn
) -> Shaped[np.ndarray, "size size channel"]:
    if turn.swap:
        pixels = pixels.swapaxes(0, 1)
    if turn.left_right:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels[::-1] if turn.up_down else pixels)


def _turned_points(
    points: Float[np.ndarray, "point 2"], turn: _Turn
) -> Float[np.ndarray, "point 2"]:
    """Points x, y in fractions of the square."""
    if turn.swap:
        points = points[:, ::-1]
    return np.where([turn.left_right, turn.up_down], 1 - points, points)
