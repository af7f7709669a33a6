"""Checks of images, and work in chunks that bounds memory."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, PyTree, Real, Shaped

T = TypeVar("T")


def in_chunks(
    function: Callable[..., PyTree[Array]],
    chunk: int | None,
    *arguments: PyTree[Shaped[ArrayLike, "..."]],
    axis: int = 0,
    out_axis: int | None = None,
) -> PyTree[Shaped[Array, "..."]]:
    """Returns `function(*arguments)`, computed for a few images at a time.

    The last chunk is filled up with its last image, so that a jitted function is compiled once.
    What a method returns for an image must not depend on the other images: give each image a key
    of its own (see `jaxens.attribution.keys_of_images`).

    The loop runs on the host: on a CPU, most convolutions are slow in the loops of XLA.

    Args:
        function: from arrays to arrays, each with an image axis.
        chunk: images per call (None: all).
        *arguments: of the function. Leaves without an image axis, such as one target for all
            images, go to every call as they are.
        axis: the image axis of all arguments.
        out_axis: the image axis of all results (None: the same).

    Raises:
        ValueError: if the arguments differ in their number of images, or there is none.
    """
    leaves = jax.tree.leaves(arguments)
    sizes = {np.shape(leaf)[axis] for leaf in leaves if np.ndim(leaf) > axis}
    if len(sizes) != 1:
        raise ValueError(
            f"the arguments have {sorted(sizes)} images: give each argument the same number"
        )
    _check_chunk(chunk)
    (images,) = sizes
    if not images:
        raise ValueError("the arguments have 0 images: give at least one")
    if chunk is None or chunk >= images:
        return jax.tree.map(jnp.asarray, function(*arguments))
    out_axis = axis if out_axis is None else out_axis

    def part(rows: np.ndarray) -> PyTree[Array]:
        return function(*jax.tree.map(lambda leaf: _take(leaf, rows, axis), arguments))

    parts = [part(rows) for rows in chunk_rows(images, chunk)]
    return jax.tree.map(
        lambda *leaves: _take(jnp.concatenate(leaves, out_axis), slice(images), out_axis), *parts
    )


def chunk_rows(count: int, chunk: int) -> Iterator[Int[np.ndarray, "row"]]:
    """Yields the numbers 0 to `count` - 1, `chunk` at a time.

    The last chunk is filled up with the last number.
    """
    for first in range(0, count, chunk):
        yield np.minimum(np.arange(first, first + chunk), count - 1)


def _take(leaf: ArrayLike, rows: np.ndarray | slice, axis: int) -> ArrayLike:
    if not isinstance(leaf, Array | np.ndarray) or leaf.ndim <= axis:
        return leaf
    return leaf[(slice(None),) * axis + (rows,)]


def sum_in_chunks(
    part: Callable[[PyTree[Array], slice], PyTree[Array]],
    images: PyTree[Array],
    count: int,
    chunk: int | None,
) -> PyTree[Array]:
    """Returns the sum of `part(images, points)` over `count` points, see `fold_in_chunks`."""

    def step(total: PyTree[Array] | None, images: PyTree[Array], points: slice) -> PyTree[Array]:
        values = part(images, points)
        return values if total is None else jax.tree.map(jnp.add, total, values)

    return fold_in_chunks(step, images, count, chunk)


def join_in_chunks(
    part: Callable[[PyTree[Array], slice], Array],
    images: PyTree[Array],
    count: int,
    chunk: int | None,
    axis: int = 1,
) -> Array:
    """Joins `part(images, points)` of `count` points along an axis, see `fold_in_chunks`."""

    def step(parts: list[Array] | None, images: PyTree[Array], points: slice) -> list[Array]:
        return [*(parts or ()), part(images, points)]

    return jnp.concatenate(fold_in_chunks(step, images, count, chunk), axis)


def fold_in_chunks(
    step: Callable[[Any, PyTree[Array], slice], PyTree[Array]],
    images: PyTree[Array],
    count: int,
    chunk: int | None,
) -> PyTree[Array]:
    """Goes through the points (steps, samples) of images, a few at a time, inside of `jit`.

    The loop is unrolled, because most convolutions are slow in the loops of XLA:CPU. Each chunk
    waits for the one before, because XLA would otherwise hold the activations of all chunks at
    once.

    Args:
        step: `step(total, images, points)` returns the new total; the first total is None.
        images: arrays that `step` computes from.
        count: number of points.
        chunk: points at a time (None: all); the last chunk may be smaller.

    Returns:
        The last total.
    """
    _check_chunk(chunk)
    size, total = chunk or count, None
    for first in range(0, count, size):
        if total is not None:
            images = _wait_for(total, images)
        total = step(total, images, slice(first, min(first + size, count)))
    return total


def _check_chunk(chunk: int | None) -> None:
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}: give at least 1, or None for all at once")


def _wait_for(done: PyTree[Float[Array, "..."]], images: T) -> T:
    """Returns the images unchanged; XLA computes `done` before it uses them.

    Under `vmap` over members, images that members share stay shared.
    """
    totals = [jax.lax.stop_gradient(leaf).sum() for leaf in jax.tree.leaves(done)]
    wait = _never(sum(totals[1:], start=totals[0]))
    return jax.tree.map(lambda leaf: jnp.where(wait, 0, leaf), images)


@custom_vmap
def _never(done: Float[Array, ""]) -> Bool[Array, ""]:
    # XLA cannot tell that this is always false. On a CPU it drops an `optimization_barrier`
    # before it schedules.
    return jnp.isnan(done) & (done > 0)


@_never.def_vmap
def _never_of_members(
    size: int, mapped: list[bool], done: Float[Array, "member"]
) -> tuple[Array, bool]:
    return _never(done.sum()), False


def as_images(images: ArrayLike) -> Float[Array, "image height width channel"]:
    """Returns the images as a JAX array.

    Raises:
        ValueError: unless they are finite floats [image, height, width, channel], at least one.
            The values of traced images cannot be checked.
    """
    array = jnp.asarray(images)
    if array.ndim != 4:
        raise ValueError(
            f"images has shape {array.shape}: give [image, height, width, channel]; a single "
            "image is images[None]"
        )
    if not array.size:
        raise ValueError(f"images has shape {array.shape}, no pixel: give at least one image")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"images has type {array.dtype}, which has no gradient: give the floating-point "
            "images that the model takes"
        )
    wrong = np.flatnonzero(~_finite(images, axis=(1, 2, 3)))
    if wrong.size:
        raise ValueError(
            f"image {wrong[0]} contains NaN or infinity ({wrong.size} of {len(array)} images "
            "do): leave it out, or fix its preprocessing (a division by a deviation of 0?)"
        )
    return array


def broadcast_to_images(
    colors: Real[ArrayLike, "..."],
    images: Float[Array, "image height width channel"],
    name: str,
) -> Float[Array, "image height width channel"]:
    """Returns a number, a color [channel], an image or images as images of the same shape.

    Raises:
        ValueError: with the `name` of the argument, if it does not broadcast or is not finite.
    """
    try:
        broadcast = jnp.broadcast_to(jnp.asarray(colors, images.dtype), images.shape)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} has shape {np.shape(colors)}, which does not broadcast to the images' "
            f"{images.shape}: give a number, a color, one image, or one for each image"
        ) from None
    check_finite(colors, name)
    return broadcast


def check_finite(values: ArrayLike, name: str) -> None:
    """Raises ValueError, with the name, if values that are not traced are NaN or infinite."""
    if not _finite(values):
        raise ValueError(f"{name} contains NaN or infinity: give finite numbers")


def to_float32(values: Shaped[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the values in float32 (float64 stays): sums need more than the 8 bits of bfloat16."""
    values = jnp.asarray(values)
    # Not `promote_types`, because JAX may be configured to promote nothing by itself.
    return values.astype(jnp.float64 if values.dtype == jnp.float64 else jnp.float32)


def _finite(values: ArrayLike, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """Whether all values along the axes are finite; true if they are traced."""
    if isinstance(values, jax.core.Tracer):
        return np.asarray(True)
    with jax.ensure_compile_time_eval():  # a constant inside of `jit` has values too
        return np.asarray(jnp.isfinite(jnp.asarray(values)).all(axis=axis))
