"""Whether the numbers of a table are pixels, or fractions of width and height."""

from collections.abc import Iterable, Iterator

import numpy as np

from jaxens.data.folder.sources import Sources
from jaxens.names import shorten

_SHARE = 0.75  # of the numbers; a few points may lie outside of their photo


def are_fractions(numbers: Iterable[float]) -> bool:
    """Returns whether most numbers are at most 1. Zeros say nothing: a box may begin there."""
    known = np.abs([number for number in numbers if number and np.isfinite(number)])
    return len(known) > 0 and float(np.mean(known <= 1)) >= _SHARE


def notices_of_units(sources: Sources) -> Iterator[str]:
    """Yields a warning for each key point or box whose coordinates are all at most one pixel.

    Such coordinates are probably fractions of the width and height.

    Args:
        sources: Has the table.
    """
    layout = sources.layout
    if layout.units != "pixels":
        return
    of_table = {name: where[:2] for name, where in layout.points.items() if len(where) > 1}
    of_table |= {part.name: tuple(part.columns.values()) for part in layout.parts if part.columns}
    for name, columns in of_table.items():
        numbers = np.abs([sources.box_column(column).numbers() for column in columns])
        if np.isfinite(numbers).any() and np.nanmax(numbers) <= 1 and np.nanmax(numbers) > 0:
            yield (
                f"{layout.name}: {shorten(name)} is within a pixel of the corner of every photo: "
                f'if its numbers are fractions of width and height, set units = "fractions" in '
                f"{layout.path.name}"
            )
