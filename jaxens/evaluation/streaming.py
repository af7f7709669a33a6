"""Works on rows in chunks, and reads each chunk while the device works on the next."""

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
    """Calls `work` on chunks of the numbers 0 to `rows` - 1, and reads the results to the host.

    The device works on a chunk while the host reads the one before. The last chunk is filled up
    with its last row, so that jitted functions are compiled once.

    Args:
        work: from rows to arrays whose first axis counts these rows. It must not wait for an
            array.
        rows: how many there are.
        at_once: how many of them are in one chunk.
        advance: called with the number of rows that are done.
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
