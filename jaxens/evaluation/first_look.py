"""A first look at a trained ensemble: Grad-CAM of each member and of the mean on some images."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from jaxens import viz
from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.names import shorten

METHOD = "grad_cam"
LETTERS = 30  # of a name on the left of a row


def first_look(ensemble: Ensemble, split: Split, rows: int = 6) -> Figure:
    """Draws Grad-CAM of the label for some images of a split.

    The tasks take turns; those with annotated parts come first. The annotated part is outlined or
    crossed on the image.

    Args:
        ensemble: The trained ensemble.
        split: Held-out images with labels.
        rows: Number of images.

    Returns:
        A figure with a row per image: the image, each member's map, and, of several, their mean.

    Raises:
        UserError: No image has a label.
    """
    examples = {task: pairs for task in ensemble.tasks if len(pairs := _labeled(split, task))}
    tasks = [task for task in examples if any(task.parts)] or list(examples)
    if not tasks:
        raise UserError("no held-out image has a label: there is nothing to explain")
    chosen = []
    for turn in range(rows):
        task = tasks[turn % len(tasks)]
        # A prime step spreads the turns over the split.
        chosen.append((task, *examples[task][turn * 7919 % len(examples[task])].tolist()))
    maps = np.stack([_maps(ensemble, split, *choice) for choice in chosen], axis=1)
    columns = ["map"]
    if ensemble.members > 1:
        columns = [*(f"member {m}" for m in range(ensemble.members)), "mean"]
    return viz.show_maps(
        split.images[[index for _, index, _ in chosen]],
        dict(zip(columns, maps, strict=True)),
        signed=METHODS[METHOD].signed,
        title=f"{METHODS[METHOD].title} of the label: warm is evidence for it, cold against it",
        row_titles=[
            f"{shorten(task.name.replace('_', ' '), LETTERS)}:\n"
            f"{shorten(task.classes[label], LETTERS)}"
            for task, _, label in chosen
        ],
        masks=np.stack([_mask(split, *choice) for choice in chosen]),
        points=np.stack([_point(split, *choice) for choice in chosen]),
    )


def _labeled(split: Split, task: Task) -> Int[np.ndarray, "example 2"]:
    """Pairs (index of an image, label); a multilabel image has a pair for each label."""
    labels = split.labels[task.name]
    if task.kind == "multilabel":
        return np.argwhere(labels == 1)
    known = np.flatnonzero(labels >= 0)
    return np.stack([known, labels[known]], axis=1)


def _maps(ensemble: Ensemble, split: Split, task: Task, index: int, label: int) -> np.ndarray:
    """Returns the members' maps and, last, their mean; one map of one member."""
    image = jnp.asarray(split.images[index][None])
    maps = ensemble.attribute(image, label, METHOD, task=task.name)[:, 0]
    means = [maps.mean(0, keepdims=True)] * (ensemble.members > 1)
    return np.asarray(jnp.concatenate([maps, *means]))


def _mask(split: Split, task: Task, index: int, label: int) -> np.ndarray:
    """Returns the mask of the label's parts; empty without one."""
    masks = split.mask(task.parts[label], slice(index, index + 1))
    return np.zeros(split.images.shape[1:3], bool) if masks is None else masks[0]


def _point(split: Split, task: Task, index: int, label: int) -> np.ndarray:
    """Returns the key point of the label's parts; NaN without one."""
    points = split.point(task.parts[label], slice(index, index + 1))
    return np.full(2, np.nan) if points is None else points[0]
