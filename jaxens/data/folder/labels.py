"""The labels of a folder's photos: from a table, folders, file names, or COCO's categories."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from jaxens.data.folder.layout import TaskLayout
from jaxens.data.folder.listing import stem
from jaxens.data.folder.patterns import first_groups
from jaxens.data.folder.sources import Sources
from jaxens.data.folder.table import is_number
from jaxens.data.reading import printable
from jaxens.data.schema import MISSING, Task
from jaxens.errors import UserError, remedy
from jaxens.names import shorten


@dataclass
class Labels:
    """Tasks, with the labels of all photos.

    Attributes:
        tasks: The tasks.
        of_photos: Per task, a label of each photo.
        notices: What was found.
    """

    tasks: tuple[Task, ...] = ()
    of_photos: dict[str, np.ndarray] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def read_labels(sources: Sources) -> Labels:
    """Reads the labels of all tasks.

    Raises:
        UserError: Names the file and the field that is wrong.
    """
    result, layout, photos = Labels(), sources.layout, sources.photos
    for task in layout.tasks:
        reader = _Reader(sources, task)
        kind, classes, labels = reader.labels()
        parts = reader.parts(kind, classes)
        result.tasks += (Task(task.name, kind, classes, parts, task.separate),)
        result.of_photos[task.name] = labels
        for names in _alike(classes):
            result.notices.append(
                f"{layout.name}: the classes {names} of {shorten(task.name)} differ only in how "
                "they are written: write them alike if they are one"
            )
        unknown = (labels == MISSING).reshape(len(labels), -1).any(axis=1)
        if unknown.any():
            some = ", ".join(printable(photos[i]) for i in np.flatnonzero(unknown)[:3])
            result.notices.append(
                f"{layout.name}: {unknown.sum()} of {len(photos)} photos have no label of "
                f"{shorten(task.name)}: {some}"
            )
    return result


@dataclass(frozen=True)
class _Reader:
    sources: Sources
    task: TaskLayout

    def labels(self) -> tuple[Any, tuple[str, ...], np.ndarray]:
        """Returns the kind of the task, its classes, and the labels."""
        if self.task.kind == "columns":
            return self._flags()
        if self.task.kind == "categories":
            return self._categories()
        texts = self._texts()
        classes = _sorted({text for text in texts if text})
        if len(classes) < 2:
            some = f"only {shorten(classes[0])}" if classes else "none"
            self._wrong(f"there are no two classes, but {some}: correct it")
        places = {label: k for k, label in enumerate(classes)} | {"": MISSING}
        labels = np.array([places[text] for text in texts], np.int32)
        return "multiclass", tuple(map(printable, classes)), labels

    def parts(self, kind: str, classes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """Returns the parts of each class; a label of several has the part of its own name."""
        parts = self.task.parts
        if isinstance(parts, Mapping):
            for label in parts:
                if label not in classes:
                    self._wrong(f"parts: there is no class {label!r}: {remedy(label, classes)}")
            return tuple(parts.get(label, ()) for label in classes)
        if kind == "multilabel" and not parts:
            layout = self.sources.layout
            marked = {*layout.points, *(part.name for part in layout.parts)}
            return tuple((label,) if label in marked else () for label in classes)
        return (parts,) * len(classes)

    def _texts(self) -> list[str]:
        """Returns the class of each photo; empty if it has none."""
        photos = self.sources.photos
        if self.task.kind == "column":
            column = self.sources.column(self.task.columns[0])
            return ["" if column.is_empty(i) else text for i, text in enumerate(column.values)]
        if self.task.kind == "folders":
            layout = self.sources.layout
            return [layout.class_folder(photo, self.task.level) for photo in photos]
        try:
            return first_groups(self.task.pattern or "", [stem(photo) for photo in photos])
        except TimeoutError:
            self._wrong(
                "pattern: to match it takes too long: write one without repeats inside of "
                "repeats, such as '(.+)_\\d+'"
            )

    def _flags(self) -> tuple[Any, tuple[str, ...], np.ndarray]:
        columns = [self.sources.column(name).flags() for name in self.task.columns]
        flags = np.array(columns, np.int8).T
        return "multilabel", tuple(map(printable, self.task.columns)), flags

    def _categories(self) -> tuple[Any, tuple[str, ...], np.ndarray]:
        """One category per photo is a class; several are labels."""
        categories = [
            {
                coco.categories[annotation["category_id"]]
                for coco, image in self.sources.entries.get(photo, ())
                for _, annotation in image.annotations
            }
            for photo in self.sources.photos
        ]
        classes = _sorted(set().union(*categories))
        if len(classes) < 2:
            self._wrong("there are no two categories with annotations: use other labels")
        names = tuple(map(printable, classes))
        if all(len(each) <= 1 for each in categories):
            labels = [classes.index(next(iter(each))) if each else MISSING for each in categories]
            return "multiclass", names, np.array(labels, np.int32)
        flags = [[int(label in each) for label in classes] for each in categories]
        return "multilabel", names, np.array(flags, np.int8)

    def _wrong(self, what: str) -> NoReturn:
        task = shorten(self.task.name)
        raise UserError(f"{self.sources.layout.path}, [tasks.{task}]: {shorten(what, 500)}")


def _sorted(names: set[str]) -> list[str]:
    """Returns names in order; numbers by their value."""
    numbers = all(name.lstrip("-").isdecimal() and len(name) < 19 for name in names)
    return sorted(names, key=(lambda name: (int(name), name)) if numbers else None)


def _alike(names: Sequence[str]) -> list[str]:
    """Returns names that are equal but for case, spaces, or how a number is written."""
    groups: dict[str, list[str]] = {}
    for name in names:
        number = is_number(name) and math.isfinite(float(name))
        plain = repr(float(name)) if number else " ".join(name.casefold().split())
        groups.setdefault(unicodedata.normalize("NFKC", plain), []).append(name)
    groups_of_several = (group for group in groups.values() if len(group) > 1)
    return [" and ".join(map(repr, map(shorten, group))) for group in groups_of_several]
