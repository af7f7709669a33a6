"""More images than fit at once: a function called on some of them after others."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree, Shaped


def in_chunks(
    function: Callable[..., PyTree[Array]],
    chunk: int | None,
    *arguments: PyTree[Shaped[ArrayLike, "..."]],
) -> PyTree[Shaped[Array, "..."]]:
    """`function(*arguments)`, called on `chunk` images at a time (all, if None).

    Every leaf of the arguments has an image axis first, and so has every leaf of the result;
    a scalar, such as one target for all images, goes to every call. The last chunk is filled
    up with its last image, so that a jitted function is compiled once. What a method gives
    for an image doesn't depend on the images beside it, so the chunk changes no more than
    rounding: give each image its own key (`keys_of_images`).

    The loop runs on the host: on a CPU, XLA's own loops make most convolutions slow (those of
    `jaxens.ops` are not, but any model may come here).
    """
    sizes = {np.shape(leaf)[0] for leaf in jax.tree.leaves(arguments) if np.ndim(leaf)}
    if len(sizes) != 1:
        raise ValueError(
            f"the arguments have {sorted(sizes)} images: give each argument the same number"
        )
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}: give at least 1, or None for all at once")
    (images,) = sizes
    if not images:
        raise ValueError("the arguments have 0 images: give at least one")
    if chunk is None or chunk >= images:
        return jax.tree.map(jnp.asarray, function(*arguments))
    parts = []
    for first in range(0, images, chunk):
        rows = np.minimum(np.arange(first, first + chunk), images - 1)
        part = function(*jax.tree.map(partial(_rows, rows), arguments))
        parts.append(jax.tree.map(partial(_rows, slice(images - first)), part))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _rows(rows: np.ndarray | slice, leaf: ArrayLike) -> ArrayLike:
    return leaf[rows] if isinstance(leaf, Array | np.ndarray) and leaf.ndim else leaf
