"""Scores of explanations against what people marked, and the statistics of those scores.

Pure functions of maps `[..., height, width]` and truth; they import nothing else of jaxens.
The scores run on the device, jitted, and `vmap`; the statistics run on the host in float64.

A score that means nothing is NaN: the map is constant or holds a value that is not finite,
the mask is empty, the key point is missing. Callers count the NaNs and leave them out.
"""

from jaxens.metrics.blur import blur
from jaxens.metrics.chance import centered_gaussian, random_maps
from jaxens.metrics.classification import accuracy, auc, mean_auc
from jaxens.metrics.correlation import area_average, correlation
from jaxens.metrics.mass import center_of_mass, center_of_mass_distance
from jaxens.metrics.members import agreement, mean_map, mean_of_normalized, spread
from jaxens.metrics.normalize import SIGNS, apply_sign, has_contrast, normalize
from jaxens.metrics.overlap import intersection_union, iou
from jaxens.metrics.perturbation import Perturbation, deletion, insertion
from jaxens.metrics.protocol import METRICS, PAPER, Metric, Protocol, score, score_members
from jaxens.metrics.relevance import pointing_game, relevance_mass, relevance_rank
from jaxens.metrics.sanity import Randomization, parameter_randomization, randomize, spearman
from jaxens.metrics.size import Curve, curve, member_orders, scores_by_size
from jaxens.metrics.statistics import Comparison, compare, holm, individual_average, stars
from jaxens.metrics.thresholds import (
    THRESHOLDS,
    ThresholdCurves,
    average_precision,
    threshold_curves,
)

__all__ = [
    "METRICS",
    "PAPER",
    "SIGNS",
    "THRESHOLDS",
    "Comparison",
    "Curve",
    "Metric",
    "Perturbation",
    "Protocol",
    "Randomization",
    "ThresholdCurves",
    "accuracy",
    "agreement",
    "apply_sign",
    "area_average",
    "auc",
    "average_precision",
    "blur",
    "center_of_mass",
    "center_of_mass_distance",
    "centered_gaussian",
    "compare",
    "correlation",
    "curve",
    "deletion",
    "has_contrast",
    "holm",
    "individual_average",
    "insertion",
    "intersection_union",
    "iou",
    "mean_auc",
    "mean_map",
    "mean_of_normalized",
    "member_orders",
    "normalize",
    "parameter_randomization",
    "pointing_game",
    "random_maps",
    "randomize",
    "relevance_mass",
    "relevance_rank",
    "score",
    "score_members",
    "scores_by_size",
    "spearman",
    "spread",
    "stars",
    "threshold_curves",
]
