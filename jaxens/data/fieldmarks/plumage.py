"""The random colors of a FieldMarks bird.

They do not depend on the traits, so that they predict nothing.
"""

from dataclasses import dataclass

import numpy as np

from jaxens.data.fieldmarks.canvas import Color

# Natural plumage colors: those of backs and wings, and those of bellies.
UPPER = np.array(
    [
        (98, 84, 58), (92, 98, 106), (142, 82, 48), (84, 106, 138), (86, 100, 58),
        (62, 52, 46), (176, 146, 104), (112, 58, 42), (58, 82, 118), (60, 104, 96),
        (136, 128, 64), (96, 70, 94), (150, 152, 150), (186, 118, 62), (46, 50, 60),
    ]
) / 255  # fmt: skip
UNDER = np.array(
    [
        (232, 222, 198), (238, 236, 230), (216, 186, 140), (236, 220, 140), (208, 206, 202),
        (226, 182, 146), (204, 138, 96), (186, 172, 150), (214, 204, 188), (222, 160, 84),
    ]
) / 255  # fmt: skip
ACCENTS = np.array(
    [
        (246, 240, 226), (240, 206, 70), (206, 62, 42), (38, 34, 34), (232, 138, 44),
        (92, 44, 34), (60, 96, 168), (250, 250, 250),
    ]
) / 255  # fmt: skip
EYE_COLOR = np.array((0.08, 0.06, 0.06), np.float32)
HORN = np.array(
    [(40, 38, 40), (58, 54, 60), (236, 176, 60), (224, 104, 44), (214, 190, 150), (56, 66, 84)]
) / 255  # fmt: skip


@dataclass(frozen=True)
class Plumage:
    """The colors of one bird, and of all marks, including those that it lacks."""

    upper: Color
    under: Color
    cap: Color
    face: Color
    wing: Color
    pattern: Color  # of the wing, on `wing`
    bill: Color
    legs: Color
    eye_ring: Color
    cheek_patch: Color
    wing_bar: Color
    breast_band: Color


def draw_plumage(rng: np.random.Generator) -> Plumage:
    """Draws random colors; each mark has a color in contrast to what surrounds it."""
    upper, under, other, cap = _pick(rng, UPPER), _pick(rng, UNDER), _pick(rng, UPPER), rng.random()
    face = (upper, other, under * 0.92)[rng.choice(3, p=[0.4, 0.35, 0.25])]
    wing = (upper, _pick(rng, UPPER), _pick(rng, UNDER) * 0.9)[rng.choice(3, p=[0.4, 0.35, 0.25])]
    marks = {
        "pattern": _contrast(rng, np.concatenate([UNDER, UPPER, ACCENTS[3:4]]), wing, 0.42),
        "eye_ring": _contrast(rng, ACCENTS, np.stack([face, EYE_COLOR]), 0.4),
        "cheek_patch": _contrast(rng, ACCENTS, face, 0.45),
        "wing_bar": _contrast(rng, ACCENTS, wing, 0.5),
        "breast_band": _contrast(rng, ACCENTS, np.stack([under, face]), 0.5),
    }
    bill, legs = _contrast(rng, HORN, face, 0.35), _pick(rng, HORN) * 0.85
    return Plumage(
        upper, under, cap=face if cap < 0.5 else other * 0.8, face=face, wing=wing,
        bill=bill, legs=legs, **marks,
    )  # fmt: skip


def _pick(rng: np.random.Generator, colors: np.ndarray) -> Color:
    color = rng.choice(colors) * rng.uniform(0.85, 1.15) + rng.normal(0, 0.025, 3)
    return np.clip(color, 0, 1).astype(np.float32)


def _contrast(
    rng: np.random.Generator, colors: np.ndarray, ground: np.ndarray, least: float
) -> Color:
    """Returns one of `colors` in contrast to all of `ground`, or else the one with most contrast.

    Lightness counts most, as it does for the eye.
    """
    apart = colors[:, None] - np.atleast_2d(ground)
    distance = np.hypot(1.45 * (apart @ (0.3, 0.55, 0.15)), 0.45 * np.ptp(apart, -1)).min(-1)
    far = np.flatnonzero(distance >= min(least, distance.max()))
    return colors[rng.choice(far)].astype(np.float32)
