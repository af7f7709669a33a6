"""Calls a function for a few rows at a time, which bounds memory."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, PyTree, Shaped

from jaxens.arrays import as_whole

T = TypeVar("T")


def in_chunks(
    function: Callable[..., PyTree[Array]],
    chunk: int | None,
    *arguments: PyTree[Any],
    axis: int | tuple[int, ...] = 0,
    out_axis: int = 0,
    combine: Callable[[Any, Any], Any] | None = None,
) -> PyTree[Any]:
    """Returns `function(*arguments)`, computed for a few rows at a time.

    Rows are images, members, steps or samples. What the function returns for a row must not
    depend on the other rows: give each image a key of its own (see
    `jaxens.attribution.keys_of_images`).

    The loop is not a loop of XLA, because most convolutions are slow in those on a CPU. Inside of
    `jit` it is unrolled, and each chunk waits for the one before: XLA would otherwise hold the
    activations of all chunks at once. Outside of `jit`, the last chunk is filled up with the last
    row, so that a jitted function is compiled once.

    Args:
        function: From arrays with a row axis to arrays with a row axis.
        chunk: Rows per call (None: all).
        *arguments: The arguments of the function. Leaves without a row axis, such as one target for
            all images, go to every call as they are.
        axis: The row axis of all arguments, or one for each argument.
        out_axis: The row axis of all results.
        combine: From two results to the result for the rows of both, such as `jnp.add` for sums
            over rows. None concatenates the results.

    Raises:
        ValueError: If the arguments differ in their number of rows, there is none, or `chunk` is
            below 1.
    """
    axes = axis if isinstance(axis, tuple) else (axis,) * len(arguments)
    rows = _count_rows(arguments, axes)
    if chunk is not None:
        chunk = as_whole(chunk, "chunk")
    if chunk is None or chunk >= rows:
        return jax.tree.map(jnp.asarray, function(*arguments))
    results: list[Any] = []
    for first in range(0, rows, chunk):
        some: slice | np.ndarray = slice(first, min(first + chunk, rows))
        done = _traced_numbers(results)
        if first + chunk > rows and combine is None and not done:
            some = _filled_rows(first, chunk, rows)
        parts = [_take(x, some, axis) for x, axis in zip(arguments, axes, strict=True)]
        if done:
            parts = [_wait_for(done, x, axis) for x, axis in zip(parts, axes, strict=True)]
        result = function(*parts)
        results = [combine(results[0], result)] if combine and results else [*results, result]
    if combine:
        return results[0]
    return jax.tree.map(
        lambda *leaves: _take(jnp.concatenate(leaves, out_axis), slice(rows), out_axis), *results
    )


def in_chunks_to_host(
    function: Callable[[Int[np.ndarray, "row"]], PyTree[Any]],
    chunk: int,
    rows: int,
    advance: Callable[[int], None] = lambda rows: None,
    *,
    axis: int = 0,
    read: Callable[[Any], Any] = lambda result: result,
) -> PyTree[Shaped[np.ndarray, "..."]]:
    """Returns the results of `function` for the rows 0 to `rows` - 1, on the host.

    The device works on a chunk while the host reads the one before. The last chunk is filled up
    with the last row, so that jitted functions are compiled once.

    Args:
        function: From the numbers of rows to arrays with a row axis. It must not wait for an
            array.
        chunk: Rows per call.
        rows: How many there are.
        advance: Called with the number of rows of each chunk, when it is read.
        axis: The row axis of all results.
        read: From a chunk's results on the host to what is kept of them, with the same row axis.
    """
    results: list[PyTree[np.ndarray]] = []

    def keep(result: PyTree[Any], count: int) -> None:
        results.append(read(_take(jax.tree.map(np.asarray, result), slice(count), axis)))
        advance(count)

    waiting: tuple[PyTree[Any], int] | None = None
    for first in range(0, rows, chunk):
        result = function(_filled_rows(first, chunk, rows))
        if waiting is not None:
            keep(*waiting)
        waiting = result, min(chunk, rows - first)
    if waiting is not None:
        keep(*waiting)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis), *results)


def _count_rows(arguments: tuple[PyTree[Any], ...], axes: tuple[int, ...]) -> int:
    counts = {
        np.shape(leaf)[axis]
        for argument, axis in zip(arguments, axes, strict=True)
        for leaf in jax.tree.leaves(argument)
        if _has_axis(leaf, axis)
    }
    if len(counts) != 1:
        raise ValueError(
            f"the arguments have {sorted(counts)} rows: give each argument the same number"
        )
    if not min(counts):
        raise ValueError("the arguments have 0 rows: give at least one")
    return counts.pop()


def _filled_rows(first: int, chunk: int, rows: int) -> Int[np.ndarray, "row"]:
    return np.minimum(np.arange(first, first + chunk), rows - 1)


def _take(tree: PyTree[Any], rows: slice | np.ndarray, axis: int) -> PyTree[Any]:
    def take(leaf: Any) -> Any:
        if not isinstance(leaf, Array | np.ndarray) or not _has_axis(leaf, axis):
            return leaf
        return leaf[(slice(None),) * (axis % leaf.ndim) + (rows,)]

    return jax.tree.map(take, tree)


def _has_axis(leaf: ArrayLike, axis: int) -> bool:
    return -np.ndim(leaf) <= axis < np.ndim(leaf)


def _traced_numbers(results: list[Any]) -> list[Float[Array, "..."]]:
    """Returns the floating-point arrays of the last result that are traced, not computed yet."""
    return [
        leaf
        for leaf in jax.tree.leaves(results[-1:])
        if isinstance(leaf, jax.core.Tracer) and jnp.issubdtype(leaf.dtype, jnp.floating)
    ]


def _wait_for(done: list[Float[Array, "..."]], tree: T, axis: int) -> T:
    """Returns the tree unchanged; XLA computes `done` before it uses the arrays with this axis.

    Under `vmap` over members, arguments that members share stay shared.
    """
    totals = [jax.lax.stop_gradient(leaf).sum().astype(jnp.float32) for leaf in done]
    wait = _never(sum(totals[1:], start=totals[0]))

    def waiting(leaf: Any) -> Any:
        if not isinstance(leaf, Array | np.ndarray) or not _has_axis(leaf, axis):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.extended):  # random keys have no zero
            return leaf
        return jnp.where(wait, jnp.zeros_like(leaf), leaf)

    return jax.tree.map(waiting, tree)


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
