"""What an ensemble sees in an image: sightings with a label and a tip."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from jaxens.annotation.rules import DIAGONAL


@dataclass(frozen=True)
class Sighting:
    """Something that the ensemble sees in an image, and where.

    Points are x, y as fractions of width and height.

    Attributes:
        task: Name of the task.
        target: The class, by number.
        label: The class in words, such as "short bill".
        parts: The parts of the class.
        probability: Of the class, by the calibrated ensemble.
        tip: Where the mean map points; NaN if it shows nothing.
        member_tips: Where each member's map points.
        box: Left, top, right, bottom of the most relevant region of the mean map.
        certainty: The share of members whose tip is within a tenth of the diagonal of the tip.
        uncertain: Whether fewer members agree than an arrow needs to be drawn solid.
    """

    task: str
    target: int
    label: str
    parts: tuple[str, ...]
    probability: float
    tip: Float[np.ndarray, "2"]
    member_tips: Float[np.ndarray, "member 2"]
    box: Float[np.ndarray, "4"]
    certainty: float
    uncertain: bool

    @property
    def spread(self) -> float:
        """Root mean square distance of the members' tips from the tip, in diagonals of an image.

        Members whose map shows nothing do not count; NaN if there is no other.
        """
        squares = ((self.member_tips - self.tip) ** 2).sum(axis=-1)
        known = squares[np.isfinite(squares)]
        return float(np.sqrt(known.mean()) / DIAGONAL) if len(known) else float("nan")


@dataclass(frozen=True)
class Annotation:
    """What the ensemble sees in one image.

    Attributes:
        name: Name of the image.
        image: RGB.
        prediction: The predicted class of the first task without parts, such as the species;
            "" if there is no such task.
        probability: Of that class, by the calibrated ensemble; NaN if there is none.
        look_alike: The class that it is compared with; "" if there is none.
        sightings: What arrows point at, the most probable first.
        left_out: What is seen too, but has no arrow: fewer members agree on its place than the
            rules ask for, or there are more sightings than they allow.
        heatmap: The mean map of the predicted class, or of the most probable sighting if there is
            none.
        sentence: All that is seen in words, and what the look-alike has that the image has not.
        method: Name of the attribution method.
        tip: Name of the rule for tips.
    """

    name: str
    image: UInt8[np.ndarray, "height width 3"]
    prediction: str
    probability: float
    look_alike: str
    sightings: tuple[Sighting, ...]
    left_out: tuple[Sighting, ...]
    heatmap: Float[np.ndarray, "height width"]
    sentence: str
    method: str
    tip: str
