"""An ensemble's predictions, and the class of each image that is explained."""

import logging
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from jaxens.attribution import Contrast
from jaxens.data.photos import Photos
from jaxens.data.schema import MISSING, Task, find_task
from jaxens.ensemble.ensemble import Classes, Ensemble
from jaxens.ensemble.predictions import Predictions, probabilities
from jaxens.errors import UserError, remedy
from jaxens.names import shorten
from jaxens.tables import Table

log = logging.getLogger(__name__)


def predict(
    ensemble: Ensemble, task: Task, images: UInt8[np.ndarray, "image height width 3"]
) -> Predictions:
    """Predicts a task for images.

    One image at a time, so that a prediction does not depend on the other images.
    """
    logits = [ensemble.logits(jnp.asarray(image[None]), task.name) for image in images]
    return Predictions(task, np.asarray(probabilities(task, jnp.concatenate(logits, axis=1))))


@dataclass(frozen=True)
class Subject:
    """Images, the ensemble's predictions, and the class of each image that is explained.

    Attributes:
        photos: The images.
        predictions: The predictions of the ensemble.
        targets: The explained class of each image.
        against: Explain the targets rather than this class; None if there is no contrast.
    """

    photos: Photos
    predictions: Predictions
    targets: Int[np.ndarray, "image"]
    against: int | None

    @property
    def task(self) -> Task:
        """The task that is predicted."""
        return self.predictions.task

    def take(self, rows: Int[np.ndarray, "image"]) -> "Subject":
        """Returns the images at `rows`, in that order, and what is explained of them."""
        predictions = replace(self.predictions, members=self.predictions.members[:, rows])
        return Subject(self.photos.take(rows), predictions, self.targets[rows], self.against)

    def classes(self, rows: Int[np.ndarray, "row"]) -> Classes:
        """Returns the targets of some images, as methods take them."""
        if self.against is None:
            return self.targets[rows]
        return Contrast(self.targets[rows], np.full(len(rows), self.against))

    @property
    def labels(self) -> list[tuple[str | None, bool | None]]:
        """The label of each image, and whether it is predicted; None where it is unknown."""
        truth = self.photos.truth
        if truth is None:
            return [(None, None)] * len(self.photos)
        return [
            _label(self.task, label, int(predicted))
            for label, predicted in zip(
                truth.labels[self.task.name], self.predictions.classes, strict=True
            )
        ]

    @property
    def marks(
        self,
    ) -> tuple[Bool[np.ndarray, "image height width"] | None, Float[np.ndarray, "image 2"] | None]:
        """Masks and key points of the targets' parts; None for images without truth.

        Where an image has no mask or key point of the part, the mask is empty or the point NaN.
        """
        truth = self.photos.truth
        if truth is None:
            return None, None
        rows = range(len(self.photos))
        parts = [self.task.parts[target] for target in self.targets]
        masks = [truth.mask(parts[i], slice(i, i + 1)) for i in rows]
        points = [truth.point(parts[i], slice(i, i + 1)) for i in rows]
        no_mask, no_point = np.zeros(truth.images.shape[1:3], bool), np.full(2, np.nan)
        return (
            np.stack([no_mask if each is None else each[0] for each in masks]),
            np.stack([no_point if each is None else each[0] for each in points]),
        )

    @property
    def table(self) -> Table:
        """One row per image: prediction, agreement, what is explained, and the label if known."""
        predictions, classes = self.predictions, self.task.classes
        against = None if self.against is None else classes[self.against]
        columns = (
            "image", "prediction", "probability", "agreeing", "members", "target",
            "target_probability", "against", "label", "right",
        )  # fmt: skip
        return Table(
            columns,
            [
                (
                    name,
                    classes[predicted],
                    float(mean[predicted]),
                    int(agreeing),
                    int(members),
                    classes[target],
                    float(mean[target]),
                    against,
                    label,
                    right,
                )
                for name, predicted, mean, agreeing, members, target, (label, right) in zip(
                    self.photos.names,
                    predictions.classes,
                    predictions.mean,
                    predictions.agreeing,
                    predictions.finite.sum(axis=0),
                    self.targets,
                    self.labels,
                    strict=True,
                )
            ],
        )


def _label(task: Task, label: np.ndarray, predicted: int) -> tuple[str | None, bool | None]:
    """Returns the label in words, and whether it has the predicted class."""
    if task.kind == "multilabel":
        names = [name for name, yes in zip(task.classes, label, strict=True) if yes == 1]
        right = None if label[predicted] == MISSING else bool(label[predicted] == 1)
        return (" + ".join(names) or "none", right)
    if label == MISSING:
        return None, None
    return task.classes[int(label)], bool(label == predicted)


def choose_targets(
    ensemble: Ensemble,
    photos: Photos,
    task: str | None = None,
    target: int | str | None = None,
    against: int | str | None = None,
) -> Subject:
    """Predicts a task for images, and chooses the class of each image that is explained.

    Args:
        ensemble: The ensemble.
        photos: The images.
        task: Name of the task (default: the first).
        target: Class to explain, by name or number (default: the ensemble's prediction).
        against: Explain the target rather than this class, by name or number.

    Raises:
        UserError: If the task or a class is unknown, a target equals `against`, or every member
            gives NaN for an image.
    """
    chosen = ensemble.tasks[0] if task is None else find_task(ensemble.tasks, task)
    this = None if target is None else find_class(chosen, str(target), "target")
    other = None if against is None else find_class(chosen, str(against), "against")
    predictions = predict(ensemble, chosen, photos.images)
    _check_finite(predictions, photos)
    targets = predictions.classes if this is None else np.full(len(photos), this)
    same = np.flatnonzero(targets == other)
    if same.size:
        what = "`target`" if this is not None else f"the prediction for {photos.names[same[0]]}"
        raise UserError(
            f"`against` {chosen.classes[targets[same[0]]]} is {what}: name another class, or "
            "another `target`"
        )
    return Subject(photos, predictions, targets, other)


def _check_finite(predictions: Predictions, photos: Photos) -> None:
    """Warns of members that give NaN.

    Raises:
        UserError: If all members give NaN for an image.
    """
    finite = predictions.finite
    lost = np.flatnonzero(~finite.any(axis=0))
    if lost.size:
        raise UserError(
            f"every member gives NaN for {_names(lost, photos)}: training diverged; choose another "
            "run, or train again with a lower `learning_rate`"
        )
    for member in np.flatnonzero(~finite.all(axis=1)):
        log.warning(
            f"member {member} (0 to {len(finite) - 1}) gives NaN for "
            f"{_names(np.flatnonzero(~finite[member]), photos)}: excluded from predictions and maps"
        )


def _names(rows: Int[np.ndarray, "row"], photos: Photos) -> str:
    if len(rows) == len(photos):
        return "every image"
    return ", ".join(photos.names[row] for row in rows)


def find_class(task: Task, name: str, argument: str) -> int:
    """Returns a class by its name or number.

    Args:
        task: The task.
        name: Name or number of the class.
        argument: Named in the message of the error.

    Raises:
        UserError: If there is no such class.
    """
    if name in task.classes:
        return task.classes.index(name)
    # Python refuses to read numbers of thousands of digits.
    if name.isdecimal() and len(name) < 10 and int(name) < len(task.classes):
        return int(name)
    raise UserError(
        f"`{argument}` {shorten(name)}: {shorten(task.name)} has no such class: "
        f"{remedy(name, task.classes)} (or a number from 0 to {len(task.classes) - 1})"
    )
