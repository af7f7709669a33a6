"""Steps or samples in chunks, one chunk after the other, so that memory is that of one."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap
from jaxtyping import Bool, Float, PyTree

Arrays = TypeVar("Arrays")  # a pytree of them


def sum_in_chunks(
    part: Callable[[PyTree[Array], slice], PyTree[Array]],
    images: PyTree[Array],
    count: int,
    chunk: int | None,
) -> PyTree[Array]:
    """Sum of `part(images, points)` over slices of `count` points, `chunk` of them at a time.

    Unrolled, because XLA:CPU falls to slow convolutions inside its loops, unless they are those
    of `jaxens.ops`; in sequence, because XLA would otherwise hold the activations of all chunks
    at once.
    """
    first, *rest = slices(count, chunk)
    total = part(images, first)
    for some in rest:
        images = after(total, images)
        total = jax.tree.map(jnp.add, total, part(images, some))
    return total


def slices(count: int, chunk: int | None) -> list[slice]:
    """Slices of `chunk` (all, if None) out of `count`; the last one may be shorter."""
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}: give at least 1, or None for all at once")
    size = chunk or count
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def after(done: PyTree[Float[Array, "..."]], images: Arrays) -> Arrays:
    """The images as they are, for what XLA shall not begin before `done` is computed.

    Under `vmap` they wait for all members, and stay shared if they were.
    """
    totals = [jax.lax.stop_gradient(leaf).sum() for leaf in jax.tree.leaves(done)]
    wait = _never(sum(totals[1:], start=totals[0]))
    return jax.tree.map(lambda leaf: jnp.where(wait, 0, leaf), images)


@custom_vmap
def _never(done: Float[Array, ""]) -> Bool[Array, ""]:
    # XLA does not see that it is never true, and so waits. It drops an `optimization_barrier`
    # before it schedules, on CPU.
    return jnp.isnan(done) & (done > 0)


@_never.def_vmap
def _never_of_all(
    size: int, mapped: list[bool], done: Float[Array, "member"]
) -> tuple[Array, bool]:
    return _never(done.sum()), False
