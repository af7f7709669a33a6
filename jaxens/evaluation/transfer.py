"""Prepares an evaluation on another data set than the one that an ensemble was trained on.

An ensemble that has learned the pattern of wings can be scored against the wings of images whose
pattern nobody has labeled (Pazzani et al. 2022, section 5.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int, Int8, Int32

from jaxens.data.schema import MISSING, Info, Task, is_ignored
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError, remedy


def on_other(
    ensemble: Ensemble, split: Split, parts: Mapping[str, Sequence[str]] | None = None
) -> tuple[Ensemble, Split]:
    """Matches an ensemble with the images of another data set, as `evaluate` takes both.

    A part of the ensemble's tasks is looked for under its own name, unless `parts` gives other
    names. A task without parts has the truth that `parts` gives it. A label is kept where the data
    set has a task of the same name and kind, with a class of the same name; all other labels are
    `MISSING`, so that only predictions can be explained.

        ensemble, split = on_other(ensemble, split, {"bill": ["beak"]})
        evaluate(ensemble, split, explained="prediction")

    Args:
        ensemble: The ensemble.
        split: Images of another data set.
        parts: By the name of a part of the ensemble's tasks, or of a task that has no parts: the
            names of the parts of the data set that are its truth.

    Returns:
        The ensemble with the data set's names of parts, and the split with the labels of the
        ensemble's tasks.

    Raises:
        UserError: If there is no such part, or the data set has truth for no task.
    """
    tasks = tuple(_with_parts(task, split.info, parts or {}) for task in ensemble.tasks)
    _check_parts(ensemble.tasks, tasks, split.info, parts or {})
    labels = {task.name: _labels(task, split) for task in tasks}
    return replace(ensemble, tasks=tasks), replace(split, labels=labels)


def _with_parts(task: Task, info: Info, renamed: Mapping[str, Sequence[str]]) -> Task:
    """Returns a task whose parts are those of a data set; parts that it lacks are left out."""
    known = {*info.masks, *info.points}
    if not any(task.parts):
        return replace(task, parts=(tuple(renamed.get(task.name, ())),) * len(task.classes))
    parts = tuple(
        tuple(dict.fromkeys(new for name in names for new in renamed.get(name, (name,))))
        for names in task.parts
    )
    return replace(task, parts=tuple(tuple(n for n in names if n in known) for names in parts))


def _check_parts(
    before: Sequence[Task], after: Sequence[Task], info: Info, renamed: Mapping[str, Sequence[str]]
) -> None:
    parts = list(dict.fromkeys(p for task in before for names in task.parts for p in names))
    tasks = [task.name for task in before if not any(task.parts)]
    known = [name for name in dict.fromkeys((*info.masks, *info.points)) if not is_ignored(name)]
    for name, others in renamed.items():
        if name not in (*parts, *tasks):
            raise UserError(
                f"`parts` {name}=...: {name!r} is neither a part of the run, nor a task of it "
                f"without parts: {remedy(name, [*parts, *tasks])}"
            )
        for other in others:
            if other not in known:
                raise UserError(
                    f"`parts` {name}={other}: {info.name} has no part {other!r}: "
                    f"{remedy(other, known) if known else 'it has no truth at all'}"
                )
    if not any(names for task in after for names in task.parts):
        owners = [
            *([f"a part of the run ({', '.join(parts)})"] if parts else []),
            *([f"a task of it without parts ({', '.join(tasks)})"] if tasks else []),
        ]
        raise UserError(
            f"{info.name} has no masks or key points of the run's parts: add `parts` NAME=OTHER, "
            f"where NAME is {' or '.join(owners)}, and OTHER is one of {', '.join(known) or 'none'}"
        )


def _labels(
    task: Task, split: Split
) -> Int32[np.ndarray, "image"] | Int8[np.ndarray, "image class"]:
    """Returns the labels of a task of another data set, as numbers of this task's classes."""
    others = {other.name: other for other in split.info.tasks if other.kind == task.kind}
    other = others.get(task.name)
    if task.kind == "multiclass":
        if other is None:
            return np.full(len(split), MISSING, np.int32)
        # The last row is for labels that are missing, -1.
        places = np.array([*_places(other.classes, task.classes), MISSING], np.int32)
        return places[split.labels[task.name]]
    labels = np.full((len(split), len(task.classes)), MISSING, np.int8)
    if other is not None:
        places = _places(task.classes, other.classes)
        labels[:, places >= 0] = split.labels[task.name][:, places[places >= 0]]
    return labels


def _places(names: Sequence[str], known: Sequence[str]) -> Int[np.ndarray, "name"]:
    """Returns the index of each name in `known`, or -1."""
    return np.array([known.index(name) if name in known else -1 for name in names])
