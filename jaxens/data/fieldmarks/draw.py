"""Draws a FieldMarks image, its masks and its key points, with NumPy and Pillow only.

Outlines are filled on a canvas two or three times as fine as the image, which is then averaged
down, so that an image has the same content at any size.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int8, Int32, UInt8
from PIL import Image, ImageFilter

from jaxens.data import masks
from jaxens.data.fieldmarks import bird as anatomy
from jaxens.data.fieldmarks import feathers
from jaxens.data.fieldmarks.bird import Bird
from jaxens.data.fieldmarks.canvas import (
    GRID,
    Affine,
    Canvas,
    Color,
    Coverage,
    Shape,
    enlarge,
    soften,
)
from jaxens.data.fieldmarks.habitat import draw_habitat
from jaxens.data.fieldmarks.plumage import EYE_COLOR
from jaxens.data.fieldmarks.species import (
    BILL_LENGTHS,
    FAMILIES,
    MARKS,
    PARTS,
    SPECIES,
    WING_PATTERNS,
    Species,
    Traits,
    independent_traits,
    species_of,
)

_NAMES = [species.name for species in SPECIES]

Label = Int32[np.ndarray, ""] | Int8[np.ndarray, "marks"]


@dataclass(frozen=True)
class Drawing:
    """An image, its labels and its marks. Part `p` of mask and points is `PARTS[p]`.

    A pixel is in a part that covers at least half of it. The eye ring contains the eye, the
    wing contains its bar, and the bird contains everything.
    """

    image: UInt8[np.ndarray, "size size 3"]
    mask: UInt8[np.ndarray, "size size byte"]  # packed as in `jaxens.data.masks`
    points: Float32[np.ndarray, "parts 2"]  # x, y in fractions; NaN where the part is absent
    box: Float32[np.ndarray, "4"]  # left, top, right, bottom, in fractions
    labels: dict[str, Label]


def render(seed: int, index: int, size: int = 64, independent: bool = False) -> Drawing:
    """Draws image `index` of the series `seed`; it depends on nothing else.

    Args:
        seed: At least 0.
        index: At least 0.
        size: The side of the image, in pixels. The scene is the same at any size.
        independent: Draw every trait independently of the others, rather than a species.
    """
    traits = independent_traits(seed, index) if independent else species_of(seed, index)
    return render_traits(traits, seed, index, size)


def encoded(seed: int, index: int, size: int, independent: bool = False) -> dict[str, Any]:
    """Draws an image, as the fields of an `Example` without its id."""
    drawing = render(seed, index, size, independent)
    file = io.BytesIO()
    Image.fromarray(drawing.image).save(file, "PNG", compress_level=1)
    return vars(drawing) | {"image": file.getvalue(), "mask": masks.encode(drawing.mask)}


def encoded_images(seed: int, size: int, independent: bool, indices: range) -> list[dict[str, Any]]:
    """Draws images, as `encoded` does."""
    return [encoded(seed, index, size, independent) for index in indices]


def render_traits(traits: Traits, seed: int, index: int, size: int) -> Drawing:
    """Draws a bird with these traits and the pose, plumage and background of image `index`.

    Bird, background, light and noise have separate random numbers, so that images of birds
    that differ in one mark are the same everywhere else.
    """
    fine = 3 if size <= 160 else 2
    bird = anatomy.draw_bird(np.random.default_rng((seed, index, 1)), traits.family)
    place = np.random.default_rng((seed, index, 2))
    canvas = Canvas(draw_habitat(place, size * fine, bird.frame(bird.feet)))
    light = _Light.draw(np.random.default_rng((seed, index, 3)))
    cover = _paint_bird(canvas, bird, traits, light)
    image = _photograph(canvas, light, fine, np.random.default_rng((seed, index, 4)))
    return Drawing(
        image,
        mask=_mask(cover, fine),
        points=_points(bird, traits),
        box=_box(cover["bird"]),
        labels=labels(traits),
    )


def labels(traits: Traits) -> dict[str, Label]:
    """Returns the label of each task: a class, or a 0 or 1 for each mark.

    Independent traits have no label for the species.
    """
    numbers = {} if not isinstance(traits, Species) else {"species": _NAMES.index(traits.name)}
    numbers |= {
        "family": FAMILIES.index(traits.family),
        "bill_length": BILL_LENGTHS.index(traits.bill_length),
        "wing_pattern": WING_PATTERNS.index(traits.wing_pattern),
    }
    marks = np.array([mark in traits.marks for mark in MARKS], np.int8)
    return {task: np.array(number, np.int32) for task, number in numbers.items()} | {"marks": marks}


@dataclass(frozen=True)
class _Light:
    """Direction of the light, exposure, blur and noise."""

    toward: Float[np.ndarray, "2"]  # to the light; y is down
    relief: float
    tint: Color
    blur: float  # as a fraction of the image
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "_Light":
        angle = rng.uniform(-0.9, 0.9)
        exposure, warmth = rng.uniform(0.8, 1.15), rng.normal(0, 0.04)
        return cls(
            toward=np.array([np.sin(angle), -np.cos(angle)]),
            relief=rng.uniform(0.6, 1.1),
            tint=exposure * np.array([1 + warmth, 1.0, 1 - warmth]),
            blur=rng.uniform(0.0, 0.35) / 64,
            noise=rng.uniform(0.003, 0.014),
        )


def _paint_bird(canvas: Canvas, bird: Bird, traits: Traits, light: _Light) -> dict[str, Coverage]:
    """Paints from back to front.

    Returns:
        The coverage of each part; absent marks are left out.
    """
    on_canvas = Affine(np.eye(2) * canvas.side, np.zeros(2)) @ bird.frame
    body, head, wing, tail = (
        on_canvas @ frame for frame in (bird.body, bird.head, bird.wing, bird.tail)
    )
    limbs = [canvas.shape(on_canvas(points)) for points in anatomy.outline_legs(bird)]
    for limb, shade in zip(limbs, (0.7, 0.7, 1.0, 1.0), strict=True):
        canvas.paint(limb, bird.plumage.legs * shade)
    rump = canvas.shape(tail(anatomy.outline_tail(bird.build)))
    canvas.paint(rump, feathers.tail_feathers(rump, tail, bird.plumage.upper))
    trunk = canvas.shape(on_canvas(anatomy.outline_bird(bird)))
    canvas.paint(trunk, feathers.body_feathers(trunk, body, head, bird))
    folded = canvas.shape(wing(anatomy.WING))

    parts = _paint_marks(canvas, bird, traits, body, head, canvas.whole(trunk), folded)
    _cast_shadow(canvas, folded, canvas.whole(trunk), bird.unit, light)
    parts |= _paint_wing(canvas, bird, traits, wing, folded)
    parts |= _paint_face(canvas, bird, traits, head)
    plain = canvas.whole(trunk, folded, rump)
    whole = canvas.whole(trunk, folded, rump, *limbs, *parts.values())
    _shade(canvas, plain, canvas.whole(folded), whole, bird.unit, light)
    _paint_eye(canvas, head)
    return {"bird": whole} | {part: canvas.whole(shape) for part, shape in parts.items()}


def _paint_marks(
    canvas: Canvas,
    bird: Bird,
    traits: Traits,
    body: Affine,
    head: Affine,
    silhouette: Coverage,
    folded: Shape,
) -> dict[str, Shape]:
    """Paints the marks on head and breast, which are below the wing, the bill and the eye."""
    parts, plumage = {}, bird.plumage
    if "crest" in traits.marks:
        crest = parts["crest"] = canvas.shape(head(anatomy.CREST))
        canvas.paint(crest, feathers.crest_feathers(crest, head, plumage.cap))
    if "cheek_patch" in traits.marks:
        cheek = parts["cheek_patch"] = canvas.shape(head(anatomy.CHEEK)).within(silhouette)
        canvas.paint(cheek, plumage.cheek_patch)
    if "breast_band" in traits.marks:
        breast = silhouette * (1 - canvas.whole(folded))
        band = canvas.shape(body(anatomy.outline_band(bird))).within(breast)
        parts["breast_band"] = band
        canvas.paint(band, plumage.breast_band)
    return parts


def _paint_wing(
    canvas: Canvas, bird: Bird, traits: Traits, wing: Affine, folded: Shape
) -> dict[str, Shape]:
    parts = {"wing": folded}
    canvas.paint(folded, feathers.wing_feathers(folded, wing, bird, traits.wing_pattern))
    if "wing_bar" in traits.marks:
        u, v = folded.local(wing)
        low, high = anatomy.WING_BAR
        across = (u + 0.2 * v > low) & (u + 0.2 * v < high)
        bar = parts["wing_bar"] = Shape(folded.rows, folded.cols, folded.cover * across)
        canvas.paint(bar, bird.plumage.wing_bar)
    return parts


def _paint_face(canvas: Canvas, bird: Bird, traits: Traits, head: Affine) -> dict[str, Shape]:
    bill = canvas.shape(head(anatomy.outline_bill(traits.bill_length, bird.bill_stretch)))
    canvas.paint(bill, feathers.horn(bill, head, bird.plumage.bill))
    parts = {"bill": bill}
    if "eye_ring" in traits.marks:
        disc = anatomy.ellipse(anatomy.EYE, (anatomy.RING_RADIUS, anatomy.RING_RADIUS))
        ring = parts["eye_ring"] = canvas.shape(head(disc))
        canvas.paint(ring, bird.plumage.eye_ring)
    return parts


def _paint_eye(canvas: Canvas, head: Affine) -> None:
    (x, y), r = anatomy.EYE, anatomy.EYE_RADIUS
    for center, radius, color in (
        ((x, y), r, EYE_COLOR),
        ((x + 0.3 * r, y - 0.35 * r), 0.38 * r, np.full(3, 0.97)),
    ):
        disc = canvas.shape(head(anatomy.ellipse(center, (radius, radius))))
        canvas.paint(disc, color)


def _cast_shadow(
    canvas: Canvas, folded: Shape, silhouette: Coverage, unit: float, light: _Light
) -> None:
    """Darkens the flank by a soft shadow of the wing."""
    dark = enlarge(soften(canvas.whole(folded), 0.045 * unit), canvas.side)
    canvas.pixels *= 1 - 0.45 * light.relief * dark * silhouette


def _shade(
    canvas: Canvas,
    plain: Coverage,
    folded: Coverage,
    whole: Coverage,
    unit: float,
    light: _Light,
) -> None:
    """Adds a relief: blurred outlines are heights, which are lit from above."""
    shade = np.ones((GRID, GRID), np.float32)
    for cover, width, strength in ((plain, 0.12, 1.3), (folded, 0.05, 0.5)):
        height = soften(cover, width * unit)
        down, right = np.gradient(height * width * unit * GRID)
        shade -= strength * light.relief * (light.toward[0] * right + light.toward[1] * down)
    canvas.pixels *= 1 + whole * (np.clip(enlarge(shade, canvas.side), 0.45, 1.5) - 1)


def _photograph(
    canvas: Canvas, light: _Light, fine: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "size size 3"]:
    """Applies exposure, blur and noise to the canvas."""
    planes = canvas.pixels * (255 * light.tint[:, None, None]).astype(np.float32)
    planes = np.clip(planes, 0, 255, out=planes).astype(np.uint8)
    image = Image.merge("RGB", [Image.fromarray(plane).reduce(fine) for plane in planes])
    image = image.filter(ImageFilter.GaussianBlur(light.blur * image.width))
    grain = rng.normal(0, 255 * light.noise, (image.height, image.width, 3))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def _mask(cover: dict[str, Coverage], fine: int) -> UInt8[np.ndarray, "size size byte"]:
    """Returns the pixels that a part covers at least half of, or else those that it covers most."""
    size = len(cover["bird"]) // fine
    regions = np.zeros((size, size, len(PARTS)), bool)
    for p, part in enumerate(PARTS):
        if part in cover:
            image = Image.fromarray((cover[part] * 255).astype(np.uint8))
            share = np.asarray(image.reduce(fine))
            regions[..., p] = share >= min(128, share.max())
    return masks.pack(regions)


def _points(bird: Bird, traits: Traits) -> Float32[np.ndarray, "parts 2"]:
    points = anatomy.key_points(bird, traits)
    absent = set(MARKS) - traits.marks
    rows = [points[part] * (np.nan if part in absent else 1) for part in PARTS]
    return bird.frame(np.concatenate(rows)).astype(np.float32)


def _box(cover: Coverage) -> Float32[np.ndarray, "4"]:
    rows, cols = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    edges = np.array([cols[0], rows[0], cols[-1] + 1, rows[-1] + 1])
    return (edges / len(cover)).astype(np.float32)
