"""The questions of an evaluation: which images and targets, against which truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxens.data.schema import MISSING, Task
from jaxens.data.source import Split

Explained = Literal["label", "prediction"]


@dataclass(frozen=True)
class Question:
    """Images, a class of one task for each, and the part that a person would point at.

    A multiclass task is one question; each label of a multilabel task is one.
    """

    name: str
    task: Task
    part: str
    images: Int[np.ndarray, "case"]  # rows of the split
    targets: Int[np.ndarray, "case"]  # classes of the task
    masks: Bool[np.ndarray, "case height width"] | None
    points: Float[np.ndarray, "case 2"] | None
    left_out: Mapping[str, int] = field(default_factory=dict)  # why, how many

    def __len__(self) -> int:
        return len(self.images)

    def without_truth(self, metric: str) -> int:
        """Images whose part lacks what this metric needs: the region, or the key point."""
        if metric == "distance":
            return 0 if self.points is None else int(np.isnan(self.points).any(axis=-1).sum())
        return 0 if self.masks is None else int((~self.masks.any(axis=(1, 2))).sum())


def questions(
    tasks: tuple[Task, ...],
    split: Split,
    explained: Explained,
    predicted: Mapping[str, Float[np.ndarray, "image class"]],
) -> list[Question]:
    """The questions of all tasks that have a part with a region or a point.

    `explained` is the label, or the class that the ensemble finds most probable (of a
    multilabel task: each label that it finds more probable than not), out of `predicted`,
    the ensemble's probabilities. Images without truth are left out and counted.
    """
    found = []
    for task in tasks:
        for parts in dict.fromkeys(task.parts):
            if set(parts) & {*split.info.masks, *split.info.points}:
                classes = [k for k, names in enumerate(task.parts) if names == parts]
                found += _of_parts(task, parts, classes, split, explained, predicted)
    return found


def _of_parts(
    task: Task,
    parts: tuple[str, ...],
    classes: list[int],
    split: Split,
    explained: Explained,
    predicted: Mapping[str, np.ndarray],
) -> list[Question]:
    labels = split.labels[task.name]
    if task.kind == "multilabel":
        chosen = labels == 1 if explained == "label" else predicted[task.name] > 0.5
        unknown = (labels == MISSING) if explained == "label" else np.zeros_like(chosen)
        return [
            _question(
                f"{task.name}: {task.classes[k]}",
                task,
                parts,
                np.flatnonzero(chosen[:, k]),
                np.full(chosen[:, k].sum(), k),
                split,
                {"no label": int(unknown[:, k].sum())},
            )
            for k in classes
        ]
    chosen = labels if explained == "label" else predicted[task.name].argmax(axis=-1)
    images = np.flatnonzero(np.isin(chosen, classes))
    unknown = {"no label": int(np.sum(chosen == MISSING))}
    return [_question(task.name, task, parts, images, chosen[images], split, unknown)]


def _question(
    name: str,
    task: Task,
    parts: tuple[str, ...],
    images: np.ndarray,
    targets: np.ndarray,
    split: Split,
    left_out: dict[str, int],
) -> Question:
    """Drops the images in which the parts have neither region nor point."""
    part = " and ".join(parts)
    seen = np.zeros(len(images), bool)
    if (masks := split.mask(parts, images)) is not None:
        seen |= masks.any(axis=(1, 2))
    if (points := split.point(parts, images)) is not None:
        seen |= ~np.isnan(points).any(axis=-1)
    return Question(
        name,
        task,
        part,
        images[seen],
        targets[seen].astype(np.int32),
        None if masks is None else masks[seen],
        None if points is None else points[seen],
        left_out | {f"no {part} marked": int(np.sum(~seen))},
    )
