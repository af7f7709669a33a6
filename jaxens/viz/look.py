"""A first look at an ensemble's explanations: some pictures, each member's map, the mean."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxens.attribution import METHODS
from jaxens.data.schema import Task, part_masks
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.viz.montage import Montage
from jaxens.viz.overlay import overlay

METHOD = "grad_cam"


def first_look(ensemble: Ensemble, split: Split, path: Path, rows: int = 6) -> Path:
    """Draws Grad-CAM of the label for `rows` pictures, a task after another, and saves a PNG.

    What people marked is outlined, or crossed, on the picture itself. Returns the path.
    """
    pointed = [task for task in ensemble.tasks if any(task.parts)] or list(ensemble.tasks)
    shown = [(task, *_example(split, task, i)) for i, task in _turns(pointed, rows)]
    pictures, names = [], []
    for task, picture, target in shown:
        image = split.images[picture]
        maps = ensemble.attribute(jnp.asarray(image[None]), target, METHOD, task=task.name)[:, 0]
        layers = np.asarray(jnp.concatenate([maps, maps.mean(0, keepdims=True)]))
        pictures.append([image, *(overlay(image, layer) for layer in layers)])
        names.append(f"{task.name.replace('_', ' ')}:\n{task.classes[target]}")
    columns = ["picture", *(f"member {m}" for m in range(ensemble.members)), "mean"]
    title = f"{METHODS[METHOD].title} of the label: warm speaks for it, cold against it"
    montage = Montage(pictures, title, names, columns)
    for row, (task, picture, target) in enumerate(shown):
        part = task.parts[target]
        if split.masks is not None and part in split.info.masks:
            mask = part_masks(split.masks[picture], split.info, part)
            montage.outline(row, 0, mask, "yellow")
        if part in split.info.points:
            point = split.points[picture, split.info.points.index(part)]
            montage.cross(row, 0, point, "yellow")
    return montage.save(path)


def _turns(tasks: list[Task], rows: int) -> list[tuple[int, Task]]:
    return [(i, tasks[i % len(tasks)]) for i in range(rows)]


def _example(split: Split, task: Task, turn: int) -> tuple[int, int]:
    """A picture that has a label for the task, spread over the split, and that label."""
    labels = split.labels[task.name]
    if task.kind == "multiclass":
        known = np.flatnonzero(labels >= 0)
        picture = known[(turn * 7919) % len(known)]
        return int(picture), int(labels[picture])
    yes = np.argwhere(labels == 1)
    picture, label = yes[(turn * 7919) % len(yes)]
    return int(picture), int(label)
