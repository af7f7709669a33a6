"""Arrays on a mesh whose axes are Explicit, as `jax.make_mesh` makes them by default."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
from jax import Array
from jax.sharding import AxisType, NamedSharding, PartitionSpec

P = ParamSpec("P")
T = TypeVar("T")


def shard_as(values: Array, images: Array) -> Array:
    """Returns values with an image axis first, sharded over the devices as the images are.

    Nothing changes unless the images lie on a mesh with Explicit axes: JAX then compares the
    shardings of the arguments of each operation.
    """
    sharding = _explicit(images)
    if sharding is None:
        return values
    spec = PartitionSpec(sharding.spec[0])
    return jax.sharding.reshard(values, NamedSharding(sharding.mesh, spec))


def with_auto_axes(function: Callable[P, T]) -> Callable[P, T]:
    """Returns the function, in which the compiler chooses the shardings of its arguments.

    Arguments are arrays. Results of arguments on a mesh with Explicit axes are replicated. For
    sorts and searches over an axis, which JAX does not shard by explicit rules.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        shardings = filter(None, map(_explicit, args))
        sharding = next(shardings, None)
        if sharding is None:
            return function(*args, **kwargs)
        replicated = NamedSharding(sharding.mesh, PartitionSpec())
        return jax.sharding.auto_axes(function, out_sharding=replicated)(*args, **kwargs)

    return call


def is_explicit(values: Array) -> bool:
    """Returns whether an array is sharded over Explicit axes."""
    return _explicit(values) is not None


def _explicit(values: object) -> NamedSharding | None:
    """Returns the sharding of an array that is sharded over Explicit axes."""
    if values is None:
        return None
    sharding = getattr(jax.typeof(values), "sharding", None)
    if sharding is None or AxisType.Explicit not in sharding.mesh.axis_types:
        return None
    return sharding if any(sharding.spec) else None
