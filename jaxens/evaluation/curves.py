"""Scores by the ensemble's size (Pazzani et al. 2022, Figure 5) and by the threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from jaxens import metrics
from jaxens.evaluation.scoring import CHANCE, ChanceScores, MethodScores
from jaxens.tables import Table

SHOWN = ("iou", "correlation", "distance")


@dataclass(frozen=True)
class BySize:
    """Scores by the number of members in the mean map.

    Attributes:
        curve: The curve of the mean map.
        individual: The individuals' average over the images of the curve.
    """

    curve: metrics.Curve
    individual: float


def by_size(scores: Mapping[str, MethodScores]) -> dict[tuple[str, str], BySize]:
    """Returns a curve by (method, metric), for those of the metrics in `SHOWN` that are there."""
    return {
        (method, metric): BySize(
            metrics.curve(of_method.scores[metric].by_size),
            _individual(of_method.scores[metric].individual, of_method.scores[metric].by_size),
        )
        for method, of_method in scores.items()
        for metric in SHOWN
        if metric in of_method.scores
    }


def _individual(
    individual: Float[np.ndarray, "member case"], by_size: Float[np.ndarray, "order size case"]
) -> float:
    """Returns the individuals' average over the images of the curve."""
    mean, _ = metrics.individual_average(individual)
    mean = mean[np.isfinite(by_size).all(axis=(0, 1)) & np.isfinite(mean)]
    return float(mean.mean()) if len(mean) else float("nan")


def sizes_table(sizes: Mapping[str, Mapping[tuple[str, str], BySize]]) -> Table:
    """Returns every point of every curve with all digits; curves are by question."""
    columns = (
        "question", "metric", "method", "members", "mean", "low", "high", "individual", "n",
    )  # fmt: skip
    lines = [
        (question, metric, method, size, mean, low, high, each.individual, each.curve.images)
        for question, curves in sizes.items()
        for (method, metric), each in curves.items()
        for size, (mean, low, high) in enumerate(
            zip(each.curve.mean, each.curve.low, each.curve.high, strict=True), start=1
        )
    ]
    return Table(columns, lines)


@dataclass(frozen=True)
class ByThreshold:
    """Mean IoU, precision or recall at each of `metrics.THRESHOLDS`.

    Attributes:
        individual: The mean over images and individuals.
        ensemble: The mean over images, of the mean map.
        low: The lower bound of a 95 % band of `ensemble`, for other images: 1.96 standard errors
            below it.
        high: The upper bound.
        chance: The mean over images, by name of the chance-level map.
    """

    individual: Float[np.ndarray, "threshold"]
    ensemble: Float[np.ndarray, "threshold"]
    low: Float[np.ndarray, "threshold"]
    high: Float[np.ndarray, "threshold"]
    chance: Mapping[str, Float[np.ndarray, "threshold"]]


def by_threshold(
    scores: Mapping[str, MethodScores], chance: Mapping[str, ChanceScores]
) -> dict[tuple[str, str], ByThreshold]:
    """Returns a curve by (method, "iou", "precision" or "recall"); none without masks.

    Args:
        scores: By method.
        chance: By name of the chance-level map.
    """
    curves = {}
    for method, of_method in scores.items():
        for name, (individual, ensemble) in of_method.thresholds.items():
            mean, error = _mean_and_error(ensemble)
            curves[method, name] = ByThreshold(
                _mean_and_error(individual)[0],
                mean,
                mean - 1.96 * error,
                mean + 1.96 * error,
                {map: _mean_and_error(of.thresholds[name])[0] for map, of in chance.items()},
            )
    return curves


def _mean_and_error(
    scores: Float[np.ndarray, "threshold case"],
) -> tuple[Float[np.ndarray, "threshold"], Float[np.ndarray, "threshold"]]:
    """Returns mean and standard error over the cases that have a score; NaN where none has."""
    scored = np.isfinite(scores)
    count = scored.sum(axis=1)
    some = np.maximum(count, 1)
    mean = np.where(count, np.where(scored, scores, 0).sum(axis=1) / some, np.nan)
    squares = np.where(scored, (scores - mean[:, None]) ** 2, 0).sum(axis=1)
    variance = np.where(count > 1, squares / np.maximum(count - 1, 1), np.nan)
    return mean, np.sqrt(variance / some)


def thresholds_table(thresholds: Mapping[str, Mapping[tuple[str, str], ByThreshold]]) -> Table:
    """Returns every point of every curve with all digits; curves are by question."""
    columns = (
        "question", "metric", "method", "threshold", "individual", "ensemble", "low", "high",
        *CHANCE,
    )  # fmt: skip
    lines = [
        (question, name, method, f"{threshold:.2f}", *values)
        for question, curves in thresholds.items()
        for (method, name), each in curves.items()
        for threshold, *values in zip(
            metrics.THRESHOLDS,
            *(each.individual, each.ensemble, each.low, each.high),
            *(each.chance[map] for map in CHANCE),
            strict=True,
        )
    ]
    return Table(columns, lines)
