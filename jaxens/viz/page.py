"""A page of a data set: each picture plain, and with what people marked on it."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from jaxens.data.schema import Info
from jaxens.data.source import Split
from jaxens.viz.montage import Montage

PAIRS = 5  # pictures in a row, each twice


def page(split: Split, path: Path) -> Path:
    """Draws a split: masks outlined in a colour per part, key points crossed, boxes in white.

    Above each picture stand its labels. Writes a PNG and returns its path.
    """
    rows = [range(len(split))[r : r + PAIRS] for r in range(0, len(split), PAIRS)]
    images = [[split.images[i] for i in row for _ in range(2)] for row in rows]
    montage = Montage(images, split.info.name, inches=1.4, above=0.22, below=0.42)
    parts = list(dict.fromkeys([*split.info.masks, *split.info.points]))
    colours = dict(zip(parts, colormaps["tab20"](np.linspace(0, 1, len(parts))), strict=True))
    for row, pictures in enumerate(rows):
        for pair, i in enumerate(pictures):
            montage.text(row, 2 * pair, _labels(split, i))
            _mark(montage, row, 2 * pair + 1, split, i, colours)
    handles = [Line2D([], [], color=colours[part], label=part) for part in parts]
    montage.figure.legend(handles=handles, loc="lower center", ncols=8, fontsize=7, frameon=False)
    return montage.save(path)


def _mark(
    montage: Montage, row: int, column: int, split: Split, i: int, colours: dict[str, np.ndarray]
) -> None:
    for part in split.info.masks:
        masks = split.mask((part,), slice(i, i + 1))
        if masks is not None:
            montage.outline(row, column, masks[0], colours[part])
    for part, point in zip(split.info.points, split.points[i], strict=True):
        montage.cross(row, column, point, colours[part])
    if not np.isnan(split.boxes[i]).any():
        x, y = montage.place(row, column, split.boxes[i, :2])
        far_x, far_y = montage.place(row, column, split.boxes[i, 2:])
        box = Rectangle((x, y), far_x - x, far_y - y, fill=False, edgecolor="white", linewidth=0.5)
        montage.axes.add_patch(box)


def _labels(split: Split, i: int) -> str:
    """The labels of a picture: the first two tasks on a line, the others on another."""
    words = [_answer(split.info, name, values[i]) for name, values in split.labels.items()]
    known = [word for word in words if word]
    return ", ".join(known[:2]) + "\n" + ", ".join(known[2:5])


def _answer(info: Info, name: str, label: np.ndarray) -> str:
    task = info.task(name)
    if task.kind == "multilabel":
        return " + ".join(c for c, yes in zip(task.classes, label, strict=True) if yes == 1)
    return task.classes[int(label)] if label >= 0 else ""
