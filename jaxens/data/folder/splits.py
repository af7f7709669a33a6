"""Which photos of a folder are to train on, to validate on, and held out."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from jaxens.data.findings import Problem
from jaxens.data.folder.layout import Layout
from jaxens.data.folder.lists import splits_of_lists
from jaxens.data.folder.sources import Sources
from jaxens.data.folder.split_names import NAMES, split_of_path
from jaxens.data.reading import printable
from jaxens.data.sampling import seeded_splits
from jaxens.errors import UserError
from jaxens.names import shorten


def split_photos(
    sources: Sources, labels: Mapping[str, np.ndarray]
) -> tuple[dict[str, Int[np.ndarray, "photo"]], list[str]]:
    """Returns the rows of the photos of train, val and test, and notices.

    What nobody split is split at random, with the proportions of the labels. So is a val or test
    that nobody named: its photos are taken from train. A photo whose split is empty or unknown is
    in none, which is a problem.

    Args:
        sources: The photos.
        labels: Per task, a label of each photo.

    Raises:
        UserError: If too many photos are in no split, or there are too few photos.
    """
    settings, photos, layout = sources.layout.split, sources.photos, sources.layout
    split_of = np.full(len(photos), "train")
    if settings.column:
        column = sources.column(settings.column)
        values = [value.lower() for value in column.values]
        for i in (i for i, value in enumerate(values) if value not in NAMES):
            value = shorten(repr(values[i])) if values[i] else "empty"
            what = f"it should be train, val or test, not {value}"
            column.wrong(i, "unusable", what)
        split_of = np.array([NAMES.get(value, "") for value in values])
    elif settings.folders:
        split_of = np.array([_of_folder(layout, photo) for photo in photos])
        what = "is in no folder train, val or test: move it"
        sources.problems.extend(
            Problem(printable(photo), "unusable", printable(photo), what)
            for photo, name in zip(photos, split_of, strict=True)
            if not name
        )
    elif settings.lists:
        split_of = np.array(splits_of_lists(sources))
    elif settings.files:
        split_of = np.array([split_of_path(sources.files_of(photo)[0]) for photo in photos])
    sources.check()
    splits = {name: np.flatnonzero(split_of == name) for name in ("train", "val", "test")}
    shares = {name: getattr(settings, name) for name in ("val", "test") if not len(splits[name])}
    if not shares:
        return splits, []
    to_split = splits["train"]
    if len(to_split) < 1 + len(shares):
        what = f"there are {len(photos)} photos, {len(to_split)} of them to train on"
        raise UserError(f"{layout.path}, [split]: {what}: too few to take {' and '.join(shares)}")
    of_train = {task: values[to_split] for task, values in labels.items()}
    drawn = seeded_splits(of_train, shares, settings.seed)
    splits |= {name: to_split[rows] for name, rows in drawn.items()}
    return splits, [
        f"{layout.name}: no photo is for {name}, so {len(splits[name])} of the {len(to_split)} "
        f"photos to train on are, drawn by seed {settings.seed}"
        for name in shares
        if len(shares) == 1
    ]


def _of_folder(layout: Layout, photo: str) -> str:
    """Returns the split that the first folder of a photo names; empty if it names none."""
    return NAMES.get(layout.below_images(photo).split("/", 1)[0].lower(), "")
