"""A figure of a split: images with their labels, masks, key points and boxes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxens import viz
from jaxens.data.photos import Photos
from jaxens.data.schema import Info
from jaxens.data.source import Source, evenly_spaced, load
from jaxens.data.split import Split, concatenate
from jaxens.names import shorten

LETTERS = 24  # of a label; longer ones are cut


def split_figure(split: Split, title: str) -> Figure:
    """Draws every image of a split with its annotations; see `viz.annotated_images`."""
    info = split.info
    masks = {part: split.mask((part,)) for part in info.masks if split.masks is not None}
    return viz.annotated_images(
        split.images,
        masks=masks,
        points={part: split.points[:, p] for p, part in enumerate(info.points)},
        boxes=split.boxes,
        captions=[_caption(split, i) for i in range(len(split))],
        title=title,
    )


def sources_figure(sources: Sequence[Source], count: int, title: str) -> Figure:
    """Draws some images of each source, evenly spaced, with their annotations."""
    loaded = [load(source, rows=evenly_spaced(count, len(source))) for source in sources]
    return split_figure(concatenate(loaded), shorten(title))


def photos_figure(photos: Photos, title: str) -> Figure:
    """Draws photos without annotations; their names are the captions."""
    captions = [shorten(name, LETTERS) for name in photos.names]
    return viz.annotated_images(photos.images, captions=captions, title=shorten(title))


def _caption(split: Split, i: int) -> str:
    """Returns the labels of an image: of two tasks on one line, of three more on another."""
    texts = [_label(split.info, name, labels[i]) for name, labels in split.labels.items()]
    known = [shorten(text, LETTERS) for text in texts if text]
    return ", ".join(known[:2]) + "\n" + ", ".join(known[2:5])


def _label(info: Info, name: str, label: np.ndarray) -> str:
    task = info.task(name)
    if task.kind == "multilabel":
        return " + ".join(c for c, yes in zip(task.classes, label, strict=True) if yes == 1)
    return task.classes[int(label)] if label >= 0 else ""
