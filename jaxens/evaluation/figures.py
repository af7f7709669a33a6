"""Figures of an evaluation: scores against the ensemble's size, and against the threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxens import viz
from jaxens.attribution import METHODS
from jaxens.evaluation.curves import BySize, ByThreshold
from jaxens.evaluation.rows import Chance
from jaxens.evaluation.scoring import CHANCE
from jaxens.metrics import METRICS, THRESHOLDS


def size_figure(
    sizes: Mapping[tuple[str, str], BySize], chance: Sequence[Chance], question: str
) -> Figure:
    """Draws the scores of one question by number of members.

    Args:
        sizes: By (method, metric).
        chance: Scores of chance-level maps.
        question: Name of the question.
    """
    methods, metrics = _axes(sizes)
    means = {(row.name, row.metric): row.mean for row in chance}
    return viz.size_curves(
        _grid({key: size.curve.mean for key, size in sizes.items()}),
        _grid({key: size.curve.low for key, size in sizes.items()}),
        _grid({key: size.curve.high for key, size in sizes.items()}),
        _grid({key: np.asarray(size.individual) for key, size in sizes.items()}),
        chance={
            name: np.array([means.get((name, metric), np.nan) for metric in metrics])
            for name in CHANCE
        },
        metrics=[_label(metric) for metric in metrics],
        methods=[METHODS[method].title for method in methods],
        title=f"{question}: score of the mean map by number of members (band: 95 %, over images "
        "and orders of members)",
    )


def threshold_figure(
    thresholds: Mapping[tuple[str, str], ByThreshold], chosen: float, question: str
) -> Figure:
    """Draws IoU, precision and recall of one question by threshold.

    Args:
        thresholds: By (method, metric).
        chosen: The threshold of the protocol.
        question: Name of the question.
    """
    methods, metrics = _axes(thresholds)
    return viz.threshold_curves(
        np.asarray(THRESHOLDS),
        _grid({key: scores.ensemble for key, scores in thresholds.items()}),
        _grid({key: scores.individual for key, scores in thresholds.items()}),
        low=_grid({key: scores.low for key, scores in thresholds.items()}),
        high=_grid({key: scores.high for key, scores in thresholds.items()}),
        chance={
            name: np.stack([thresholds[methods[0], metric].chance[name] for metric in metrics])
            for name in thresholds[methods[0], metrics[0]].chance
        },
        chosen=chosen,
        metrics=[_label(metric) for metric in metrics],
        methods=[METHODS[method].title for method in methods],
        title=f"{question}: region of the map by threshold of its normalized range (band: 95 %, "
        f"over images; vertical: {chosen:g}, the threshold of the tables)",
    )


def _axes(scores: Mapping[tuple[str, str], Any]) -> tuple[list[str], list[str]]:
    """Returns the methods and the metrics of scores by (method, metric)."""
    methods, metrics = zip(*scores, strict=True)
    return list(dict.fromkeys(methods)), list(dict.fromkeys(metrics))


def _grid(scores: Mapping[tuple[str, str], np.ndarray]) -> np.ndarray:
    """Stacks scores, which are by (method, metric), into an array [metric, method, ...]."""
    methods, metrics = _axes(scores)
    return np.stack([np.stack([scores[m, metric] for m in methods]) for metric in metrics])


def _label(metric: str) -> str:
    if metric not in METRICS:  # precision and recall
        return f"{metric}\n(higher is better)"
    return f"{METRICS[metric].heading}\n({METRICS[metric].better} is better)"
