"""Rows in chunks, the device at work on one while the host reads the one before."""

from collections.abc import Callable

import jax
import numpy as np
from jax import Array
from jaxtyping import Int, PyTree, Shaped


def streamed(
    work: Callable[[Int[np.ndarray, "some"]], PyTree[Array]],
    rows: int,
    at_once: int,
    advance: Callable[[int], None],
) -> PyTree[Shaped[np.ndarray, "row ..."]]:
    """`work` on the numbers 0 to `rows` - 1, `at_once` of them in a call, read to the host.

    Every leaf of what `work` gives has a row axis first. It should wait for no array: then the
    next chunk is prepared and under way before the last one is read. `advance` is told how many
    rows are done, when they are. The last chunk is filled up with its last row, so that what is
    jitted is compiled once.
    """
    parts: list[PyTree[np.ndarray]] = []

    def read(made: PyTree[Array], count: int) -> None:
        parts.append(jax.tree.map(lambda leaf: np.asarray(leaf)[:count], made))
        advance(count)

    waiting: tuple[PyTree[Array], int] | None = None
    for first in range(0, rows, at_once):
        made = work(np.minimum(np.arange(first, first + at_once), rows - 1))
        if waiting is not None:
            read(*waiting)
        waiting = made, min(at_once, rows - first)
    if waiting is not None:
        read(*waiting)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
