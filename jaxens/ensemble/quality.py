"""Scores the predictions of members and ensemble: accuracy or AUC for each task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxens import metrics
from jaxens.data.schema import Task
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predicting import all_logits
from jaxens.ensemble.predictions import mean_probabilities
from jaxens.tables import Table


@dataclass(frozen=True)
class Quality:
    """The scores of one task's predictions, from 0 to 1.

    Attributes:
        task: Name of the task.
        measure: "accuracy" (multiclass), or "AUC", the mean over labels (multilabel).
        members: Score of each member.
        ensemble: Score of the members' mean probabilities.
        chance: Accuracy of always predicting the most frequent class, or an AUC of one half.
        baseline: Score of the member trained on all data, or None if there is none.
    """

    task: str
    measure: str
    members: tuple[float, ...]
    ensemble: float
    chance: float
    baseline: float | None = None

    @property
    def mean(self) -> float:
        """Mean score of the members, a fraction."""
        return float(np.mean(self.members))

    def as_dict(self) -> dict:
        """Returns the attributes and the mean by name."""
        return asdict(self) | {"mean": self.mean}


def quality(ensemble: Ensemble, split: Split) -> list[Quality]:
    """Returns the scores of every task on the images of a split.

    Args:
        ensemble: The members, and the baseline if there is one.
        split: Images with labels for each of the ensemble's tasks.
    """
    logits = all_logits(ensemble, split.images)
    if ensemble.baseline is None:
        return quality_of_logits(ensemble.tasks, logits, split)
    of_baseline = all_logits(ensemble.baseline_ensemble(), split.images)
    return quality_of_logits(ensemble.tasks, logits, split, of_baseline)


def quality_of_logits(
    tasks: Sequence[Task],
    logits: Mapping[str, Float[Array | np.ndarray, "member image _"]],
    split: Split,
    of_baseline: Mapping[str, Float[Array | np.ndarray, "1 image _"]] | None = None,
) -> list[Quality]:
    """Returns the scores of every task.

    Args:
        tasks: The tasks.
        logits: Every member's logits for the images of the split, by task.
        split: Images with labels for each of the tasks.
        of_baseline: The logits of the member trained on all data (None: there is none).
    """
    scores = [task_quality(t, logits[t.name], split.labels[t.name]) for t in tasks]
    if of_baseline is None:
        return scores
    baselines = quality_of_logits(tasks, of_baseline, split)
    return [replace(q, baseline=b.ensemble) for q, b in zip(scores, baselines, strict=True)]


def quality_table(scores: Sequence[Quality]) -> Table:
    """Returns a row for each task: the scores of members, ensemble and chance.

    There is a column of the member trained on all data where there is one.

    Args:
        scores: From `quality`.
    """
    columns: tuple[str, ...] = (
        "task", "measure", "average member", "worst", "best", "ensemble", "chance",
    )  # fmt: skip
    rows: list[tuple[object, ...]] = [
        (q.task, q.measure, q.mean, min(q.members), max(q.members), q.ensemble, q.chance)
        for q in scores
    ]
    if any(q.baseline is not None for q in scores):
        columns += ("all data",)
        rows = [(*row, q.baseline) for row, q in zip(rows, scores, strict=True)]
    return Table(columns, rows)


def task_quality(
    task: Task,
    logits: Float[Array | np.ndarray, "member image class"],
    labels: Int[np.ndarray, "image"] | Int[np.ndarray, "image class"],
) -> Quality:
    """Returns one task's score for each member and for their mean probabilities.

    Args:
        task: The task.
        logits: Every member's logits.
        labels: The class of each image (multiclass), or 0 or 1 for each label (multilabel). -1
            where it is unknown: such labels are left out.
    """
    averaged = mean_probabilities(task, jnp.asarray(logits))
    if task.kind == "multiclass":
        known = labels[labels >= 0]
        chance = np.bincount(known).max() / len(known) if len(known) else np.nan
        measure = "accuracy"
        score: Callable[..., Array] = metrics.accuracy
    else:
        chance, measure, score = 0.5, "AUC", metrics.mean_auc
    return Quality(
        task.name,
        measure,
        tuple(np.asarray(score(logits, labels), np.float64).tolist()),
        float(score(averaged, labels)),
        float(chance),
    )
