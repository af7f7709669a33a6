"""Scores against the ensemble's size (the paper's Figure 5) and against the threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from jaxens import metrics
from jaxens.evaluation.scoring import Answers
from jaxens.evaluation.tables import as_csv
from jaxens.viz.curves import mean_of_scored

SHOWN = ("iou", "correlation", "distance")


@dataclass(frozen=True)
class BySize:
    """The mean map's score for each number of members, and the individuals' average."""

    curve: metrics.Curve
    individual: float  # over the same pictures


def by_size(found: Mapping[str, Answers]) -> dict[tuple[str, str], BySize]:
    """By (method, metric), for the metrics that a question is judged by."""
    return {
        (method, metric): BySize(
            metrics.curve(answers.scores[metric].by_size),
            _individual(answers.scores[metric].individual, answers.scores[metric].by_size),
        )
        for method, answers in found.items()
        for metric in SHOWN
        if metric in answers.scores
    }


def _individual(
    scores: Float[np.ndarray, "member case"], by_size: Float[np.ndarray, "order size case"]
) -> float:
    """The individuals' average over the pictures that the curve is drawn of."""
    mean, _ = metrics.individual_average(scores)
    mean = mean[np.isfinite(by_size).all(axis=(0, 1)) & np.isfinite(mean)]
    return float(mean.mean()) if len(mean) else float("nan")


def sizes_csv(sizes: Mapping[str, Mapping[tuple[str, str], BySize]]) -> str:
    """Every point of every curve with all digits, by question."""
    header = ["question", "metric", "method", "members", "mean", "low", "high", "individual", "n"]
    lines = [
        [question, metric, method, size, mean, low, high, each.individual, each.curve.images]
        for question, curves in sizes.items()
        for (method, metric), each in curves.items()
        for size, (mean, low, high) in enumerate(
            zip(each.curve.mean, each.curve.low, each.curve.high, strict=True), start=1
        )
    ]
    return as_csv(header, lines)


def thresholds_csv(found: Mapping[str, Mapping[str, Answers]]) -> str:
    """The mean IoU, precision and recall at every threshold, by question and method."""
    header = ["question", "metric", "method", "threshold", "individual", "ensemble"]
    lines = [
        [question, name, method, f"{threshold:.2f}", *values]
        for question, by_method in found.items()
        for method, answers in by_method.items()
        for name, both in answers.thresholds.items()
        for threshold, *values in zip(
            metrics.THRESHOLDS, *(mean_of_scored(scores) for scores in both), strict=True
        )
    ]
    return as_csv(header, lines)
