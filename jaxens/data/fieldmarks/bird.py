"""The pose of a FieldMarks bird, drawn at random, and its outlines.

The random pose does not depend on the marks, bill or wing of the bird, so it predicts none
of them.

Outlines are in bird units (the length of a body is about 1), x forward and y down, facing
right; `Bird.frame` maps them to fractions of the image.
"""

from dataclasses import dataclass, replace

import numpy as np

from jaxens.data.fieldmarks.canvas import Affine, Points, ellipse, spline
from jaxens.data.fieldmarks.plumage import Plumage, draw_plumage
from jaxens.data.fieldmarks.species import Traits


@dataclass(frozen=True)
class Build:
    """The shape of the birds of a family."""

    pitch: float  # radians by which the breast is raised
    depth: float  # of the body
    head: tuple[float, float]  # its center, from the body's
    head_radius: float
    tail: tuple[float, float, float]  # length, half width at its end, depth of its fork
    legs: float  # their length


BUILDS = {
    "finch": Build(0.30, 1.12, (0.37, -0.28), 0.250, (0.32, 0.10, 0.07), 0.10),
    "thrush": Build(0.58, 1.00, (0.43, -0.26), 0.220, (0.36, 0.09, 0.00), 0.19),
    "jay": Build(0.42, 0.88, (0.46, -0.24), 0.235, (0.50, 0.11, -0.10), 0.12),
}

# Half height at the base and length, in radii of the head.
BILLS = {"short": (0.38, 0.62), "medium": (0.36, 1.50), "long": (0.34, 2.75)}


@dataclass(frozen=True)
class Bird:
    """One bird: build, plumage and pose. `frame` maps bird units to the image."""

    build: Build
    plumage: Plumage
    body: Affine
    head: Affine  # from units of the radius of the head
    wing: Affine  # from units of the length of the wing; x runs from shoulder to tip
    tail: Affine
    bill_stretch: float
    feet: Points  # [2 2]
    frame: Affine
    phases: tuple[float, ...]  # two of the plumage's texture, two of the wing's pattern

    @property
    def unit(self) -> float:
        """A bird unit, as a fraction of the image."""
        return float(np.sqrt(abs(np.linalg.det(self.frame.linear))))


def draw_bird(rng: np.random.Generator, family: str) -> Bird:
    """Draws plumage and pose at random, so that even a long bill fits into the image."""
    build = BUILDS[family]
    plumage = draw_plumage(rng)
    pitch = -(build.pitch + rng.uniform(-0.2, 0.16))
    body = Affine.rotate(pitch, (0, 0))
    neck = np.array(build.head) + rng.uniform((-0.05, -0.05), (0.04, 0.05))
    head = Affine.rotate(rng.uniform(-0.28, 0.22), tuple(body(neck[None])[0]), build.head_radius)
    wing = body @ Affine.rotate(np.pi + rng.uniform(-0.22, 0.06), (0.27, -0.06), 0.86)
    wing = wing @ Affine(np.diag([1.0, -1.0]), np.zeros(2))  # its lower edge has positive v
    tail = body @ Affine.rotate(np.pi + rng.uniform(-0.15, 0.3), (-0.42, -0.01))
    hips = body(HIPS * (1, build.depth))
    ground = body(_outline_body(build)).max(0)[1] + build.legs * rng.uniform(0.8, 1.15)
    feet = np.stack([hips[:, 0] + rng.uniform(0.0, 0.08) + (0, 0.05), np.full(2, ground)], -1)
    bird = Bird(
        build, plumage, body, head, wing, tail, rng.uniform(0.93, 1.08), feet,
        Affine.rotate(0, (0, 0)), tuple(rng.uniform(0, 1, 4).tolist()),
    )  # fmt: skip
    return _placed(rng, bird)


def _placed(rng: np.random.Generator, bird: Bird) -> Bird:
    reach = np.concatenate(
        [
            bird.head(outline_bill("long", bird.bill_stretch)),
            bird.head(CREST),
            bird.tail(outline_tail(bird.build)),
            bird.feet + np.array((0, 0.1)),
        ]
    )
    low, high = reach.min(0), reach.max(0)
    scale = rng.uniform(0.86, 1.0) * 0.96 / (high - low).max()
    slack = 1 - scale * (high - low)
    shift = slack * (0.5 + rng.uniform(-0.45, 0.45, 2)) - scale * low
    flip = Affine(np.diag([-1.0, 1.0]), np.array([1.0, 0.0]))
    frame = Affine(np.eye(2) * scale, shift)
    return replace(bird, frame=flip @ frame if rng.random() < 0.5 else frame)


