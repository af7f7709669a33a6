"""Spreads images over devices: each device runs the same program on its share of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

IMAGE = "image"  # the axis of the mesh


def all_devices() -> list[jax.Device]:
    """Returns the devices of this process. On a CPU, one: such devices share its cores."""
    devices = jax.local_devices()
    return devices[:1] if jax.default_backend() == "cpu" else devices


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """Returns arrays that each of some devices has; a mesh of them if there are several."""
    if len(devices) == 1:
        return jax.device_put(tree, devices[0])
    mesh = Mesh(np.array(devices), (IMAGE,), axis_types=(AxisType.Auto,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def mesh_of(tree: Any) -> Mesh | None:
    """Returns the mesh on which `replicate` has put arrays; None if they are on one device."""
    sharding = getattr(next(iter(jax.tree.leaves(tree)), None), "sharding", None)
    if isinstance(sharding, NamedSharding) and sharding.mesh.axis_names == (IMAGE,):
        mesh: Mesh = sharding.mesh  # type: ignore[assignment]
        return mesh
    return None


def over_images(
    axes: Sequence[int | None], out_axis: int
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Returns a decorator that spreads the images of a function over devices.

    The function gets one more argument, `mesh`: a mesh from `mesh_of`, or None for one device. The
    last device may get copies of the last image, whose results are left out.

    Args:
        axes: The image axis of each positional argument; None for an argument without one. Leaves
            that lack this axis, such as one class for all images, go to each device as they are.
        out_axis: The image axis of all results. Results for an image must not depend on the other
            images.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, mesh: Mesh | None, **static: Any) -> Any:
            of_device = partial(function, **static)
            if mesh is None:
                return of_device(*arguments)
            return _spread(of_device, mesh, arguments, axes, out_axis)

        call.__doc__, call.__name__ = function.__doc__, function.__name__
        return call

    return decorate


def _spread(
    function: Callable[..., Any],
    mesh: Mesh,
    arguments: Sequence[Any],
    axes: Sequence[int | None],
    out_axis: int,
) -> Any:
    pairs = list(zip(arguments, axes, strict=True))
    images = _count(pairs)
    rows = np.minimum(np.arange(-(-images // mesh.size) * mesh.size), images - 1)
    spread = jax.shard_map(
        function,
        mesh=mesh,
        in_specs=tuple(_mapped(_spec, argument, axis) for argument, axis in pairs),
        out_specs=_spec(None, out_axis),
        check_vma=False,  # loops of attributions start with values that all devices share
    )
    results = spread(*(_mapped(_rows_of(rows), argument, axis) for argument, axis in pairs))
    return _mapped(_rows_of(np.arange(images)), results, out_axis)


def _count(pairs: Sequence[tuple[Any, int | None]]) -> int:
    """Returns the number of images."""
    return next(
        leaf.shape[axis]
        for argument, axis in pairs
        for leaf in jax.tree.leaves(argument)
        if axis is not None and jnp.ndim(leaf) > axis
    )


def _mapped(change: Callable[[Any, int | None], Any], tree: Any, axis: int | None) -> Any:
    """Calls `change` with each leaf and its image axis, None if it has none."""
    return jax.tree.map(
        lambda leaf: change(leaf, axis if axis is not None and jnp.ndim(leaf) > axis else None),
        tree,
    )


def _rows_of(rows: np.ndarray) -> Callable[[Any, int | None], Array]:
    return lambda leaf, axis: leaf if axis is None else jnp.take(leaf, rows, axis)


def _spec(leaf: Any, axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, IMAGE)
