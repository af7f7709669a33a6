"""What an ensemble says of pictures, and what of that is explained."""

import difflib
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from jaxens.attribution import Contrast
from jaxens.data.pictures import Pictures
from jaxens.data.schema import Task
from jaxens.ensemble.ensemble import Classes, Ensemble
from jaxens.ensemble.explaining import probabilities
from jaxens.errors import UserError, notice


@dataclass(frozen=True)
class Predictions:
    """The members' probabilities of a task's classes."""

    task: Task
    members: Float[np.ndarray, "member picture class"]

    @property
    def sound(self) -> Bool[np.ndarray, "member picture"]:
        """Who has an answer: a member that gives NaN has none, and no say in the ensemble's."""
        return np.isfinite(self.members).all(axis=-1)

    @property
    def mean(self) -> Float[np.ndarray, "picture class"]:
        return self.members.mean(axis=0, where=self.sound[..., None])

    @property
    def classes(self) -> Int[np.ndarray, "picture"]:
        """The ensemble's answer: the class (of a multilabel task, the label) of the highest
        mean probability."""
        return self.mean.argmax(axis=-1)

    @property
    def agreeing(self) -> Int[np.ndarray, "picture"]:
        """Members that say the same: whose own answer it is, or, of a multilabel task, who find
        the label more probable than not."""
        if self.task.kind == "multilabel":
            said = np.take_along_axis(self.members, self.classes[None, :, None], axis=-1)[..., 0]
            return (said > 0.5).sum(axis=0)
        return (self.sound & (self.members.argmax(axis=-1) == self.classes)).sum(axis=0)


def predict(
    ensemble: Ensemble, task: Task, images: UInt8[np.ndarray, "picture height width 3"]
) -> Predictions:
    """One picture after another: a few, with all members at once."""
    logits = [ensemble.logits(jnp.asarray(image[None]), task.name) for image in images]
    return Predictions(task, np.asarray(probabilities(task, jnp.concatenate(logits, axis=1))))


@dataclass(frozen=True)
class Subject:
    """Pictures, what the ensemble says of them, and the class of each that is explained."""

    pictures: Pictures
    predictions: Predictions
    targets: Int[np.ndarray, "picture"]
    against: int | None  # the class that the targets are told from

    @property
    def task(self) -> Task:
        return self.predictions.task

    def classes(self, rows: Int[np.ndarray, "some"]) -> Classes:
        """What is explained of some pictures, as a method takes it."""
        if self.against is None:
            return self.targets[rows]
        return Contrast(self.targets[rows], np.full(len(rows), self.against))


def subject(
    ensemble: Ensemble, task: Task, pictures: Pictures, target: int | None, against: int | None
) -> Subject:
    """The target is the ensemble's answer unless `target` names one; with `against`, why that
    rather than this.

    Raises `UserError` where both are the same, or no member has an answer.
    """
    predictions = predict(ensemble, task, pictures.images)
    _tell_unsound(predictions, pictures)
    targets = predictions.classes if target is None else np.full(len(pictures), target)
    same = np.flatnonzero(targets == against)
    if same.size:
        who = "is what the ensemble says of " + pictures.names[same[0]]
        raise UserError(
            f"--against {task.classes[targets[same[0]]]} {who if target is None else 'is --target'}"
            ": name another class, or another --target"
        )
    return Subject(pictures, predictions, targets, against)


def _tell_unsound(predictions: Predictions, pictures: Pictures) -> None:
    """Names the members that give NaN. Raises `UserError` if all do for some picture."""
    sound = predictions.sound
    lost = np.flatnonzero(~sound.any(axis=0))
    if lost.size:
        raise UserError(
            f"every member gives NaN for {_named(lost, pictures)}: the training diverged, choose a "
            "run that did not, or train anew with a lower --learning-rate"
        )
    for member in np.flatnonzero(~sound.all(axis=1)):
        notice(
            f"member {member} (0 to {len(sound) - 1}) gives NaN for "
            f"{_named(np.flatnonzero(~sound[member]), pictures)}: left out of the predictions and "
            "the mean maps"
        )


def _named(rows: Int[np.ndarray, "some"], pictures: Pictures) -> str:
    if len(rows) == len(pictures):
        return "every picture"
    return ", ".join(pictures.names[row] for row in rows)


def find_task(tasks: tuple[Task, ...], name: str | None) -> Task:
    """The task of this name, or the first. Raises `UserError` if there is none."""
    if name is None:
        return tasks[0]
    for task in tasks:
        if task.name == name:
            return task
    raise UserError(f"no task {name!r}: --task among {', '.join(task.name for task in tasks)}")


def find_class(task: Task, asked: str, flag: str) -> int:
    """A class by its name or number. Raises `UserError` if there is none, naming `flag`."""
    if asked in task.classes:
        return task.classes.index(asked)
    if asked.isdecimal() and int(asked) < len(task.classes):
        return int(asked)
    near = difflib.get_close_matches(asked, task.classes, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(
        f"{flag} {asked}: {task.name} has no such class: {hint}choose from "
        f"{', '.join(task.classes)}, or a number from 0 to {len(task.classes) - 1}"
    )
