"""How well members and ensemble answer: accuracy or AUC per task."""

from dataclasses import asdict, dataclass, replace

import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens import metrics
from jaxens.arrays import in_chunks
from jaxens.data.schema import Task
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble, mean_probabilities
from jaxens.models.memory import images_at_once


@dataclass(frozen=True)
class Quality:
    """A task's score: accuracy (multiclass) or AUC, the mean over labels (multilabel).

    `chance` is the accuracy of always naming the most frequent class, or an AUC of one half.
    """

    task: str
    measure: str
    members: tuple[float, ...]
    ensemble: float
    chance: float
    baseline: float | None = None  # of the member trained on all data, where there is one

    @property
    def mean(self) -> float:
        """The average member's score."""
        return float(np.mean(self.members))

    def as_dict(self) -> dict:
        return asdict(self) | {"mean": self.mean}


def quality(ensemble: Ensemble, split: Split) -> list[Quality]:
    """Scores every task of an ensemble on the pictures of a split."""
    logits = all_logits(ensemble, split)
    scores = [task_quality(t, logits[t.name], split.labels[t.name]) for t in ensemble.tasks]
    if ensemble.baseline is None:
        return scores
    alone = quality(ensemble.baseline_ensemble(), split)
    return [replace(q, baseline=b.ensemble) for q, b in zip(scores, alone, strict=True)]


def all_logits(ensemble: Ensemble, split: Split) -> dict[str, Float[Array, "member image _"]]:
    """Every member's logits for all images of a split."""
    at_once = images_at_once(ensemble.model, split.images.shape[1], ensemble.members)
    chunk = max(1, at_once // ensemble.members)
    return in_chunks(ensemble.all_logits, chunk, split.images, out_axis=1)


def task_quality(
    task: Task, logits: Float[Array, "member image class"], labels: np.ndarray
) -> Quality:
    """One task's score for each member and for their averaged probabilities."""
    averaged = mean_probabilities(task, logits)
    if task.kind == "multiclass":
        known = labels[labels >= 0]
        chance = np.bincount(known).max() / len(known) if len(known) else np.nan
        measure, score = "accuracy", metrics.accuracy
    else:
        chance, measure, score = 0.5, "AUC", metrics.mean_auc
    return Quality(
        task.name,
        measure,
        tuple(np.asarray(score(logits, labels), np.float64).tolist()),
        float(score(averaged, labels)),
        float(chance),
    )
