"""Outlines, their coverage of a canvas, and the canvas."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw, ImageFilter

Points = Float[np.ndarray, "points 2"]
Color = Float[np.ndarray, "3"]
Coverage = Float[np.ndarray, "canvas canvas"]

GRID = 64  # the coarse grid of everything that is blurred


@dataclass(frozen=True)
class Affine:
    """The map `points @ linear.T + shift`; `a @ b` is `a` after `b`."""

    linear: Float[np.ndarray, "2 2"]
    shift: Float[np.ndarray, "2"]

    @classmethod
    def rotate(cls, angle: float, shift: tuple[float, float], scale: float = 1.0) -> Self:
        """Returns a rotation by `angle` (radians, clockwise on screen), a scaling, then a shift."""
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        return cls(np.array([[c, -s], [s, c]]), np.array(shift, float))

    def __call__(self, points: Points) -> Points:
        return np.asarray(points, float) @ self.linear.T + self.shift

    def __matmul__(self, other: "Affine") -> "Affine":
        return Affine(self.linear @ other.linear, self(other.shift[None])[0])

    def inverse(self) -> "Affine":
        """Returns the map that undoes this one."""
        linear = np.linalg.inv(self.linear)
        return Affine(linear, -linear @ self.shift)


def spline(points: Points, steps: int = 6) -> Points:
    """Returns a closed uniform Catmull-Rom curve through `points`."""
    p = np.asarray(points, float)
    before, after, beyond = (np.roll(p, shift, 0)[:, None] for shift in (1, -1, -2))
    here, t = p[:, None], (np.arange(steps) / steps)[:, None]
    curve = 0.5 * (
        2 * here
        + (after - before) * t
        + (2 * before - 5 * here + 4 * after - beyond) * t**2
        + (3 * here - before - 3 * after + beyond) * t**3
    )
    return curve.reshape(-1, 2)


def ellipse(center: tuple[float, float], radii: tuple[float, float], angle: float = 0.0) -> Points:
    """Returns 28 points of an ellipse; the angle is in radians, clockwise on screen."""
    return Affine.rotate(angle, center)(_CIRCLE * radii)


_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 28, endpoint=False)) for f in (np.cos, np.sin)], -1)


@dataclass(frozen=True)
class Shape:
    """The coverage of an outline, within its bounding rectangle on the canvas."""

    rows: slice
    cols: slice
    cover: Float32[np.ndarray, "rows cols"]

    def local(self, place: Affine) -> tuple[np.ndarray, np.ndarray]:
        """Returns the coordinates of the pixels before `place` mapped them to the canvas."""
        back = place.inverse()
        x = np.arange(self.cols.start, self.cols.stop, dtype=np.float32) + 0.5
        y = np.arange(self.rows.start, self.rows.stop, dtype=np.float32)[:, None] + 0.5
        (a, b), (c, d) = back.linear.astype(np.float32)
        e, f = back.shift.astype(np.float32)
        return a * x + (b * y + e), c * x + (d * y + f)

    def within(self, whole: Coverage) -> "Shape":
        """Returns the shape clipped by a coverage of the whole canvas."""
        return Shape(self.rows, self.cols, self.cover * whole[self.rows, self.cols])


class Canvas:
    """An RGB canvas [3 rows cols] in [0, 1]."""

    def __init__(self, background: Image.Image) -> None:
        self.side = background.width
        planes = np.asarray(background).transpose(2, 0, 1)
        self.pixels = np.ascontiguousarray(planes, np.float32) / 255

    def shape(self, points: Points) -> Shape:
        """Fills an outline given in pixels."""
        low = np.clip(np.floor(points.min(0)).astype(int), 0, self.side - 1)
        high = np.clip(np.ceil(points.max(0)).astype(int) + 1, low + 1, self.side)
        width, height = (high - low).tolist()
        image = Image.new("L", (width, height))
        ImageDraw.Draw(image).polygon((points - low - 0.5).ravel().tolist(), fill=1)
        rows, cols = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
        return Shape(rows, cols, np.asarray(image, np.float32))

    def paint(self, shape: Shape, color: np.ndarray) -> None:
        """Paints a shape with a color, or with an array of colors `[3 rows cols]`."""
        under = self.pixels[:, shape.rows, shape.cols]
        over = np.asarray(color, np.float32)
        under += shape.cover * ((over[:, None, None] if over.ndim == 1 else over) - under)

    def whole(self, *shapes: Shape) -> Coverage:
        """Returns the union of `shapes`, on the whole canvas."""
        cover = np.zeros((self.side, self.side), np.float32)
        for shape in shapes:
            part = cover[shape.rows, shape.cols]
            np.maximum(part, shape.cover, out=part)
        return cover


def soften(cover: Coverage, radius: float) -> np.ndarray:
    """Returns how much of each cell of a coarse grid is covered, blurred.

    Args:
        cover: How much of each pixel of the canvas is covered.
        radius: The standard deviation of the blur, as a fraction of the image.
    """
    image = Image.fromarray((cover * 255).astype(np.uint8))
    image = image.resize((GRID, GRID), Image.Resampling.BOX)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius * GRID)), np.float32) / 255


def enlarge(field: np.ndarray, side: int) -> Coverage:
    """Resizes a field to `side` x `side` pixels by bicubic interpolation."""
    image = Image.fromarray(field.astype(np.float32))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
