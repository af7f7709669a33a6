"""The three images of a question that figures show: their names and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxens.attribution import METHODS
from jaxens.evaluation.examples import RANKS, rank, ranking_metric
from jaxens.metrics import METRICS
from jaxens.names import shorten
from jaxens.pages.sheets import Cell, Sheet


@dataclass(frozen=True)
class Ranked:
    """The images with the worst, the median and the best score.

    Attributes:
        metric: The metric that ranks them.
        names: Of the images.
        scores: Of the mean map of each image, by method.
    """

    metric: str
    names: Sequence[str]
    scores: Mapping[str, Sequence[float]]

    def sheet(self) -> Sheet:
        """Returns a row for each image."""
        title = METRICS[self.metric].title
        rows = [
            [Cell(word), Cell(shorten(name)), *(_number(of[k]) for of in self.scores.values())]
            for k, (word, name) in enumerate(zip(RANKS, self.names, strict=True))
        ]
        headings = ["image by score", "name", *(METHODS[method].title for method in self.scores)]
        return Sheet(f"{title} of the mean maps on the three images", headings, rows)


def _number(value: float) -> Cell:
    return Cell(f"{value:.3f}", repr(float(value)))


def read_ranked(
    scores: Mapping[str, np.ndarray], question: str, methods: Sequence[str]
) -> Ranked | None:
    """Returns the images that the figures of a question show; None if there are none.

    Args:
        scores: Those of an evaluation.
        question: The name of the question's files.
        methods: Names of the methods.
    """
    known = {m for m in METRICS if f"{question}/{methods[0]}/{m}/ensemble" in scores}
    metric = ranking_metric(known)
    if metric is None:
        return None
    of = {method: scores[f"{question}/{method}/{metric}/ensemble"] for method in methods}
    with np.errstate(all="ignore"):  # a file may hold any numbers
        cases, _ = rank(list(of.values()), metric)
    if not cases:
        return None
    names = [str(name) for name in scores[f"{question}/images"][cases]]
    return Ranked(metric, names, {m: each[cases].tolist() for m, each in of.items()})
