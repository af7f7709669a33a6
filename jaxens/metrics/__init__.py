"""Scores of attribution maps against masks and key points, and statistics of those scores.

The package stands alone: it takes arrays, from any attribution library.

Axes. Maps are `[..., height, width]`. A score reduces these two axes and keeps the leading ones,
such as [member, image]: maps `[*lead, height, width]` give scores `[*lead]`. Masks
`[..., height, width]` and key points `[..., 2]` broadcast over the leading axes from the right,
so masks [image, height, width] are shared by the maps [member, image, height, width] of all
members. Functions of several members take the member axis first, and remove it.

Units. Key points and centers of mass are (x, y) as fractions of width and height, with (0, 0) at
the top left corner; distances are in the same unit. Intersections, unions and tolerances are in
pixels of the map.

Signs. Where a result depends on it, `signed` is a required keyword: whether positive values are
evidence for the target and negative ones against it. `METHODS` in `jaxens.attribution` lists it
for every method.

NaN. A score that is not defined is NaN: the map is constant or not finite, the mask is empty, or
the key point is NaN (not visible). Only that map's score is NaN. Count such scores and leave them
out, as `compare` and `individual_average` do.

Scores run on the device and work under `jit` and `vmap`. Statistics (`compare`,
`compare_crossed`, `delong`, `bootstrap_auc`, `curve`, `holm`, `individual_average`) run on the
host in float64.
"""

from jaxens.metrics.auc_difference import AucComparison, bootstrap_auc, delong
from jaxens.metrics.blur import blur
from jaxens.metrics.chance import centered_gaussian, random_maps
from jaxens.metrics.classification import accuracy, auc, mean_auc
from jaxens.metrics.correlation import area_average, correlation
from jaxens.metrics.crossed import CrossedComparison, compare_crossed
from jaxens.metrics.mass import center_of_mass, center_of_mass_distance
from jaxens.metrics.members import agreement, mean_map, mean_of_finite, mean_of_normalized, spread
from jaxens.metrics.normalize import SIGNS, apply_sign, has_contrast, normalize
from jaxens.metrics.overlap import intersection_union, iou
from jaxens.metrics.perturbation import Perturbation, deletion, insertion
from jaxens.metrics.protocol import METRICS, PAPER, Metric, Protocol, score
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
    "AucComparison",
    "Comparison",
    "CrossedComparison",
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
    "bootstrap_auc",
    "center_of_mass",
    "center_of_mass_distance",
    "centered_gaussian",
    "compare",
    "compare_crossed",
    "correlation",
    "curve",
    "deletion",
    "delong",
    "has_contrast",
    "holm",
    "individual_average",
    "insertion",
    "intersection_union",
    "iou",
    "mean_auc",
    "mean_map",
    "mean_of_finite",
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
    "scores_by_size",
    "spearman",
    "spread",
    "stars",
    "threshold_curves",
]
