"""A first look at a trained ensemble: what it sees, and what averaging does to its maps."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from jaxens.annotation.annotating import annotate
from jaxens.annotation.rules import Rules
from jaxens.annotation.styles import caption, labeled_arrows
from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.data.source import evenly_spaced
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.settings import MethodSettings
from jaxens.names import shorten
from jaxens.viz.colors import Colors
from jaxens.viz.map_panels import map_panel
from jaxens.viz.panels import Panel, grid, panels_figure

PAIR = ("saliency", "guided_grad_cam")  # methods whose maps are shown
ANNOTATED = 6  # images with arrows
ROWS = 5  # images with maps
LETTERS = 40  # of a title
QUICK = MethodSettings(steps=16)  # enough for the tip of an arrow
INCHES = 1.75  # of an image with a map


def first_look(
    ensemble: Ensemble,
    split: Split,
    rules: Rules = Rules(),
    temperatures: Mapping[str, float] | None = None,
) -> Figure:
    """Draws labeled arrows on some images, and maps of one member and of the ensemble on others.

    The part that people marked is outlined or crossed in yellow. Without a task whose classes
    have parts, there are no arrows.

    Args:
        ensemble: The trained ensemble.
        split: Held-out images with labels.
        rules: For the arrows.
        temperatures: As for `annotate`.

    Raises:
        UserError: No image has a label.
    """
    blocks = [_maps(ensemble, split)]
    if any(any(task.parts) for task in ensemble.tasks):
        blocks.insert(0, _arrows(ensemble, split, rules, temperatures))
    return panels_figure([*blocks], columns=len(blocks))


def _arrows(
    ensemble: Ensemble, split: Split, rules: Rules, temperatures: Mapping[str, float] | None
) -> Panel:
    rows = evenly_spaced(min(ANNOTATED, len(split)), len(split))
    names = [split.ids[row] for row in rows]
    annotations = annotate(
        ensemble,
        split.images[rows],
        rules=rules,
        names=names,
        temperatures=temperatures,
        settings=QUICK,
    )
    panels = [labeled_arrows(each) for each in annotations]
    return grid(panels, columns=2, titles=[caption(each) for each in annotations])


def _maps(ensemble: Ensemble, split: Split) -> Panel:
    """Returns a row for each image: its maps of one member and of the ensemble, by each method."""
    panels, titles = [], []
    for row, (task, index, label) in enumerate(_choose(ensemble, split)):
        image, where = split.images[index], slice(index, index + 1)
        masks, points = (of(task.parts[label], where) for of in (split.mask, split.point))
        mask, point = (None if of is None else of[0] for of in (masks, points))
        name = f"{task.name.replace('_', ' ')}: {task.classes[label].replace('_', ' ')}"
        panels.append(map_panel(image, None, mask=mask, point=point, inches=INCHES))
        titles.append(shorten(name, LETTERS))
        methods: dict[str, dict[str, Any]] = {method: {} for method in PAIR}
        maps = ensemble.explain(jnp.asarray(image[None]), label, methods, task.name)
        for method in PAIR:
            of_members = np.asarray(maps[method])[:, 0]
            shown = {"one member": of_members[0], "ensemble": of_members.mean(axis=0)}
            if ensemble.members == 1:
                del shown["ensemble"]
            for by, map in shown.items():
                colors: Colors = "signed" if METHODS[method].signed else "heat"
                panels.append(
                    map_panel(image, map, colors=colors, mask=mask, point=point, inches=INCHES)
                )
                # The columns are the same in all rows.
                titles.append("" if row else f"{METHODS[method].title}\n{by}")
    return grid(panels, columns=len(panels) // ROWS, titles=titles)


def _choose(ensemble: Ensemble, split: Split) -> list[tuple[Task, int, int]]:
    """Chooses images with a label, from each task in turn; those with parts come first."""
    examples = {task: pairs for task in ensemble.tasks if len(pairs := _labeled(split, task))}
    tasks = [task for task in examples if any(task.parts)] or list(examples)
    if not tasks:
        raise UserError("no held-out image has a label: there is nothing to explain")
    chosen = []
    for turn in range(ROWS):
        task = tasks[turn % len(tasks)]
        # A prime step spreads the turns over the split.
        index, label = examples[task][turn * 7919 % len(examples[task])].tolist()
        chosen.append((task, index, label))
    return chosen


def _labeled(split: Split, task: Task) -> Int[np.ndarray, "example 2"]:
    """Pairs (index of an image, label); a multilabel image has a pair for each label."""
    labels = split.labels[task.name]
    if task.kind == "multilabel":
        return np.argwhere(labels == 1)
    known = np.flatnonzero(labels >= 0)
    return np.stack([known, labels[known]], axis=1)
