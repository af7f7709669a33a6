"""The score protocol: every choice behind a score, in one place, printed with every table."""

from dataclasses import dataclass
from functools import partial

import jax
from jax import Array
from jaxtyping import Float, Num

from jaxens.metrics.correlation import correlation
from jaxens.metrics.inputs import ArrayLike, Mask
from jaxens.metrics.mass import center_of_mass_distance
from jaxens.metrics.normalize import apply_sign, check_sign
from jaxens.metrics.overlap import intersection_union

HIGHER_IS_BETTER = {
    "iou": True,
    "intersection": True,
    "union": False,
    "correlation": True,
    "distance": False,
}


@dataclass(frozen=True)
class Protocol:
    """How maps are scored. The defaults are the paper's, as far as it states them.

    - `threshold`: of the normalised range, above which a pixel is in the region of a map;
    - `correlation_size`: cells along each side of the grid that a correlation is taken on;
    - `sign`: what a signed map's negative values become, a name out of `SIGNS`. It is applied
      once, before all metrics, to signed maps alone.
    """

    threshold: float = 0.3
    correlation_size: int = 14
    sign: str = "signed"

    def __post_init__(self) -> None:
        check_sign(self.sign)
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
        return "\n".join(
            [
                f"Sign rule '{self.sign}': {signs[self.sign]}.",
                "Unsigned maps go to [0, 1] by minimum and maximum.",
                f"IoU: the region is where the normalised map is at least {self.threshold:g}; "
                "intersection and union in pixels of the map.",
                f"Correlation: Pearson, map and mask averaged over the areas of {size} x {size} "
                "cells.",
                "Distance: Euclidean, from the centre of mass of the positive values to the key "
                "point, in fractions of width and height.",
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
    signed: bool,
) -> dict[str, Float[Array, "*#lead"]]:
    """All metrics of maps `[..., image, height, width]` against masks and key points.

    `signed` says whether the method's values carry a sign. Average maps over members before
    this, never after: the sign rule and the normalisation are not linear.

    Gives "iou", "intersection", "union" and "correlation" if there is a mask, "distance" if
    there is a point; `HIGHER_IS_BETTER` tells which way is up.

    **Raises:** `ValueError` if there is neither mask nor point, or shapes do not fit.
    """
    if mask is None and point is None:
        raise ValueError("nothing to score maps against: give a mask, a key point or both")
    if signed:
        maps = apply_sign(maps, protocol.sign)
    scores = {}
    if mask is not None:
        still_signed = signed and protocol.sign == "signed"
        intersection, union = intersection_union(maps, mask, protocol.threshold, still_signed)
        scores["iou"] = intersection / union
        scores["intersection"], scores["union"] = intersection, union
        scores["correlation"] = correlation(maps, mask, protocol.correlation_size)
    if point is not None:
        scores["distance"] = center_of_mass_distance(maps, point)
    return scores
