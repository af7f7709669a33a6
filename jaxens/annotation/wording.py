"""What is seen in an image, in words."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from jaxens.data.schema import MISSING, Task
from jaxens.names import shorten

# The usual values of each class: by its number, the classes of each task that most of its images
# have.
Typical = Mapping[int, Mapping[str, tuple[int, ...]]]


def label_of(task: Task, k: int) -> str:
    """Returns the label of an arrow for a class, such as "short bill" or "cheek patch".

    A class of several parts, such as a breed, is named without them.
    """
    name = plain(task.classes[k])
    part = plain(task.parts[k][0]) if len(task.parts[k]) == 1 else ""
    return name if not part or part.casefold() in name.casefold() else f"{name} {part}"


def plain(name: str) -> str:
    """Returns a name without underscores."""
    return name.replace("_", " ")


def typical(
    labels: Mapping[str, Int[np.ndarray, "image"] | Int[np.ndarray, "image class"]],
    tasks: Sequence[Task],
) -> Typical:
    """Returns what most images of each class have, from the labels of a data set.

    Args:
        labels: Per task, a class or a 0 or 1 per class.
        tasks: The first one without parts has the classes, such as the species; those with parts
            describe them.
    """
    headline, described = split_tasks(tasks)
    if headline is None:
        return {}
    by_class = {}
    for k in range(len(headline.classes)):
        rows = labels[headline.name] == k
        by_class[k] = {task.name: _usual(task, labels[task.name][rows]) for task in described}
    return by_class


def split_tasks(tasks: Sequence[Task]) -> tuple[Task | None, list[Task]]:
    """Returns the first task without parts, whose class is predicted, and all tasks with parts."""
    headline = next((task for task in tasks if not any(task.parts)), None)
    return headline, [task for task in tasks if any(task.parts)]


def _usual(task: Task, labels: Int[np.ndarray, "image ..."]) -> tuple[int, ...]:
    if task.kind == "multilabel":
        known = (labels != MISSING).sum(axis=0)
        return tuple(np.flatnonzero((labels == 1).sum(axis=0) * 2 > known).tolist())
    count = np.bincount(labels[labels != MISSING], minlength=len(task.classes))
    most = int(count.argmax())
    return (most,) if count[most] * 2 > count.sum() else ()


def describe(labels: Sequence[str], unlike: str = "", instead: Sequence[str] = ()) -> str:
    """Returns a sentence: "short bill and barred wing; unlike the jay, which has a long bill".

    Long names lose their middle.

    Args:
        labels: What is seen, in the order of importance.
        unlike: A class that looks alike, or "".
        instead: Labels that the look-alike has and the image lacks.
    """
    seen = enumeration(list(map(shorten, labels))) or "nothing that the network is sure of"
    if not unlike or not instead:
        return seen
    theirs = enumeration([_a(shorten(each)) for each in instead])
    return f"{seen}; unlike the {shorten(unlike)}, which has {theirs}"


def enumeration(words: Sequence[str]) -> str:
    """Returns words with commas, and an "and" before the last one."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].casefold() in 'aeiou' else 'a'} {noun}"
