"""A first look at an ensemble's explanations: some pictures, each member's map, the mean."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.viz.montage import Montage
from jaxens.viz.overlay import full_at, overlay

METHOD = "grad_cam"


def first_look(ensemble: Ensemble, split: Split, path: Path, rows: int = 6) -> Path:
    """Draws Grad-CAM of the label for `rows` pictures, a task after another, and saves a PNG.

    What people marked is outlined, or crossed, on the picture itself. Returns the path.
    """
    labelled = [t for t in ensemble.tasks if len(_labelled(split, t))]
    pointed = [task for task in labelled if any(task.parts)] or labelled
    if not pointed:
        raise UserError(f"no picture of {split.info.name} has a label: there is nothing to explain")
    shown = [(task, *_example(split, task, i)) for i, task in _turns(pointed, rows)]
    pictures, names = [], []
    for task, picture, target in shown:
        image = split.images[picture]
        maps = ensemble.attribute(jnp.asarray(image[None]), target, METHOD, task=task.name)[:, 0]
        layers = np.asarray(jnp.concatenate([maps, maps.mean(0, keepdims=True)]))
        pictures.append([image, *(overlay(image, layer, full_at(layer)) for layer in layers)])
        names.append(f"{task.name.replace('_', ' ')}:\n{task.classes[target]}")
    columns = ["picture", *(f"member {m}" for m in range(ensemble.members)), "mean"]
    title = f"{METHODS[METHOD].title} of the label: warm speaks for it, cold against it"
    montage = Montage(pictures, title, names, columns)
    for row, (task, picture, target) in enumerate(shown):
        parts, rows_of_split = task.parts[target], slice(picture, picture + 1)
        if (masks := split.mask(parts, rows_of_split)) is not None:
            montage.outline(row, 0, masks[0], "yellow")
        if (points := split.point(parts, rows_of_split)) is not None:
            montage.cross(row, 0, points[0], "yellow")
    return montage.save(path)


def _turns(tasks: list[Task], rows: int) -> list[tuple[int, Task]]:
    return [(i, tasks[i % len(tasks)]) for i in range(rows)]


def _example(split: Split, task: Task, turn: int) -> tuple[int, int]:
    """A picture that has a label for the task, spread over the split, and that label."""
    labelled = _labelled(split, task)
    picture, label = labelled[(turn * 7919) % len(labelled)]  # a prime: no two turns are near
    return int(picture), int(label)


def _labelled(split: Split, task: Task) -> Int[np.ndarray, "example 2"]:
    """Each picture with a label of the task, and that label; a picture may have several."""
    labels = split.labels[task.name]
    if task.kind == "multilabel":
        return np.argwhere(labels == 1)
    known = np.flatnonzero(labels >= 0)
    return np.stack([known, labels[known]], axis=1)
