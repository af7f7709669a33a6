"""The background of a FieldMarks bird: a blurred habitat, distractors, and a perch.

Distractors have patterns that birds have too: stripes, spots, checks, rings, wedges. Everything
is placed in fractions of the image, so that it looks the same at any size.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from jaxens.data.fieldmarks.canvas import GRID, Affine, Color, Points, ellipse, spline

GREENS = np.array([(70, 100, 50), (110, 130, 62), (44, 72, 44), (150, 160, 88), (90, 120, 90)])
BROWNS = np.array([(96, 76, 56), (132, 106, 76), (66, 52, 42), (164, 138, 102), (120, 112, 104)])
SKIES = np.array([(168, 196, 222), (206, 220, 230), (142, 172, 204), (224, 218, 208)])
WATERS = np.array([(98, 126, 142), (130, 152, 158), (72, 96, 108), (158, 168, 160)])
STRAWS = np.array([(186, 168, 112), (154, 138, 84), (208, 190, 140), (120, 122, 70)])
BRIGHTS = np.array([(190, 50, 44), (226, 190, 70), (238, 232, 220), (120, 60, 110), (60, 50, 52)])


def fill(color: Color) -> tuple[int, int, int]:
    """Returns a color as Pillow takes it: whole numbers from 0 to 255."""
    r, g, b = (min(255, max(0, round(value))) for value in color.tolist())
    return r, g, b


def _pick(rng: np.random.Generator, colors: np.ndarray) -> Color:
    """Returns one of the colors, randomly brightened and tinted."""
    return rng.choice(colors) * rng.uniform(0.8, 1.2) + rng.normal(0, 6, 3)


def draw_habitat(rng: np.random.Generator, pixels: int, feet: Points) -> Image.Image:
    """Draws background, distractors and perch on a canvas of `pixels`, with the feet at `feet`."""
    above, below, strokes = HABITATS[rng.integers(len(HABITATS))]
    half = pixels // 2  # enough for what is out of focus
    image = _soft(rng, above, below, strokes).resize((half, half), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(3, 8)):
        distractor = DECOYS[rng.integers(len(DECOYS))]
        place = Affine.rotate(
            rng.uniform(0, 2 * np.pi), tuple(rng.uniform(0, 1, 2)), rng.uniform(0.14, 0.34)
        )
        distractor(rng, draw, Affine(np.eye(2) * half, np.zeros(2)) @ place)
    image = image.filter(ImageFilter.BoxBlur(half / 64 * rng.uniform(0.1, 0.6)))
    image = image.resize((pixels, pixels), Image.Resampling.BILINEAR)
    (_branch if rng.random() < 0.65 else _ground)(rng, image, feet)
    return image


def _soft(
    rng: np.random.Generator, above: np.ndarray, below: np.ndarray, strokes: str
) -> Image.Image:
    """Draws a habitat out of focus."""
    top, bottom = _pick(rng, above), _pick(rng, below)
    height = np.linspace(0, 1, GRID)[:, None, None]
    horizon = 1 / (1 + np.exp((rng.uniform(0.35, 0.8) - height) * rng.uniform(4, 25)))
    image = top * (1 - horizon) + bottom * horizon + np.zeros((1, GRID, 1))
    for cells, strength in ((3, 26), (9, 14)):
        image += strength * noise(rng, cells)[..., None] * rng.uniform(0.6, 1.2, 3)
    soft = Image.fromarray(np.clip(image, 24, 246).astype(np.uint8))
    draw = ImageDraw.Draw(soft)
    for _ in range(rng.integers(10, 30)):
        x, y = rng.uniform(0, GRID, 2)
        size = GRID * rng.uniform(0.02, 0.11)
        color = fill(_pick(rng, below if y > GRID / 2 else above) * rng.uniform(0.75, 1.25))
        if strokes == "reeds":
            lean = rng.normal(0, 8)
            draw.line([(x, GRID), (x + lean, y * 0.8)], color, int(rng.integers(1, 4)))
        elif strokes == "ripples":
            draw.ellipse([x - 3 * size, y - size / 4, x + 3 * size, y + size / 4], color)
        else:
            draw.ellipse([x - size, y - size, x + size, y + size], color)
    return soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.6)))


def noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise on the coarse grid, about standard normal at its nodes."""
    knots = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(knots.resize((GRID, GRID), Image.Resampling.BICUBIC))


