"""Scores against the ensemble's size (the paper's Figure 5) and against the threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from jaxens import metrics
from jaxens.evaluation.scoring import Answers
from jaxens.evaluation.tables import as_csv

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


@dataclass(frozen=True)
class ByThreshold:
    """Mean IoU, precision or recall at each of `metrics.THRESHOLDS`."""

    individual: Float[np.ndarray, "threshold"]
    ensemble: Float[np.ndarray, "threshold"]


def by_threshold(found: Mapping[str, Answers]) -> dict[tuple[str, str], ByThreshold]:
    """By (method, "iou" or "precision" or "recall"); empty where no picture has a mask."""
    return {
        (method, name): ByThreshold(*map(_mean_of_scored, both))
        for method, answers in found.items()
        for name, both in answers.thresholds.items()
    }


def _mean_of_scored(
    scores: Float[np.ndarray, "threshold case"],
) -> Float[np.ndarray, "threshold"]:
    """The mean over the cases that have a score; NaN where none has."""
    scored = np.isfinite(scores)
    count = scored.sum(axis=1)
    return np.where(count, np.where(scored, scores, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def thresholds_csv(thresholds: Mapping[str, Mapping[tuple[str, str], ByThreshold]]) -> str:
    """Every point of every curve with all digits, by question."""
    header = ["question", "metric", "method", "threshold", "individual", "ensemble"]
    lines = [
        [question, name, method, f"{threshold:.2f}", individual, ensemble]
        for question, curves in thresholds.items()
        for (method, name), each in curves.items()
        for threshold, individual, ensemble in zip(
            metrics.THRESHOLDS, each.individual, each.ensemble, strict=True
        )
    ]
    return as_csv(header, lines)
