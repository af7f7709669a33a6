"""The texture of a FieldMarks bird: plumage, wing patterns, bill.

Each function returns a field of colors `[3 rows cols]` for a shape.
"""

import math

import numpy as np

from jaxens.data.fieldmarks import bird as anatomy
from jaxens.data.fieldmarks.bird import Bird
from jaxens.data.fieldmarks.canvas import Affine, Color, Shape


def tail_feathers(shape: Shape, tail: Affine, color: Color) -> np.ndarray:
    """Returns colors [3, row, column] with shafts along the tail."""
    x, y = shape.local(tail)
    shafts = 0.78 + 0.16 * np.cos(y * 95) + 0.12 * x
    return color[:, None, None] * shafts


def crest_feathers(shape: Shape, head: Affine, color: Color) -> np.ndarray:
    """Returns colors [3, row, column] with slanting barbs."""
    x, y = shape.local(head)
    return color[:, None, None] * (0.86 + 0.14 * np.sin(9 * (x - y)))


def body_feathers(shape: Shape, body: Affine, head: Affine, bird: Bird) -> np.ndarray:
    """Dark above and pale below, with a hood and rows of small feathers."""
    plumage, (p, q) = bird.plumage, (2 * math.pi * phase for phase in bird.phases[:2])
    x, y = shape.local(body)
    hx, hy = shape.local(head)
    ragged = 0.02 * np.sin(31 * x + p) + 0.015 * np.sin(57 * x + q)
    back = _step(0.10 - y / bird.build.depth - np.maximum(x - 0.08, 0) + ragged, 0.08)
    hood = _step(1.22 - np.sqrt(hx**2 + (hy + 0.1) ** 2) + 3 * ragged, 0.12)
    cap = _step(-0.42 - hy + 2 * ragged, 0.08)
    color = _mix(plumage.under[:, None, None], plumage.upper[:, None, None], back)
    color = _mix(color, _mix(plumage.face[:, None, None], plumage.cap[:, None, None], cap), hood)
    row = y * 17 + 0.3 * np.sin(9 * x + q)
    along = x * 11 + 0.5 * (np.floor(row) % 2)
    feather = (along - np.floor(along)) * (0.6 + 0.4 * np.cos(2 * np.pi * row))
    return color * (1.03 - 0.10 * feather)


def wing_feathers(shape: Shape, wing: Affine, bird: Bird, pattern: str) -> np.ndarray:
    """Returns colors [3, row, column] of coverts, flight feathers and the pattern."""
    u, v = shape.local(wing)
    plumage, covert = bird.plumage, anatomy.WING_COVERTS
    marked = WING_MARKS[pattern](u - covert - 0.03 * bird.phases[2], v + 0.03 * bird.phases[3])
    marked = marked & (u > covert)
    color = np.where(marked, plumage.pattern[:, None, None], plumage.wing[:, None, None])
    flight = np.cos((v - 0.1 * u) * 110) * _step(u - 0.45, 0.1)
    coverts = np.cos(u * 70) * np.cos(v * 60) * (1 - _step(u - 0.3, 0.1))
    return color * (0.97 + 0.05 * flight + 0.05 * coverts)


# Wing patterns, as what is marked at (u, v): u runs from the coverts' edge to the tip (0.7),
# v across (0.4 in all), both in lengths of the wing.
WING_MARKS = {
    "solid": lambda u, v: np.zeros_like(u, bool),
    "barred": lambda u, v: (u + 0.3 * v) / 0.155 % 1 < 0.5,
    "streaked": lambda u, v: (v + 0.05 * u) / 0.13 % 1 < 0.5,
    "spotted": lambda u, v: _spots(u, v, 0.155, 0.062),
    "checkered": lambda u, v: (np.floor(u / 0.105) + np.floor(v / 0.105)) % 2 < 1,
    "tipped": lambda u, v: u - 0.4 * v > 0.26,
}


def _spots(u: np.ndarray, v: np.ndarray, pitch: float, radius: float) -> np.ndarray:
    """Discs in rows, every other row shifted by half a pitch."""
    row = np.floor(v / (0.87 * pitch))
    across = v - (row + 0.5) * 0.87 * pitch
    along = (u + 0.5 * pitch * (row % 2)) % pitch - 0.5 * pitch
    return along**2 + across**2 < radius**2


def horn(shape: Shape, head: Affine, color: Color) -> np.ndarray:
    """Returns the bill: a bright upper edge and a dark line between its halves."""
    _, y = shape.local(head)
    gape = np.exp(-(((y - 0.05) / 0.045) ** 2))
    return color[:, None, None] * (1.0 - 0.4 * gape) + 0.25 * np.clip(-y, 0, 0.3)


def _mix(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    return a + share * (b - a)


def _step(x: np.ndarray, width: float) -> np.ndarray:
    """0 below -width/2, 1 above width/2, smooth between."""
    t = np.clip(x / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)
