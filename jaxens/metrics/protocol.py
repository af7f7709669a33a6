"""The score protocol: one object with the sign rule, the threshold, the grid and the metrics.

How channels are reduced is `MethodSettings.reduce`, and how maps are normalized is code in
`normalize.py`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import jax
from jax import Array
from jaxtyping import Float, Num

from jaxens.arrays import as_whole
from jaxens.errors import remedy
from jaxens.metrics.correlation import correlation
from jaxens.metrics.inputs import ArrayLike, Mask
from jaxens.metrics.loops import image_by_image
from jaxens.metrics.mass import center_of_mass_distance
from jaxens.metrics.normalize import apply_sign, check_sign
from jaxens.metrics.overlap import intersection_union, iou
from jaxens.metrics.relevance import pointing_game, relevance_mass, relevance_rank
from jaxens.metrics.thresholds import average_precision


@dataclass(frozen=True)
class Metric:
    """A score, and how to read it.

    Attributes:
        name: Key of `METRICS`.
        title: For tables and figures.
        higher_is_better: Its direction.
        function: From maps [..., height, width] and the truth, an argument named `mask` or
            `point`, to scores [...]. It is also given those of `ignored`, `signed`, `threshold`
            and `size` (the protocol's `correlation_size`) that it has arguments for.
        text: What it is, after the title, for `Protocol.describe`; fields of the protocol are in
            braces.
        unit: "px" for counts of pixels.
        decisive: Whether this score alone tells which of two maps is better.
        needs_outside: Whether a mask that fills the image gives no score.
    """

    name: str
    title: str
    higher_is_better: bool
    function: Callable[..., Array]
    text: str = ""
    unit: str = ""
    decisive: bool = True
    needs_outside: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the function's arguments."""
        return tuple(inspect.signature(self.function).parameters)

    @property
    def truth(self) -> str:
        """The ground truth that the function needs: "mask" or "point"."""
        return "mask" if "mask" in self.arguments else "point"

    @property
    def heading(self) -> str:
        """The title, with the unit if there is one."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def better(self) -> str:
        """Which scores are better: "higher" or "lower"."""
        return "higher" if self.higher_is_better else "lower"

    @property
    def digits(self) -> int:
        """How many decimals of a mean are printed."""
        return 1 if self.unit else 3

    def describe(self, protocol: "Protocol") -> str:
        """Returns the title and the text."""
        title = self.title[:1].upper() + self.title[1:]
        return f"{title}: {self.text.format(**vars(protocol))}"


def _one_of(function: Callable[..., tuple[Array, Array]], which: int) -> Callable[..., Array]:
    @wraps(function)
    def one(*args: Any, **kwargs: Any) -> Array:
        return function(*args, **kwargs)[which]

    return one


# Both parts of the IoU grow with the region: alone they say little.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "iou", "IoU", True, iou,
            "the region is where the normalized map is at least {threshold:g}; intersection and "
            "union in pixels of the map.",
        ),
        Metric(
            "intersection", "intersection", True, _one_of(intersection_union, 0),
            unit="px", decisive=False,
        ),
        Metric(
            "union", "union", False, _one_of(intersection_union, 1),
            unit="px", decisive=False,
        ),
        Metric(
            "correlation", "correlation", True, correlation,
            "Pearson, of map and mask averaged over {correlation_size} x {correlation_size} "
            "cells; masks that fill the image are left out.",
            needs_outside=True,
        ),
        Metric(
            "distance", "distance", False, center_of_mass_distance,
            "Euclidean, from the center of mass of the positive values to the key point, in "
            "fractions of width and height; maps without a positive value are left out.",
        ),
        Metric(
            "average_precision", "average precision", True, average_precision,
            "of the map as a ranking of the mask's pixels, over all thresholds.",
        ),
        Metric(
            "relevance_mass", "relevance mass", True, relevance_mass,
            "the fraction of the positive values in the mask; maps without a positive value are "
            "left out.",
        ),
        Metric(
            "relevance_rank", "relevance rank", True, relevance_rank,
            "the fraction in the mask of as many largest values as the mask has pixels.",
        ),
        Metric(
            "pointing_game", "pointing game", True, pointing_game,
            "whether the largest value is in the mask.",
        ),
    )
}  # fmt: skip
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
        for name in self.metrics or ("",):
            if name not in METRICS:
                raise ValueError(f"unknown metric {name or '(none)'}: {remedy(name, METRICS)}")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}: give more than 0 and at most 1")
        as_whole(self.correlation_size, "correlation_size", least=2)

    def describe(self) -> str:
        """Describes the protocol, one line per step."""
        signs = {
            "signed": "signed maps keep their sign and are divided by their largest magnitude",
            "positive": "negative values of signed maps are set to 0, then maps are scaled to "
            "[0, 1] by minimum and maximum",
            "absolute": "signed maps are replaced by their magnitudes, then scaled to [0, 1] by "
            "minimum and maximum",
        }
        rows = (METRICS[name] for name in self.metrics)
        return "\n".join(
            [
                f"Sign rule '{self.sign}': {signs[self.sign]}.",
                "Unsigned maps are scaled to [0, 1] by minimum and maximum.",
                *(row.describe(self) for row in rows if row.text),
                "Left out: maps that are constant or not finite, empty masks, key points that are "
                "not visible.",
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
        protocol: Sign rule, threshold, grid and metrics.
        signed: Whether the values of the maps carry a sign, as for the method in
            `attribution.METHODS`.
        ignored: Pixels that may or may not show the part, in the shape of the mask;
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
    values = {
        "mask": mask,
        "point": point,
        "ignored": ignored,
        "signed": signed and protocol.sign == "signed",
        "threshold": protocol.threshold,
        "size": protocol.correlation_size,
    }
    rows = (METRICS[name] for name in protocol.metrics)
    return {
        row.name: row.function(maps, **{n: v for n, v in values.items() if n in row.arguments})
        for row in rows
        if values[row.truth] is not None
    }
