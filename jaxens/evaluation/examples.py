"""Three images of a question, those with the worst, the median and the best score, with their maps.

The figures show the mean map of each method on the three images, and the maps of all members on
the median one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8

from jaxens.attribution import METHODS
from jaxens.chunks import in_chunks_to_host
from jaxens.data.split import Split
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.question_result import QuestionResult
from jaxens.evaluation.settings import group_methods
from jaxens.metrics import METRICS
from jaxens.names import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANKS = ("worst", "median", "best")
LETTERS = 30  # of a name on the left of a row


@dataclass(frozen=True)
class Examples:
    """The worst, the median and the best image of a question, and their maps by each method.

    Attributes:
        question: Name of the question.
        metric: The metric that the images are ranked by.
        names: Ids of the images.
        targets: Names of the classes that are explained.
        scores: The numbers that they are ranked by, see `rank`.
        images: RGB.
        means: The mean map, by method.
        members: The maps of the members on the median image, by method.
        masks: As in `Question`.
        points: As in `Question`.
    """

    question: str
    metric: str
    names: Sequence[str]
    targets: Sequence[str]
    scores: Float[np.ndarray, "rank"]
    images: UInt8[np.ndarray, "rank height width 3"]
    means: Mapping[str, Float[np.ndarray, "rank height width"]]
    members: Mapping[str, Float[np.ndarray, "member height width"]]
    masks: Bool[np.ndarray, "rank height width"] | None
    points: Float[np.ndarray, "rank 2"] | None

    def ranked_figure(self) -> "Figure":
        """Draws a row for each image: the mean map by every method, and what people marked."""
        from jaxens import viz

        metric = METRICS[self.metric].title
        rows = zip(RANKS, self.names, self.targets, self.scores, strict=True)
        return viz.show_maps(
            self.images,
            {METHODS[method].title: maps for method, maps in self.means.items()},
            signed={METHODS[method].title: METHODS[method].signed for method in self.means},
            title=f"{shorten(self.question)}: mean maps on three images, by their {metric}; "
            "yellow: the marked part",
            row_titles=[
                f"{rank}: {shorten(name, LETTERS)}\n{shorten(target, LETTERS)}\n"
                f"{metric}, mean over methods: {score:.3f}"
                for rank, name, target, score in rows
            ],
            masks=self.masks,
            points=self.points,
            mark_maps=True,
        )

    def members_figure(self) -> "Figure":
        """Draws a row for each method: the members' maps of the median image, mean and spread."""
        from jaxens import viz

        rows = len(self.members)
        middle = [RANKS.index("median")] * rows
        return viz.show_members(
            self.images[middle],
            np.stack(list(self.members.values()), axis=1),
            signed=[METHODS[method].signed for method in self.members],
            title=f"{shorten(self.question)}: members' maps of "
            f"{shorten(self.names[middle[0]], LETTERS)}, the median image; yellow: the marked part",
            captions=[METHODS[method].title for method in self.members],
            masks=None if self.masks is None else self.masks[middle],
            points=None if self.points is None else self.points[middle],
        )


def ranking_metric(metrics: Collection[str]) -> str | None:
    """Returns the metric that images are ranked by, or None: the first of `METRICS` that judges."""
    judges = (name for name in METRICS if name in metrics and METRICS[name].decisive)
    return next(judges, None)


def rank(
    scores: Sequence[Float[np.ndarray, "case"]], metric: str
) -> tuple[list[int], Float[np.ndarray, "case"]]:
    """Returns the cases with the worst, the median and the best score, and what ranks them.

    A case is ranked by its mean over methods. Without three cases that have a score by every
    method, none is returned.

    Args:
        scores: Scores of the mean map, for each method; NaN where there is none.
        metric: Name in `METRICS`.
    """
    mean = np.mean(scores, axis=0)
    scored = np.flatnonzero(np.isfinite(mean))
    if len(scored) < len(RANKS):
        return [], mean
    quality = mean if METRICS[metric].higher_is_better else -mean
    order = scored[np.argsort(quality[scored], kind="stable")]
    return [int(order[place]) for place in (0, len(order) // 2, -1)], mean


def examples_of(explainer: Explainer, split: Split, result: QuestionResult) -> Examples | None:
    """Explains the worst, the median and the best image of a question; None without scores.

    Args:
        explainer: The explainer of the ensemble.
        split: The images.
        result: What the evaluation of the question gave.
    """
    question, methods = result.question, list(result.scores)
    metric = ranking_metric({row.metric for row in result.rows})
    if metric is None:
        return None
    cases, scores = rank([result.scores[m].scores[metric].ensemble for m in methods], metric)
    if not cases:
        return None
    maps = _maps(explainer, split, result, np.array(cases))
    middle = RANKS.index("median")
    return Examples(
        question.name,
        metric,
        [split.ids[i] for i in question.images[cases]],
        [question.task.classes[k] for k in question.targets[cases]],
        scores[cases],
        split.images[question.images[cases]],
        {method: maps[method].mean(axis=0) for method in methods},
        {method: maps[method][:, middle] for method in methods},
        None if question.masks is None else question.masks[cases],
        None if question.points is None else question.points[cases],
    )


def _maps(
    explainer: Explainer, split: Split, result: QuestionResult, cases: np.ndarray
) -> dict[str, Float[np.ndarray, "member rank height width"]]:
    question = result.question
    maps: dict[str, np.ndarray] = {}
    for group in group_methods(list(result.scores)):

        def explain(rows: np.ndarray, group: Sequence[str] = group) -> dict:
            images = question.images[cases[rows]]
            return explainer.maps(
                group,
                split.images[images],
                split.places[images],
                question.targets[cases[rows]],
                question.task.name,
            )

        # As many images as are scored at once: the same program, which is compiled already.
        maps |= in_chunks_to_host(explain, explainer.chunks(group)[0], len(cases), axis=1)
    return maps