HABITATS = (
    (SKIES, GREENS, "blobs"),
    (GREENS, GREENS, "blobs"),
    (GREENS, BROWNS, "blobs"),
    (BROWNS, STRAWS, "reeds"),
    (SKIES, STRAWS, "reeds"),
    (GREENS, STRAWS, "reeds"),
    (SKIES, WATERS, "ripples"),
    (WATERS, WATERS, "ripples"),
)


def _leaf(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: Affine) -> None:
    """Draws a leaf whose veins look like stripes."""
    width, color = rng.uniform(0.16, 0.34), _pick(rng, GREENS)
    outline = [(0, 0), (0.3, -width), (0.7, -width * 0.8), (1, 0), (0.7, width), (0.3, width)]
    polygon(draw, place(spline(np.array(outline), 4)), color)
    vein = color * rng.choice([0.6, 1.45])
    thick = rng.uniform(0.02, 0.06)
    _stroke(draw, place, [(0, 0), (1, 0)], thick, vein)
    for x in np.arange(0.15, 0.8, 0.16):
        for side in (-1, 1):
            _stroke(draw, place, [(x, 0), (x + 0.14, side * width * 0.75)], thick, vein)


def _spotted(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: Affine) -> None:
    """Draws a mushroom or a pebble with spots."""
    color = _pick(rng, np.concatenate([BROWNS, BRIGHTS]))
    polygon(draw, place(ellipse((0, 0), (0.5, 0.36))), color)
    spot = _pick(rng, BRIGHTS) if rng.random() < 0.5 else color * 0.5
    for x, y in rng.uniform((-0.38, -0.24), (0.38, 0.24), (9, 2)):
        polygon(draw, place(ellipse((x, y), (0.06, 0.06))), spot)


def _cone(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: Affine) -> None:
    """Draws a pine cone whose scales look like checks."""
    color = _pick(rng, BROWNS)
    polygon(draw, place(ellipse((0, 0), (0.55, 0.3))), color)
    scales = color * rng.choice([0.55, 1.5])
    for i, x in enumerate(np.arange(-0.4, 0.4, 0.14)):
        for y in np.arange(-0.21 + 0.07 * (i % 2), 0.2, 0.14):
            if (x / 0.55) ** 2 + (y / 0.3) ** 2 < 0.75:
                polygon(draw, place(ellipse((x + 0.07, y), (0.075, 0.065))), scales)


def _berries(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: Affine) -> None:
    """Draws a round, ringed shape that looks like an eye."""
    color, ring = _pick(rng, BRIGHTS), _pick(rng, BRIGHTS)
    _stroke(draw, place, [(0, 0), (0.5, 0.1), (0.9, 0)], 0.05, _pick(rng, BROWNS))
    for x, y in ((0.3, 0.2), (0.55, -0.1), (0.8, 0.2)):
        polygon(draw, place(ellipse((x, y), (0.15, 0.15))), ring)
        polygon(draw, place(ellipse((x, y), (0.10, 0.10))), color)
        polygon(draw, place(ellipse((x - 0.03, y - 0.03), (0.03, 0.03))), color + 70)


def _twig(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: Affine) -> None:
    """Draws a twig whose thorns look like bills."""
    color, bend = _pick(rng, BROWNS), rng.uniform(-0.3, 0.3)
    stem = [(-1, -0.06), (0, bend - 0.04), (1.3, 0), (0, bend + 0.05)]
    polygon(draw, place(np.array(stem)), color)
    for x in rng.uniform(-0.7, 0.7, 3):
        root, tip = bend * (1 - abs(x)), rng.uniform(0.15, 0.5) * rng.choice([-1, 1])
        wedge = [(x - 0.07, root), (x + 0.25, root + tip), (x + 0.07, root)]
        polygon(draw, place(np.array(wedge)), color * 0.9)


