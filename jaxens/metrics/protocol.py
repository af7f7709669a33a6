"""The score protocol: all choices behind a score in one object, which can describe itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
from jax import Array
from jaxtyping import Float, Num

from jaxens.arrays import as_whole
from jaxens.metrics.correlation import correlation
from jaxens.metrics.inputs import ArrayLike, Mask
from jaxens.metrics.loops import image_by_image
from jaxens.metrics.mass import center_of_mass_distance
from jaxens.metrics.normalize import apply_sign, check_sign
from jaxens.metrics.overlap import intersection_union
from jaxens.metrics.relevance import pointing_game, relevance_mass, relevance_rank
from jaxens.metrics.thresholds import average_precision


@dataclass(frozen=True)
class Metric:
    """A score: its title, its direction, and the ground truth that it needs."""

    name: str
    title: str
    higher_is_better: bool
    truth: Literal["mask", "point"] = "mask"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("iou", "IoU", True),
        Metric("intersection", "intersection, px", True),
        Metric("union", "union, px", False),
        Metric("correlation", "correlation", True),
        Metric("distance", "distance", False, "point"),
        Metric("average_precision", "average precision", True),
        Metric("relevance_mass", "relevance mass", True),
        Metric("relevance_rank", "relevance rank", True),
        Metric("pointing_game", "pointing game", True),
    )
}
PAPER = ("iou", "intersection", "union", "correlation", "distance")


@dataclass(frozen=True)
class Protocol:
    """How maps are scored. The defaults are those of Pazzani et al. 2022 where it states them.

    Attributes:
        threshold: A pixel is in the region of a map if its normalized value is at least this.
        correlation_size: Cells along each side of the grid of the correlation.
        sign: What to do with negative values, a name in `SIGNS`. Applied once, before all
            metrics, and only to signed maps.
        metrics: Names in `METRICS`.

    Raises:
        ValueError: If a name is unknown, the threshold is not in (0, 1], or the grid is smaller
            than 2 x 2.
    """

    threshold: float = 0.3
    correlation_size: int = 14
    sign: str = "signed"
    metrics: tuple[str, ...] = PAPER

    def __post_init__(self) -> None:
        check_sign(self.sign)
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise ValueError(
                f"unknown metric {', '.join(unknown) or '(none)'}: choose from {', '.join(METRICS)}"
            )
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}: give more than 0 and at most 1")
        as_whole(self.correlation_size, "correlation_size", least=2)

    def describe(self) -> str:
        """Describes the protocol, one line per step."""
        size = self.correlation_size
        signs = {
            "signed": "signed maps keep their sign and are divided by their largest magnitude",
            "positive": "negative values of signed maps are set to 0, then maps are scaled to "
            "[0, 1] by minimum and maximum",
            "absolute": "signed maps are replaced by their magnitudes, then scaled to [0, 1] by "
            "minimum and maximum",
        }
        steps = {
            "iou": "IoU: the region is where the normalized map is at least "
            f"{self.threshold:g}; intersection and union in pixels of the map.",
            "correlation": f"Correlation: Pearson, of map and mask averaged over {size} x {size} "
            "cells.",
            "distance": "Distance: Euclidean, from the center of mass of the positive values to "
            "the key point, in fractions of width and height.",
            "average_precision": "Average precision: of the map as a ranking of the mask's "
            "pixels, over all thresholds.",
            "relevance_mass": "Relevance mass: the fraction of the positive values in the mask.",
            "relevance_rank": "Relevance rank: the fraction in the mask of as many largest values "
            "as the mask has pixels.",
            "pointing_game": "Pointing game: whether the largest value is in the mask.",
        }
        return "\n".join(
            [
                f"Sign rule '{self.sign}': {signs[self.sign]}.",
                "Unsigned maps are scaled to [0, 1] by minimum and maximum.",
                *(text for name, text in steps.items() if name in self.metrics),
                "Left out: maps that are constant or not finite, empty masks, key points that are "
                "not visible; for the correlation also masks that fill the image; for the distance "
                "also maps without a positive value.",
            ]
        )


@partial(jax.jit, static_argnames=("protocol", "signed"))
def score(
    maps: Num[ArrayLike, "*#lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
    protocol: Protocol,
    *,
    signed: bool,
    ignored: Mask | None = None,
) -> dict[str, Float[Array, "*#lead"]]:
    """Scores maps by all metrics of a protocol.

    Average maps over members first: the sign rule and the normalization are not linear. Memory
    is a few times that of the maps; score large sets in chunks of images.

    Args:
        maps: For example [member, image, height, width].
        mask: Masks, boolean or integer (nonzero marks a pixel); [image, height, width] is shared
            by all members. None if there are no masks.
        point: Key points (x, y) as fractions of width and height; NaN if not visible. None if
            there are no key points.
        protocol: All choices.
        signed: Whether the values of the maps carry a sign, as for the method in
            `attribution.METHODS`.
        ignored: Pixels of which nobody knows whether they show the part, in the shape of the mask;
            nonzero marks one. Scores against the mask leave them out of map and mask.

    Returns:
        A score per map, by the name of the metric: those metrics of the protocol for which there
        is ground truth.

    Raises:
        ValueError: If there is neither mask nor point, or shapes do not fit.
    """
    if mask is None and point is None:
        raise ValueError("nothing to score maps against: give a mask, a key point or both")
    return image_by_image(partial(_score, protocol, signed), maps, mask, point, ignored)


def _score(
    protocol: Protocol,
    signed: bool,
    maps: ArrayLike,
    mask: Mask | None,
    point: ArrayLike | None,
    ignored: Mask | None,
) -> dict[str, Array]:
    if signed:
        maps = apply_sign(maps, protocol.sign)
    still_signed = signed and protocol.sign == "signed"
    scores = {} if mask is None else _against_mask(maps, mask, ignored, protocol, still_signed)
    if point is not None and "distance" in protocol.metrics:
        scores["distance"] = center_of_mass_distance(maps, point)
    return scores


def _against_mask(
    maps: ArrayLike, mask: Mask, ignored: Mask | None, protocol: Protocol, signed: bool
) -> dict[str, Array]:
    intersection, union = intersection_union(
        maps, mask, protocol.threshold, signed=signed, ignored=ignored
    )
    scores: dict[str, Callable[[], Array]] = {
        "iou": lambda: intersection / union,
        "intersection": lambda: intersection,
        "union": lambda: union,
        "correlation": lambda: correlation(maps, mask, protocol.correlation_size, ignored=ignored),
        "average_precision": lambda: average_precision(maps, mask, ignored),
        "relevance_mass": lambda: relevance_mass(maps, mask, ignored),
        "relevance_rank": lambda: relevance_rank(maps, mask, ignored),
        "pointing_game": lambda: pointing_game(maps, mask, ignored=ignored),
    }
    return {name: scores[name]() for name in protocol.metrics if name in scores}
