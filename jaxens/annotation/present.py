"""Which classes are present in images, so that an arrow may point at their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from jaxens.annotation.rules import Rules
from jaxens.data.schema import Task


@dataclass(frozen=True)
class Present:
    """One class that is present in one image; `against` is what a look-alike has instead."""

    image: int
    target: int
    probability: float
    against: int | None = None


def present_classes(
    task: Task, probabilities: Float[np.ndarray, "image class"], rules: Rules
) -> list[Present]:
    """Returns the classes of each image that are probable enough and have parts to point at."""
    sure = probabilities >= rules.confidence
    if task.kind == "multiclass":
        sure &= np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
    sure &= np.array([bool(parts) for parts in task.parts])
    return [Present(i, k, float(probabilities[i, k])) for i, k in np.argwhere(sure).tolist()]


def telling_classes(
    task: Task, present: Sequence[Present], usual: Sequence[Mapping[str, tuple[int, ...]]]
) -> list[Present]:
    """Returns the classes that an image has and that its look-alike usually has not.

    Args:
        task: The task.
        present: Its classes in the images.
        usual: What the look-alike of each image usually has.
    """
    telling = []
    for each in present:
        theirs = usual[each.image].get(task.name, ())
        if each.target in theirs:
            continue
        other = theirs[0] if theirs and task.kind == "multiclass" else None
        telling.append(replace(each, against=other))
    return telling
