"""Compares drawings of FieldMarks."""

import numpy as np

from jaxens.data.fieldmarks.draw import Drawing


def same(a: Drawing, b: Drawing) -> bool:
    """Returns whether two drawings and their truth are equal."""
    pairs = [(a.image, b.image), (a.mask, b.mask), (a.points, b.points), (a.box, b.box)]
    pairs += [(a.labels[task], b.labels[task]) for task in a.labels]
    return all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)
