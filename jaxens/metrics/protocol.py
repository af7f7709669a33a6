"""The score protocol: every choice behind a score, in one place, printed with every table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
from jax import Array
from jaxtyping import Float, Num

from jaxens.metrics.correlation import correlation
from jaxens.metrics.inputs import ArrayLike, Mask
from jaxens.metrics.loops import image_by_image
from jaxens.metrics.mass import center_of_mass_distance
from jaxens.metrics.members import mean_map
from jaxens.metrics.normalize import apply_sign, check_sign
from jaxens.metrics.overlap import intersection_union
from jaxens.metrics.relevance import pointing_game, relevance_mass, relevance_rank
from jaxens.metrics.thresholds import average_precision


@dataclass(frozen=True)
class Metric:
    """A score, which way is up, and the truth that it needs."""

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
    """How maps are scored. The defaults are the paper's, as far as it states them.

    - `threshold`: of the normalised range, above which a pixel is in the region of a map;
    - `correlation_size`: cells along each side of the grid that a correlation is taken on;
    - `sign`: what a signed map's negative values become, a name out of `SIGNS`. It is applied
      once, before all metrics, to signed maps alone;
    - `metrics`: names out of `METRICS`; the default is the paper's.
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
            raise ValueError(f"a threshold lies above 0 and at most at 1, not at {self.threshold}")
        if self.correlation_size < 2:
            raise ValueError(
                f"a correlation needs a grid of 2 x 2 cells or more, not {self.correlation_size}"
            )

    def describe(self) -> str:
        """The protocol in words, a line per step."""
        size = self.correlation_size
        signs = {
            "signed": "signed maps keep their sign and are divided by their largest magnitude",
            "positive": "negative values of signed maps become 0, then maps go to [0, 1] by "
            "minimum and maximum",
            "absolute": "signed maps become their magnitudes, then go to [0, 1] by minimum and "
            "maximum",
        }
        said = {
            "iou": f"IoU: the region is where the normalised map is at least {self.threshold:g}; "
            "intersection and union in pixels of the map.",
            "correlation": "Correlation: Pearson, map and mask averaged over the areas of "
            f"{size} x {size} cells.",
            "distance": "Distance: Euclidean, from the centre of mass of the positive values to "
            "the key point, in fractions of width and height.",
            "average_precision": "Average precision: of ranking the mask's pixels first, over all "
            "thresholds.",
            "relevance_mass": "Relevance mass: the part of the positive values that lies in the "
            "mask.",
            "relevance_rank": "Relevance rank: of as many largest values as the mask has pixels, "
            "the part in the mask.",
            "pointing_game": "Pointing game: whether the largest value lies in the mask.",
        }
        return "\n".join(
            [
                f"Sign rule '{self.sign}': {signs[self.sign]}.",
                "Unsigned maps go to [0, 1] by minimum and maximum.",
                *(text for name, text in said.items() if name in self.metrics),
                "Left out: maps that are constant or not finite, empty masks, unseen key points; "
                "for the correlation also masks that fill the picture; for the distance also "
                "maps without a positive value.",
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
) -> dict[str, Float[Array, "*#lead"]]:
    """All metrics of maps `[..., image, height, width]` against masks and key points.

    `signed` says whether the method's values carry a sign. Average maps over members before
    this, never after: the sign rule and the normalisation are not linear.

    Gives the protocol's metrics for which there is truth: those of a mask, or of a point.

    **Raises:** `ValueError` if there is neither mask nor point, or shapes do not fit.
    """
    return image_by_image(partial(_score, protocol, signed), maps, mask, point)


@partial(jax.jit, static_argnames=("protocol", "signed"))
def score_members(
    maps: Num[ArrayLike, "member *lead height width"],
    mask: Mask | None,
    point: Float[ArrayLike, "*#lead 2"] | None,
    protocol: Protocol,
    *,
    signed: bool,
) -> tuple[dict[str, Float[Array, "member *lead"]], dict[str, Float[Array, "*lead"]]]:
    """`score` of each member's maps, and of their mean (Pazzani et al. 2022, Eq. 1).

    On a CPU the mean is made and scored while the members' maps of an image are in its caches.

    **Raises:** `ValueError` as `score` does.
    """

    def of_images(
        maps: ArrayLike, mask: Mask | None, point: ArrayLike | None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        each = _score(protocol, signed, maps, mask, point)
        return each, _score(protocol, signed, mean_map(maps), mask, point)

    if maps.ndim < 4:  # one image: the third last axis counts members
        return of_images(maps, mask, point)
    return image_by_image(of_images, maps, mask, point)


def _score(
    protocol: Protocol,
    signed: bool,
    maps: ArrayLike,
    mask: Mask | None,
    point: ArrayLike | None,
) -> dict[str, Array]:
    if mask is None and point is None:
        raise ValueError("nothing to score maps against: give a mask, a key point or both")
    if signed:
        maps = apply_sign(maps, protocol.sign)
    scores = {}
    if mask is not None:
        still_signed = signed and protocol.sign == "signed"
        overlap = intersection_union(maps, mask, protocol.threshold, signed=still_signed)
        scores = _against_mask(maps, mask, overlap, protocol)
    if point is not None and "distance" in protocol.metrics:
        scores["distance"] = center_of_mass_distance(maps, point)
    return scores


def _against_mask(
    maps: ArrayLike, mask: Mask, overlap: tuple[Array, Array], protocol: Protocol
) -> dict[str, Array]:
    intersection, union = overlap
    scores: dict[str, Callable[[], Array]] = {
        "iou": lambda: intersection / union,
        "intersection": lambda: intersection,
        "union": lambda: union,
        "correlation": lambda: correlation(maps, mask, protocol.correlation_size),
        "average_precision": lambda: average_precision(maps, mask),
        "relevance_mass": lambda: relevance_mass(maps, mask),
        "relevance_rank": lambda: relevance_rank(maps, mask),
        "pointing_game": lambda: pointing_game(maps, mask),
    }
    return {name: scores[name]() for name in protocol.metrics if name in scores}
