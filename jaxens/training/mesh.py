"""Spreads a training over devices: members along one axis of a mesh, images along the other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Int, Shaped

from jaxens.errors import UserError
from jaxens.training.layout import ONE_DEVICE, MeshLayout, check_layout, choose_layout
from jaxens.training.state import State
from jaxens.training.transfer import fill, put, shared, to_host

MEMBER, DATA = "member", "data"  # the axes of the mesh


@dataclass(frozen=True)
class Placement:
    """Where members and images of a training lie.

    Attributes:
        members: The number of members, without those that fill up the devices.
        layout: Devices along each axis.
        mesh: The devices; None if there is one.
        devices: The devices that members and images lie on; None for the default one.
    """

    members: int
    layout: MeshLayout = ONE_DEVICE
    mesh: Mesh | None = None
    devices: tuple[jax.Device, ...] | None = None

    @classmethod
    def on_devices(
        cls,
        members: int,
        batch_size: int,
        layout: MeshLayout | None = None,
        devices: Sequence[jax.Device] | None = None,
    ) -> "Placement":
        """Returns the placement on the devices of all processes.

        Args:
            members: The number of members, a baseline included.
            batch_size: Images per member and step.
            layout: Devices along each axis. None chooses: one device of a single process on a
                CPU, because such devices share its cores, and all devices otherwise.
            devices: The devices, also those of another machine that a program is compiled for
                (None: those of all processes).

        Raises:
            UserError: If the layout does not fit the devices, the members or the batch.
        """
        devices = jax.devices() if devices is None else devices
        several = len({device.process_index for device in devices}) > 1
        if layout is None:
            alone = devices[0].platform == "cpu" and not several
            layout = choose_layout(1 if alone else len(devices), members, batch_size, several)
        check_layout(layout, len(devices), members, batch_size)
        if several and math.prod(layout) < len(devices):
            raise UserError(
                f"`mesh` {layout} leaves devices of some processes idle, and there are "
                f"{len(devices)}: choose another layout, or fewer processes"
            )
        used = tuple(devices[: math.prod(layout)])
        if len(used) == 1:
            return cls(members, devices=used)
        return cls(members, layout, _mesh(layout, used), used)

    @property
    def device(self) -> jax.Device:
        """One of the devices, of this process if there is one. All are of the same kind."""
        devices = self.devices or jax.local_devices()
        here = jax.process_index()
        return next((each for each in devices if each.process_index == here), devices[0])

    @property
    def filled(self) -> int:
        """The number of members with those that fill up the devices."""
        return -(-self.members // self.layout.member) * self.layout.member

    @property
    def axes(self) -> "Axes":
        """The axes of the mesh, for what runs on each of its devices."""
        return NO_AXES if self.mesh is None else Axes(MEMBER, DATA)

    @property
    def of_state(self) -> State | None:
        """The sharding of a state; None on one device."""
        return self._shardings(STATE)

    @property
    def everywhere(self) -> NamedSharding | None:
        """The sharding of what every device has; None on one device."""
        return self._shardings(PartitionSpec())

    def of_batch(self, shared: bool) -> NamedSharding | None:
        """The sharding of a batch; None on one device.

        Args:
            shared: Whether members share the images. Otherwise arrays have a leading member axis.
        """
        return self._shardings(_of_batch(shared))

    def _shardings(self, specs: Any) -> Any:
        mesh = self.mesh
        if mesh is None:
            return None
        return jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs, is_leaf=_is_spec)

    def spread(self, state: State) -> State:
        """Returns the state of the members alone, filled up, on the devices of the mesh."""
        if self.mesh is None:
            return jax.device_put(state, self.device)
        filled = self._of_members(lambda leaf: fill(leaf, self.filled), state)
        return put(filled, self.of_state)

    def gather(self, state: State) -> State:
        """Returns the state of the members alone.

        From a mesh it comes into the memory of the host, since a device may lack room for it.
        """
        if self.mesh is None:
            return state
        return self._of_members(lambda leaf: leaf[: self.members], to_host(state))

    def shapes(self, state: State) -> State:
        """Returns the shapes and types of the arrays of the members alone."""

        def shape(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((self.members, *leaf.shape[1:]), leaf.dtype)

        return self._of_members(shape, state)

    def diverged_at(self, state: State) -> Int[np.ndarray, "member"]:
        """Returns the steps at which the members diverged, in the memory of every process."""
        return np.asarray(self.share(state.diverged_at))[: self.members]

    def share(self, values: Shaped[Array, "*step filled"]) -> Shaped[Array, "*step filled"]:
        """Returns values of members, such as losses, that every process can read. Does not wait.

        Devices work in order. So what is shared before the next dispatch is there before its end.
        """
        return values if jax.process_count() == 1 else shared(values, self.everywhere)

    def read(self, losses: Float[Array, "step filled"]) -> Float[np.ndarray, "step member"]:
        """Waits for losses from `share`, and returns those of the members alone."""
        return np.asarray(losses).astype(np.float64)[:, : self.members]

    def predicting(self, predict: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function of all members and any images that runs on the devices of the mesh.

        Args:
            predict: `(variables, trunk, images)` -> arrays `[member, image, ...]`, of the members
                and images of one device.

        Returns:
            `(state, images)` -> such arrays, of the members alone.
        """
        if self.mesh is None:
            return lambda state, images: predict(
                *jax.device_put((state.variables, state.trunk), self.device), images
            )
        specs = PartitionSpec(MEMBER), PartitionSpec(), PartitionSpec(DATA)
        on_mesh = jax.jit(
            jax.shard_map(
                predict, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec(MEMBER, DATA)
            )
        )

        def of_all(state: State, images: Float[np.ndarray, "image height width 3"]) -> Any:
            count, each = len(images), self.layout.data
            rows = np.minimum(np.arange(-(-count // each) * each), count - 1)
            spread = put(np.asarray(images)[rows], self.of_batch(shared=True))
            results = to_host(on_mesh(state.variables, state.trunk, spread))
            return jax.tree.map(lambda leaf: leaf[: self.members, :count], results)

        return of_all

    def _of_members(self, change: Callable[[Array], Any], state: State) -> State:
        changed: State = jax.tree.map(change, state._replace(trunk=None))
        return changed._replace(trunk=state.trunk)

    def sharded(self, step: Callable[..., Any], shared: bool) -> Callable[..., Any]:
        """Returns a step of all members that runs on the devices of the mesh.

        Args:
            step: The step on one device, `(state, batch, number) -> (state, losses)`, of its
                members and images.
            shared: As for `of_batch`.
        """
        if self.mesh is None:
            return step
        on_mesh = jax.shard_map(
            step,
            mesh=self.mesh,
            in_specs=(STATE, _of_batch(shared), PartitionSpec()),
            out_specs=(STATE, PartitionSpec(MEMBER)),
        )

        def filled(state: State, batch: Any, number: Array) -> Any:
            if not shared:
                batch = jax.tree.map(lambda leaf: fill(leaf, self.filled), batch)
            return on_mesh(state, batch, number)

        return filled


def _mesh(layout: MeshLayout, devices: tuple[jax.Device, ...]) -> Mesh:
    """Returns devices in the order that JAX finds fastest, or as they come if it knows none."""
    names, auto = (MEMBER, DATA), (AxisType.Auto,) * 2
    try:
        return jax.make_mesh(layout, names, auto, devices=devices)
    # Chips of a TPU that are no whole rectangle, an axis that divides no side of it, or slices.
    except (AssertionError, NotImplementedError, ValueError):
        return Mesh(np.array(devices).reshape(layout), names, axis_types=auto)


STATE = State(*(PartitionSpec(MEMBER),) * 4, trunk=PartitionSpec())


def _of_batch(shared: bool) -> PartitionSpec:
    return PartitionSpec(DATA) if shared else PartitionSpec(MEMBER, DATA)


def _is_spec(value: Any) -> bool:
    return isinstance(value, PartitionSpec)


class Axes(NamedTuple):
    """The axes of the mesh, inside of a step that runs on each of its devices.

    Attributes:
        member: The axis of members; None on one device.
        data: The axis of images; None on one device.
    """

    member: str | None = None
    data: str | None = None

    def total(self, tree: Any) -> Any:
        """Returns sums over the devices that share the images of a batch."""
        return tree if self.data is None else lax.psum(tree, self.data)

    def mean(self, tree: Any) -> Any:
        """Returns means over the devices that share the images of a batch."""
        return tree if self.data is None else lax.pmean(tree, self.data)

    def apart(self, tree: Any) -> Any:
        """Returns values that these devices have in common, as values of each: so is a gradient."""
        if self.data is None:
            return tree
        return jax.tree.map(lambda leaf: lax.pcast(leaf, self.data, to="varying"), tree)

    def rows(self, axis: str | None, count: int) -> Array:
        """Returns the numbers of a device's `count` rows among those of all devices."""
        rows = jnp.arange(count)
        return rows if axis is None else rows + count * lax.axis_index(axis)

    def own(self, axis: str | None, count: int, of_all: Callable[[int], Any]) -> Any:
        """Returns a device's rows of arrays for all devices.

        Args:
            axis: The axis along which the rows are spread.
            count: The number of rows of a device.
            of_all: Returns the arrays for a number of rows.
        """
        if axis is None:
            return of_all(count)
        first = count * lax.axis_index(axis)
        return jax.tree.map(
            lambda leaf: lax.dynamic_slice_in_dim(leaf, first, count),
            of_all(count * lax.axis_size(axis)),
        )


NO_AXES = Axes()  # of one device
