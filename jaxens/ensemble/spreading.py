"""Spreads images over devices: each device runs the same program on its share of them."""

from collections.abc import Callable, Sequence
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
    function: Callable[..., Any], mesh: Mesh | None, axes: Sequence[int | None], out_axis: int
) -> Callable[..., Any]:
    """Returns a function whose images are spread over the devices of a mesh.

    The last device may get copies of the last image, whose results are left out.

    Args:
        function: Its results for an image do not depend on the other images.
        mesh: From `mesh_of`; None returns `function`.
        axes: The image axis of each argument; None for an argument without one. So are leaves
            that have no such axis, such as one class for all images.
        out_axis: The image axis of all results.
    """
    if mesh is None:
        return function

    def of_all(*arguments: Any) -> Any:
        images = _images(arguments, axes)
        rows = np.minimum(np.arange(-(-images // mesh.size) * mesh.size), images - 1)
        filled = [_mapped(_rows_of(rows), a, axis) for a, axis in zip(arguments, axes, strict=True)]
        specs = [_mapped(_spec, a, axis) for a, axis in zip(arguments, axes, strict=True)]
        spread = jax.shard_map(
            function,
            mesh=mesh,
            in_specs=tuple(specs),
            out_specs=_spec(None, out_axis),
            check_vma=False,  # loops of attributions start with values that all devices share
        )
        first = _rows_of(np.arange(images))
        return jax.tree.map(lambda leaf: first(leaf, out_axis), spread(*filled))

    return of_all


def _images(arguments: Sequence[Any], axes: Sequence[int | None]) -> int:
    return next(
        leaf.shape[axis]
        for argument, axis in zip(arguments, axes, strict=True)
        for leaf in jax.tree.leaves(argument)
        if axis is not None and jnp.ndim(leaf) > axis
    )


def _mapped(change: Callable[[Any, int | None], Any], tree: Any, axis: int | None) -> Any:
    """Changes each leaf, with the axis of images or None."""
    return jax.tree.map(
        lambda leaf: change(leaf, axis if axis is not None and jnp.ndim(leaf) > axis else None),
        tree,
    )


def _rows_of(rows: np.ndarray) -> Callable[[Any, int | None], Array]:
    return lambda leaf, axis: leaf if axis is None else jnp.take(leaf, rows, axis)


def _spec(leaf: Any, axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, IMAGE)