def outline_legs(bird: Bird) -> list[Points]:
    """Outlines of the far leg, its toes, the near leg and its toes, in bird units."""
    toes = [
        (-0.09, 0.045), (-0.05, -0.012), (0.0, -0.03), (0.06, -0.015), (0.13, 0.045),
        (0.05, 0.02), (0.03, 0.055), (0.0, 0.02), (-0.05, 0.02),
    ]  # fmt: skip
    thick = np.array([0.022, 0.0])
    outlines = []
    for hip, foot in zip(bird.body(HIPS * (1, bird.build.depth)), bird.feet, strict=True):
        leg = np.stack([hip - 3 * thick, foot - thick, foot + thick, hip + 3 * thick])
        outlines += [leg, np.array(toes) + foot]
    return outlines


def _outline_body(build: Build) -> Points:
    """Outline of the trunk without the head, in body units."""
    points = [
        (0.14, -0.27), (-0.12, -0.235), (-0.36, -0.14), (-0.52, -0.05), (-0.52, 0.05),
        (-0.40, 0.135), (-0.15, 0.275), (0.12, 0.30), (0.36, 0.20), (0.48, 0.02),
    ]  # fmt: skip
    return np.array(points) * (1, build.depth)


def outline_bird(bird: Bird) -> Points:
    """Returns one smooth outline of trunk and head, in bird units."""
    head = [
        (0.60, 0.86), (0.90, 0.42), (0.97, -0.18), (0.60, -0.80), (-0.15, -1.0),
        (-0.78, -0.62), (-1.0, 0.1),
    ]  # fmt: skip
    return spline(np.concatenate([bird.body(_outline_body(bird.build)), bird.head(np.array(head))]))


def outline_bill(length: str, stretch: float) -> Points:
    """Outline of the bill in radii of the head; the tip is the 7th point."""
    half, reach = BILLS[length]
    tip = 0.88 + reach * stretch
    t = np.linspace(0, 1, 7)
    x = 0.80 + (tip - 0.80) * t
    culmen = -half + (half + 0.10) * t**2
    gonys = half * 0.85 + (0.10 - half * 0.85) * t**1.2
    upper, lower = np.stack([x, culmen - 0.02], -1), np.stack([x, gonys - 0.02], -1)
    return np.concatenate([upper, lower[-2::-1]])


def outline_tail(build: Build) -> Points:
    """Outline of the tail in bird units, from its root backward along x."""
    length, half, fork = build.tail
    points = [(0, -0.08), (length, -half), (length - fork, 0), (length, half), (0, 0.08)]
    return np.array(points)


HIPS = np.array([(-0.10, 0.22), (0.02, 0.24)])

WING = spline(
    np.array(
        [
            (0.0, -0.02), (0.07, -0.13), (0.30, -0.19), (0.60, -0.15), (0.85, -0.08),
            (1.0, -0.01), (0.80, 0.10), (0.56, 0.19), (0.30, 0.225), (0.09, 0.15),
        ]
    )
)  # fmt: skip

CREST = np.array(
    [
        (0.35, -0.90), (-0.05, -1.28), (-0.85, -1.95), (-0.62, -1.42), (-1.42, -1.55),
        (-0.98, -1.05), (-1.45, -0.98), (-0.88, -0.42), (-0.30, -0.70),
    ]
)  # fmt: skip

EYE = (0.44, -0.20)
EYE_RADIUS = 0.21
RING_RADIUS = 0.43
CHEEK = ellipse((-0.24, 0.40), (0.50, 0.32), 0.2)
WING_BAR = (0.13, 0.26)  # along the wing
WING_COVERTS = 0.32  # the pattern begins here
BAND = np.array([(0.60, -0.04), (0.42, 0.03), (0.24, 0.0), (0.10, -0.05)])
BAND_WIDTH = 0.13


def outline_band(bird: Bird) -> Points:
    """Outline of the breast band in body units, before it is clipped to the visible breast."""
    path = BAND * (1, bird.build.depth)
    return np.concatenate([path, path[::-1] + np.array((0.0, BAND_WIDTH))])


def key_points(bird: Bird, traits: Traits) -> dict[str, Points]:
    """Returns the key point of each part in bird units: usually its center.

    For the bird it is the center of the body, and for the eye ring the eye.
    """
    culmen = outline_bill(traits.bill_length, bird.bill_stretch)
    return {
        "bird": bird.body(np.array([(0.05, 0.0)])),
        "bill": bird.head(culmen.mean(0, keepdims=True)),
        "wing": bird.wing(np.array([(0.45, 0.02)])),
        "eye_ring": bird.head(np.array([EYE])),
        "cheek_patch": bird.head(CHEEK.mean(0, keepdims=True)),
        "crest": bird.head(np.array([(-0.60, -1.12)])),
        "wing_bar": bird.wing(np.array([(sum(WING_BAR) / 2, 0.02)])),
        "breast_band": bird.body(np.array([(0.36, 0.09)]) * (1, bird.build.depth)),
    }
