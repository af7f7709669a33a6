"""Scores of explanations against what people marked, and the statistics of those scores.

Pure functions of maps `[..., height, width]` and truth; they import nothing else of jaxens.
The scores run on the device, jitted, and `vmap`; the statistics run on the host in float64.

A score that means nothing is NaN: the map is constant or holds a value that is not finite,
the mask is empty, the key point is missing. Callers count the NaNs and leave them out.
"""

from jaxens.metrics.classification import accuracy, auc, mean_auc
from jaxens.metrics.correlation import area_average, correlation
from jaxens.metrics.mass import center_of_mass, center_of_mass_distance
from jaxens.metrics.normalize import SIGNS, apply_sign, has_contrast, normalize
from jaxens.metrics.overlap import intersection_union, iou
from jaxens.metrics.protocol import HIGHER_IS_BETTER, Protocol, score
from jaxens.metrics.statistics import Comparison, compare, holm, individual_average, stars

__all__ = [
    "HIGHER_IS_BETTER",
    "SIGNS",
    "Comparison",
    "Protocol",
    "accuracy",
    "apply_sign",
    "area_average",
    "auc",
    "center_of_mass",
    "center_of_mass_distance",
    "compare",
    "correlation",
    "has_contrast",
    "holm",
    "individual_average",
    "intersection_union",
    "iou",
    "mean_auc",
    "normalize",
    "score",
    "stars",
]
