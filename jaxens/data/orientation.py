"""Turns images upright as their EXIF orientation says, with their masks, points and boxes."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped, UInt8

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
    return replace(
        example,
        image=_turned(example.image, turn),
        mask=None if example.mask is None else _turned(example.mask, turn),
        points=_turned_points(example.points, turn),
        box=_box(_turned_points(example.box.reshape(2, 2), turn)),
    )


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns the width and height that a viewer shows."""
    return size[::-1] if _TURNS[orientation].swap else size


def as_stored(
    points: Float[np.ndarray, "point 2"],
    box: Float[np.ndarray, "4"],
    bits: UInt8[np.ndarray, "height width byte"],
    orientation: int,
) -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, "4"], UInt8[np.ndarray, "..."]]:
    """Turns the annotations of an upright photo to its stored pixels: the inverse of `upright`.

    Args:
        points: x, y in fractions.
        box: Left, top, right, bottom in fractions.
        bits: Packed masks.
        orientation: As returned by `decoding.orientation_of`.
    """
    turn = _TURNS[orientation]
    flips = turn._replace(swap=False)
    corners = _turned_points(box.reshape(2, 2), flips)
    points, bits = _turned_points(points, flips), _turned(bits, flips)
    if turn.swap:
        points, corners, bits = points[:, ::-1], corners[:, ::-1], bits.swapaxes(0, 1)
    return points, _box(corners), np.ascontiguousarray(bits)


def _box(corners: Float[np.ndarray, "corner 2"]) -> Float[np.ndarray, "4"]:
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _turned(
    pixels: Shaped[np.ndarray, "height width channel"], turn: _Turn
) -> Shaped[np.ndarray, "rows columns channel"]:
    if turn.swap:
        pixels = pixels.swapaxes(0, 1)
    if turn.left_right:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels[::-1] if turn.up_down else pixels)


def _turned_points(
    points: Float[np.ndarray, "point 2"], turn: _Turn
) -> Float[np.ndarray, "point 2"]:
    """Points x, y in fractions of width and height."""
    if turn.swap:
        points = points[:, ::-1]
    return np.where([turn.left_right, turn.up_down], 1 - points, points)
