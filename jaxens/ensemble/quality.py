"""How well members and ensemble answer: accuracy or AUC per task."""

from dataclasses import asdict, dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens import metrics
from jaxens.data.schema import Task
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble, mean_probabilities

BATCH = 250  # pictures whose logits are computed at once, for all members


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

    @property
    def mean(self) -> float:
        """The average member's score."""
        return float(np.mean(self.members))

    def as_dict(self) -> dict:
        return asdict(self) | {"mean": self.mean}


def quality(ensemble: Ensemble, split: Split, batch: int) -> list[Quality]:
    """Scores every task of an ensemble on the pictures of a split, `batch` at a time."""
    logits = all_logits(ensemble, split, batch)
    return [task_quality(t, logits[t.name], split.labels[t.name]) for t in ensemble.tasks]


def all_logits(
    ensemble: Ensemble, split: Split, batch: int
) -> dict[str, Float[Array, "member image _"]]:
    """Every member's logits for all pictures of a split.

    The last batch is filled up, so that one compiled program serves all of them.
    """
    batch = min(batch, len(split))
    parts = []
    for start in range(0, len(split), batch):
        rows = np.arange(start, start + batch) % len(split)
        parts.append(ensemble.all_logits(jnp.asarray(split.images[rows])))
    return {
        task.name: jnp.concatenate([p[task.name] for p in parts], axis=1)[:, : len(split)]
        for task in ensemble.tasks
    }


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
