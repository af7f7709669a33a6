"""What a data set says about its images: tasks, parts, and one example per image."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, Self

import numpy as np
from jaxtyping import Float32, Int8, Int32, UInt8

from jaxens.errors import UserError, remedy

MISSING = -1  # an unknown label; the loss and the scores ignore it
_IGNORED = ": ignored"


def ignored(part: str) -> str:
    """Returns the name of the mask of pixels that may or may not show a part.

    They are the border of a trimap, for example. A data set lists the name in `Info.masks` after
    that of the part. Scores leave these pixels out.
    """
    return part + _IGNORED


def is_ignored(mask: str) -> bool:
    """Returns whether a name of `Info.masks` is one that `ignored` returned."""
    return mask.endswith(_IGNORED)


@dataclass(frozen=True)
class Task:
    """One classification task.

    Attributes:
        name: The name of the task.
        kind: `"multiclass"` has one label among `classes`; `"multilabel"` has a 0 or 1 for each.
        classes: Names of the classes.
        parts: `parts[k]` names the parts that a person would point at for class `k`: the truth
            for explanations of that class. Empty if there are none.
        separate: Whether each part of a class is a truth of its own, such as a box of the head and
            a mask of the whole body. If not, the truth is the union of the parts.
    """

    name: str
    kind: Literal["multiclass", "multilabel"]
    classes: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    separate: bool = False

    @classmethod
    def multiclass(
        cls,
        name: str,
        classes: tuple[str, ...],
        parts: tuple[str, ...] = (),
        separate: bool = False,
    ) -> Self:
        """Returns a multiclass task whose classes all have the same parts."""
        return cls(name, "multiclass", classes, (parts,) * len(classes), separate)

    @classmethod
    def multilabel(cls, name: str, parts: Mapping[str, tuple[str, ...]]) -> Self:
        """Returns a multilabel task; `parts` maps each label to its parts."""
        return cls(name, "multilabel", tuple(parts), tuple(parts.values()))


def find_task(tasks: Sequence[Task], name: str | None) -> Task:
    """Returns the task of this name.

    Raises:
        UserError: If there is no such task.
    """
    for task in tasks:
        if task.name == name:
            return task
    raise UserError(f"there is no task {name!r}: {remedy(name or '', [t.name for t in tasks])}")


@dataclass(frozen=True)
class Info:
    """The tasks of a data set, and the names of its parts.

    Attributes:
        name: The name of the data set.
        tasks: What can be learned.
        points: Names of the key points; row `p` of an example's points is `points[p]`.
        masks: Names of the masks, of any number; see `jaxens.data.masks` for their bits. A name
            that `ignored` returns is not a part.
    """

    name: str
    tasks: tuple[Task, ...]
    points: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    def task(self, name: str) -> Task:
        """Returns the task of this name; see `find_task`."""
        return find_task(self.tasks, name)

    def choose_tasks(self, names: Sequence[str]) -> tuple[Task, ...]:
        """Returns the tasks of these names, or all tasks if there are no names.

        Raises:
            UserError: For a name that the data set lacks.
        """
        return tuple(map(self.task, names)) or self.tasks

    def to_json(self) -> str:
        """Returns the info as JSON."""
        raw = asdict(self)
        for task in raw["tasks"]:
            if not task["separate"]:  # as written before there was such a field
                del task["separate"]
        return json.dumps(raw)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote."""
        raw = json.loads(text)
        tasks = tuple(
            Task(
                t["name"],
                t["kind"],
                tuple(t["classes"]),
                tuple(map(tuple, t["parts"])),
                t.get("separate", False),
            )
            for t in raw["tasks"]
        )
        return cls(raw["name"], tasks, tuple(raw["points"]), tuple(raw["masks"]))


@dataclass(frozen=True)
class Example:
    """One encoded image with its labels and marks.

    Coordinates are fractions of width and height (0 is left or top, 1 right or bottom), so they
    do not depend on the size of the image.

    Attributes:
        id: The id of the image, unique in its split.
        image: The bytes of a JPEG or PNG file.
        points: x, y of every key point; NaN if it is not visible.
        box: Left, top, right, bottom; NaN if unknown.
        labels: Per task, a class or a 0 or 1 per class; `MISSING` if unknown.
        mask: The bytes of a PNG file as `jaxens.data.masks.encode` writes it, or None.
    """

    id: str
    image: bytes
    points: Float32[np.ndarray, "point 2"]
    box: Float32[np.ndarray, "4"]
    labels: Mapping[str, Int32[np.ndarray, ""] | Int8[np.ndarray, "class"]] = field(
        default_factory=dict
    )
    mask: bytes | None = None


@dataclass(frozen=True)
class DecodedExample:
    """An `Example`, decoded, cropped to a square and resized.

    Attributes:
        id: The id of the image.
        image: RGB.
        mask: Packed as in `jaxens.data.masks`, or None.
        points: x, y in fractions of the square; NaN if outside or not visible.
        box: Left, top, right, bottom in fractions of the square.
        labels: Per task, as in `Example`.
    """

    id: str
    image: UInt8[np.ndarray, "size size 3"]
    mask: UInt8[np.ndarray, "size size byte"] | None
    points: Float32[np.ndarray, "point 2"]
    box: Float32[np.ndarray, "4"]
    labels: Mapping[str, Int32[np.ndarray, ""] | Int8[np.ndarray, "class"]]
