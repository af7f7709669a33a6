"""A user's own folder as a data set, as its `dataset.toml` describes it; see `layout`."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from jaxens.data.cache_key import cache_key
from jaxens.data.collection import Collection, Item, prepare_collection
from jaxens.data.folder.frames import frame_of
from jaxens.data.folder.labels import read_labels
from jaxens.data.folder.layout import Layout
from jaxens.data.folder.listing import Listing, list_files
from jaxens.data.folder.marking import marks_of, planes_of, points_of
from jaxens.data.folder.parsing import read_layout
from jaxens.data.folder.photo_files import used_files
from jaxens.data.folder.sources import read_sources
from jaxens.data.folder.splits import split_photos
from jaxens.data.folder.units import notices_of_units
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import printable
from jaxens.data.schema import Info
from jaxens.untrusted import read_text


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress, layout: Path | None = None
) -> tfds.core.DatasetBuilder:
    """Writes the records of a folder below `cache_dir` unless they exist, and opens them.

    They are written anew if a table or `dataset.toml` changes, or the name, size or time of a photo
    or its masks and boxes. Other files of the folder do not matter.

    Args:
        folder: The folder.
        cache_dir: The cache.
        progress: Called after each photo.
        layout: The file that describes the folder (default: its `dataset.toml`).

    Raises:
        UserError: For a mistake in `dataset.toml` or a table, a path that leads out of the folder,
            or too many photos that can't be used.
    """
    described, listing = read_layout(folder, layout), list_files(folder)
    texts = (*described.tables, *described.coco, *described.split.lists)
    tables = [folder / name for name in texts if name in listing]
    used = used_files(described, listing)
    text = "\n".join((described.name, read_text(described.path), *used))
    key = cache_key(tables, [f"{folder}/{file}" for file in used], folder, text)
    return prepare_collection(
        lambda: _collection(described, listing), cache_dir, f"folder-{key}", progress
    )


def read(folder: Path, layout: Path | None = None) -> Collection:
    """Reads everything but photos and masks.

    Args:
        folder: The folder.
        layout: The file that describes it (default: its `dataset.toml`).

    Raises:
        UserError: As `prepare` does.
    """
    return _collection(read_layout(folder, layout), list_files(folder))


def _collection(layout: Layout, listing: Listing) -> Collection:
    sources = read_sources(layout, listing)
    labels = read_labels(sources)
    points, marks = points_of(sources), marks_of(sources)
    frame, of_frame = frame_of(sources, points, marks)
    of_units = list(notices_of_units(sources))
    items = [
        Item(
            id=printable(photo),
            path=listing.root / photo,
            labels={task: values[i] for task, values in labels.of_photos.items()},
            points=points[i],
            box=np.full(4, np.nan),
            marks=marks[i],
            unit=layout.units,
            frame=frame,
        )
        for i, photo in enumerate(sources.photos)
    ]
    splits, notices = split_photos(sources, labels.of_photos)
    sources.check()
    if listing.links:
        some = ", ".join(map(printable, listing.links[:3]))
        notices.append(f"{layout.name}: links to folders are not followed: {some}")
    return Collection(
        root=listing.root,
        title=layout.name,
        info=Info(layout.name, labels.tasks, tuple(layout.points), planes_of(sources)),
        splits={name: [items[i] for i in rows] for name, rows in splits.items()},
        splits_from=str(layout.path),
        notices=[*labels.notices, *of_frame, *of_units, *notices],
        problems=list(dict.fromkeys(sources.problems)),
        box_of=layout.box,
    )
