"""Describes a prepared data set: counts, classes, sizes, truth and duplicates."""

import hashlib
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from jaxens.data import masks as part_masks
from jaxens.data.collection import TooManyError
from jaxens.data.opening import open_data, open_prepared
from jaxens.data.prefetch import in_order
from jaxens.data.preparing import cores
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import MISSING, Info, Task
from jaxens.data.settings import Data
from jaxens.data.source import DataSet, Source
from jaxens.names import shorten
from jaxens.tables import Table

MOST_ROWS = 40  # classes of a task that are listed


@dataclass(frozen=True)
class Description:
    """What a data set holds.

    Attributes:
        name: Its name.
        images: How many images each split has.
        classes: By task, how many images of each split have each class or label.
        truth: How many images of each split have each mask and key point.
        sizes: Widths and heights of all photos.
        duplicates: Ids of photos with the same content, each with its split.
    """

    name: str
    images: dict[str, int]
    classes: dict[str, Table]
    truth: Table
    sizes: list[tuple[int, int]]
    duplicates: list[list[tuple[str, str]]]

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.images.items())
        lines = [f"{shorten(self.name)}: {sum(self.images.values())} images ({counts})"]
        widths, heights = zip(*self.sizes, strict=True)
        lines.append(
            f"photos: {min(widths)} to {max(widths)} pixels wide, {min(heights)} to {max(heights)} "
            f"high (medians {np.median(widths):.0f} x {np.median(heights):.0f})"
        )
        if self.duplicates:
            some = "; ".join(_group(group) for group in self.duplicates[:5])
            more = "; ..." if len(self.duplicates) > 5 else ""
            across = sum(len({split for _, split in group}) > 1 for group in self.duplicates)
            lines.append(
                f"photos with the same content: {len(self.duplicates)} groups, {across} of them in "
                f"several splits: {some}{more}"
            )
        for task, table in self.classes.items():
            shown = Table(table.columns, table.rows[:MOST_ROWS])
            cut = f" (the first {MOST_ROWS} of {len(table)})" if len(table) > MOST_ROWS else ""
            lines += ["", f"{shorten(task)}{cut}", "", shown.to_markdown().rstrip()]
        if len(self.truth):
            lines += ["", "images with a truth", "", self.truth.to_markdown().rstrip()]
        return "\n".join(lines)


def describe(data: DataSet, progress: Progress = no_progress) -> Description:
    """Reads all images of a data set, and describes it.

    Args:
        data: The data set.
        progress: Called after each image.
    """
    sources = {name: getattr(data, name) for name in ("train", "val", "test")}
    facts = {name: _facts(source, progress) for name, source in sources.items()}
    labels = {name: source.labels() for name, source in sources.items()}
    columns = tuple(sources)
    same: dict[str, list[tuple[str, str]]] = {}
    for name, of_split in facts.items():
        for fact in of_split:
            same.setdefault(fact.sha256, []).append((fact.id, name))
    truth: dict[str, list[int]] = {}
    for kind, names in (("mask", data.info.masks), ("key point", data.info.points)):
        for name in names:
            key = f"{kind}: {name}"
            truth[key] = [sum(key in fact.truth for fact in facts[split]) for split in columns]
    return Description(
        name=data.info.name,
        images={name: len(source) for name, source in sources.items()},
        classes={
            task.name: _classes(task, [labels[name][task.name] for name in columns], columns)
            for task in data.info.tasks
        },
        truth=Table(("truth", *columns), [(shorten(k), *counts) for k, counts in truth.items()]),
        sizes=[fact.size for of_split in facts.values() for fact in of_split],
        duplicates=[group for group in same.values() if len(group) > 1],
    )


def open_whole(
    settings: Data, say: Callable[[str], None], progress: Progress = no_progress
) -> DataSet:
    """Opens a data set to describe it, even if too many of its photos can't be used.

    Args:
        settings: Which data set.
        say: Called with what is wrong.
        progress: Called after each photo that is prepared.

    Raises:
        UserError: As `open_data` does for all other mistakes.
    """
    try:
        return open_data(settings, progress)
    except TooManyError as error:
        say(f"{error}. Until then, nothing can be trained on it.\n")
        return open_prepared(error.builder, settings)


@dataclass(frozen=True)
class _Fact:
    """What is known about one image."""

    id: str
    sha256: str
    size: tuple[int, int]
    truth: frozenset[str]


def _facts(source: Source, progress: Progress) -> list[_Fact]:
    threads, info = cores(), source.info
    result = []
    for fact in in_order(_Inspect(source, info), range(len(source)), threads, 4 * threads):
        result.append(fact)
        progress(f"looking at the {source.split} images", len(result), len(source))
    return result


@dataclass(frozen=True)
class _Inspect:
    source: Source
    info: Info

    def __call__(self, index: int) -> _Fact:
        example, info = self.source.example(index), self.info
        truth = {
            f"key point: {name}"
            for name, point in zip(info.points, example.points, strict=True)
            if not np.isnan(point).any()
        }
        if example.mask is not None:
            planes = part_masks.decode(example.mask, -(-len(info.masks) // 8))
            bits = [int(np.bitwise_or.reduce(np.asarray(plane), axis=None)) for plane in planes]
            truth |= {f"mask: {m}" for p, m in enumerate(info.masks) if bits[p // 8] >> p % 8 & 1}
        size = Image.open(io.BytesIO(example.image)).size
        digest = hashlib.sha256(example.image).hexdigest()
        return _Fact(example.id, digest, size, frozenset(truth))


def _classes(task: Task, labels: list[np.ndarray], columns: tuple[str, ...]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for k, label in enumerate(task.classes):
        counts = [
            int((each == k).sum() if task.kind == "multiclass" else (each[:, k] == 1).sum())
            for each in labels
        ]
        rows.append((shorten(label), *counts))
    unknown = [int((each == MISSING).sum()) for each in labels]
    return Table(
        ("class", *columns), [*rows, *([("(no label)", *unknown)] if any(unknown) else [])]
    )


def _group(group: list[tuple[str, str]]) -> str:
    splits = Counter(split for _, split in group)
    return f"{' = '.join(shorten(id) for id, _ in group[:3])} ({', '.join(splits)})"
