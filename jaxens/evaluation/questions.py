"""The questions of an evaluation: which images and targets, against which truth."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxens.data.schema import MISSING, Task, find_task
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predicting import all_probabilities
from jaxens.errors import UserError
from jaxens.metrics import METRICS

log = logging.getLogger(__name__)
Explained = Literal["label", "prediction"]


@dataclass(frozen=True)
class Question:
    """Images, the class that is explained for each, and the part that a person would point at.

    A multiclass task is one question for each set of parts; each label of a multilabel task is
    one question. If the parts of a task are separate, there is one question for each of them.

    Attributes:
        name: The name of the task; with the label if the task is multilabel, and with the parts if
            classes of the task have different ones. Two questions never have the same name.
        task: The task.
        part: Names of the parts.
        images: Rows of the split.
        targets: Classes of the task.
        masks: Union of the parts' masks; None if the data set has none of them.
        points: Mean of the parts' visible key points (x, y), as fractions of width and height;
            None if the data set has none of them.
        ignored: Pixels that may or may not show the parts; None if the data set names none.
        left_out: Number of images that are left out, by reason.
        classes: All classes of the task that the question is about.
    """

    name: str
    task: Task
    part: str
    images: Int[np.ndarray, "case"]
    targets: Int[np.ndarray, "case"]
    masks: Bool[np.ndarray, "case height width"] | None
    points: Float[np.ndarray, "case 2"] | None
    left_out: Mapping[str, int] = field(default_factory=dict)
    ignored: Bool[np.ndarray, "case height width"] | None = None
    classes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def without_truth(self, metric: str) -> dict[str, int]:
        """Counts the images whose truth gives no score by a metric, by reason."""
        if METRICS[metric].truth == "point":
            hidden = () if self.points is None else np.isnan(self.points).any(axis=-1)
            return {"no key point": int(np.sum(hidden))}
        masks = np.ones((0, 1, 1), bool) if self.masks is None else self.masks
        marked = masks.any(axis=(1, 2))
        reasons = {"no mask": int(np.sum(~marked))}
        if METRICS[metric].needs_outside:
            full = masks if self.ignored is None else masks | self.ignored
            reasons["a mask that fills the image"] = int(np.sum(marked & full.all(axis=(1, 2))))
        return reasons


def questions(
    tasks: tuple[Task, ...],
    split: Split,
    explained: Explained,
    predicted: Mapping[str, Float[np.ndarray, "image class"]],
) -> list[Question]:
    """Returns the questions of all tasks whose parts have masks or key points.

    Images without label or truth are left out and counted.

    Args:
        tasks: The tasks.
        split: Images with labels, masks and key points.
        explained: "label", or "prediction": the most probable class (of a multilabel task, every
            label with a probability above one half).
        predicted: The ensemble's probabilities by task.
    """
    result = []
    marked = {*split.info.masks, *split.info.points}
    for task in tasks:
        truths = [((part,) for part in p) if task.separate else (p,) for p in task.parts]
        classes_of: dict[tuple[str, ...], list[int]] = {}
        for k, of_class in enumerate(truths):
            for parts in of_class:
                if marked & set(parts):
                    classes_of.setdefault(parts, []).append(k)
        for parts, classes in classes_of.items():
            several = len(classes_of) > 1
            name = f"{task.name}: {' and '.join(parts)}" if several else task.name
            result += _of_parts(name, task, parts, classes, split, explained, predicted)
    return result


def choose_questions(
    ensemble: Ensemble,
    split: Split,
    names: Sequence[str] | None = None,
    explained: Explained = "label",
) -> tuple[list[Question], dict[str, Float[np.ndarray, "image class"]]]:
    """Returns the questions that have an image, and warns of the others.

    Args:
        ensemble: Its predictions are returned, and explained if `explained` says so.
        split: Images with labels, masks and key points.
        names: Of the tasks (default: all).
        explained: As for `questions`.

    Returns:
        The questions, and the ensemble's probabilities by task.

    Raises:
        UserError: If a task is unknown, a member gives NaN, or no question has an image.
    """
    for name in names or ():
        find_task(ensemble.tasks, name)
    tasks = tuple(task for task in ensemble.tasks if not names or task.name in names)
    listed = ", ".join(task.name for task in tasks)
    predicted = all_probabilities(ensemble, split.images, tasks)
    if explained == "label" and all((split.labels[t.name] == MISSING).all() for t in tasks):
        raise UserError(
            f"no held-out image has a label for {listed}: explain the prediction, or choose other "
            "tasks or images"
        )
    candidates = questions(tasks, split, explained, predicted)
    if not any(map(len, candidates)):
        raise UserError(
            f"no held-out image has a mask or key point for {listed}: choose other tasks or images"
        )
    for question in candidates:
        if not len(question):
            reasons = ", ".join(f"{n} with {why}" for why, n in question.left_out.items() if n)
            log.warning(f"{question.name}: no image to explain ({reasons or 'none has it'})")
    return [question for question in candidates if len(question)], predicted


def with_same_maps(questions: Sequence[Question]) -> list[list[Question]]:
    """Groups questions that differ in their truth alone: maps of an image serve all of a group.

    Args:
        questions: Any number of questions.
    """
    groups: list[list[Question]] = []
    for question in questions:
        for group in groups:
            if all(_share_maps(question, other) for other in group):
                group.append(question)
                break
        else:
            groups.append([question])
    return groups


def _share_maps(one: Question, other: Question) -> bool:
    """Returns whether the same class of the images that both have is explained."""
    _, ours, theirs = np.intersect1d(one.images, other.images, return_indices=True)
    same = np.array_equal(one.targets[ours], other.targets[theirs])
    return one.task.name == other.task.name and len(ours) > 0 and same


def count_images(questions: Sequence[Question]) -> int:
    """Returns the number of images that some questions are about; those of several count once."""
    return len(np.unique(np.concatenate([question.images for question in questions])))


def have_marks(
    split: Split, parts: Sequence[str], images: Int[np.ndarray, "image"]
) -> Bool[np.ndarray, "image"]:
    """Returns which images have a mask or a key point of some parts.

    Args:
        split: Images with masks and key points.
        parts: Names of parts.
        images: Rows of the split.
    """
    marked = np.zeros(len(images), bool)
    if (masks := split.mask(parts, images)) is not None:
        marked |= masks.any(axis=(1, 2))
    if (points := split.point(parts, images)) is not None:
        marked |= ~np.isnan(points).any(axis=-1)
    return marked


def _of_parts(
    name: str,
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
                f"{name if task.separate else task.name}: {task.classes[k]}",
                task,
                parts,
                np.flatnonzero(chosen[:, k]),
                np.full(chosen[:, k].sum(), k),
                (k,),
                split,
                {"no label": int(unknown[:, k].sum())},
            )
            for k in classes
        ]
    chosen = labels if explained == "label" else predicted[task.name].argmax(axis=-1)
    images = np.flatnonzero(np.isin(chosen, classes))
    unknown = {"no label": int(np.sum(chosen == MISSING))}
    return [_question(name, task, parts, images, chosen[images], tuple(classes), split, unknown)]


def _question(
    name: str,
    task: Task,
    parts: tuple[str, ...],
    images: np.ndarray,
    targets: np.ndarray,
    classes: tuple[int, ...],
    split: Split,
    left_out: dict[str, int],
) -> Question:
    """Leaves out the images in which the parts have neither mask nor key point."""
    part = " and ".join(parts)
    marked = have_marks(split, parts, images)
    masks, points = split.mask(parts, images), split.point(parts, images)
    return Question(
        name,
        task,
        part,
        images[marked],
        targets[marked].astype(np.int32),
        None if masks is None else masks[marked],
        None if points is None else points[marked],
        left_out | {f"no {part} marked": int(np.sum(~marked))},
        split.ignored(parts, images[marked]),
        classes,
    )