def _blades(rng: np.random.Generator, draw: ImageDraw.ImageDraw, place: Affine) -> None:
    color = _pick(rng, np.concatenate([GREENS, STRAWS]))
    for lean in rng.uniform(-0.6, 0.6, 4):
        blade = [(-0.06, 0), (lean * 0.4, -0.7), (lean, -1.2), (lean * 0.4 + 0.08, -0.7), (0.06, 0)]
        polygon(draw, place(np.array(blade)), color * rng.uniform(0.75, 1.25))


Decoy = Callable[[np.random.Generator, ImageDraw.ImageDraw, Affine], None]
DECOYS: tuple[Decoy, ...] = (_leaf, _leaf, _spotted, _cone, _berries, _twig, _twig, _blades)


def polygon(draw: ImageDraw.ImageDraw, points: Points, color: Color) -> None:
    """Fills a polygon, whose points are in pixels."""
    draw.polygon(points.ravel().tolist(), fill=fill(color))


def _stroke(
    draw: ImageDraw.ImageDraw,
    place: Affine,
    path: list[tuple[float, float]],
    width: float,
    color: Color,
) -> None:
    """Draws a line whose width scales with the image."""
    pixels = round(width * float(np.sqrt(abs(np.linalg.det(place.linear)))))
    points = place(np.array(path)).ravel().tolist()
    draw.line(points, fill(color), max(1, pixels), joint="curve")


def _branch(rng: np.random.Generator, image: Image.Image, feet: Points) -> None:
    """Draws a branch across the image, below the feet and lit from above."""
    pixels, color = image.width, _pick(rng, BROWNS)
    slope, thick, sag = rng.uniform(-0.14, 0.14), rng.uniform(0.05, 0.085), rng.uniform(-0.1, 0.1)
    x = np.linspace(-0.05, 1.05, 24)
    away = x - feet[:, 0].mean()
    top = feet[:, 1].mean() + slope * away + sag * away**2
    wobble = 0.006 * rng.normal(0, 1, (2, 24)) * np.minimum(1, np.abs(away) * 6)
    draw = ImageDraw.Draw(image)
    for level, light in ((0.0, 1.3), (0.22, 1.05), (0.5, 0.8), (0.78, 0.55)):
        upper = np.stack([x, top + level * thick + wobble[0]], -1)
        lower = np.stack([x, top + thick + wobble[1]], -1)
        polygon(draw, np.concatenate([upper, lower[::-1]]) * pixels, color * light)
    at = np.searchsorted(x, rng.uniform(0, 1, 14))
    for i, level in zip(at.tolist(), rng.uniform(0.2, 0.8, 14), strict=True):
        y, length = top[i] + level * thick, rng.uniform(0.02, 0.07)
        dash = np.array([(x[i], y), (x[i] + length, y)]) * pixels
        draw.line(dash.ravel().tolist(), fill(color * 0.45), max(1, pixels // 180))


def _ground(rng: np.random.Generator, image: Image.Image, feet: Points) -> None:
    """Draws ground with pebbles and grass, from the feet down."""
    pixels = image.width
    color = _pick(rng, np.concatenate([BROWNS, STRAWS, GREENS[:2]]))
    x = np.linspace(-0.05, 1.05, 16)
    top = feet[:, 1].mean() - 0.02 + 0.012 * rng.normal(0, 1, 16)
    draw = ImageDraw.Draw(image)
    for level, light in ((0, 1.15), (0.05, 1.0), (0.12, 0.85)):
        edge = np.stack([x, top + level], -1)
        polygon(draw, np.concatenate([edge, [(1.05, 1.1), (-0.05, 1.1)]]) * pixels, color * light)
    for u, v in rng.uniform(0, 1, (22, 2)):
        y = feet[0, 1] + v * (1 - feet[0, 1])
        size = rng.uniform(0.006, 0.03)
        pebble = ellipse((u, y), (size * 1.5, size))
        polygon(draw, pebble * pixels, color * rng.uniform(0.55, 1.4))
    place = Affine(np.eye(2) * pixels, np.zeros(2))
    for u in rng.uniform(0, 1, 3):
        tuft = Affine.rotate(0, (u, feet[0, 1]), rng.uniform(0.06, 0.13))
        _blades(rng, draw, place @ tuft)
