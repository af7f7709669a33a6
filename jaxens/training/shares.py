"""What each process of a training reads: its own part of every batch, or its share of all images.

No process decodes an image for another one's devices, but for images that several of them need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jaxtyping import Int32, PyTree, Shaped

from jaxens.training.mesh import Placement
from jaxens.training.plan import Plan

Rows = Int32[np.ndarray, "row"]


def gathered(
    read: Callable[[Rows], PyTree[Shaped[np.ndarray, "row ..."]]], count: int
) -> PyTree[Shaped[np.ndarray, "row ..."]]:
    """Returns arrays for the rows 0 to `count` - 1, of which each process reads a share.

    Args:
        read: Returns arrays for some rows.
        count: The number of rows.
    """
    processes = jax.process_count()
    if processes == 1:
        return read(np.arange(count, dtype=np.int32))
    share = -(-count // processes)
    first = jax.process_index() * share
    # Shares have one size: the last ones may begin again with the first rows.
    own = read(np.arange(first, first + share, dtype=np.int32) % count)
    everything = multihost_utils.process_allgather(own, tiled=True)
    return jax.tree.map(lambda leaf: leaf[:count], everything)


@dataclass(frozen=True)
class OwnRows:
    """The plan of one process: of each step, the rows that its devices need.

    Attributes:
        plan: The rows of each step.
        members: Of a batch that members do not share, with those that fill up the devices.
        part: The place of the process's rows among all rows of a step, along each of their axes.
    """

    plan: Plan
    members: int
    part: tuple[slice, ...]

    @classmethod
    def of(cls, plan: Plan, placement: Placement) -> "OwnRows":
        """Returns the plan of this process."""
        shape = (plan.batch,) if plan.shared else (placement.filled, plan.batch)
        sharding = placement.of_batch(plan.shared)
        if sharding is None:
            return cls(plan, placement.filled, (slice(None),) * len(shape))
        places: list[Any] = list(sharding.addressable_devices_indices_map(shape).values())
        bounds = [
            [place[axis].indices(size)[:2] for place in places] for axis, size in enumerate(shape)
        ]
        part = tuple(slice(min(b[0] for b in each), max(b[1] for b in each)) for each in bounds)
        return cls(plan, placement.filled, part)

    def __call__(self, step: int) -> Int32[np.ndarray, "batch"] | Int32[np.ndarray, "member batch"]:
        rows = self.plan(step)
        if not self.plan.shared:
            rows = np.concatenate([rows, np.repeat(rows[:1], self.members - len(rows), axis=0)])
        return rows[self.part]

    def put(self, batch: Any, placement: Placement) -> PyTree[Array]:
        """Returns a batch of all processes on the devices of the mesh.

        Args:
            batch: Arrays for the rows of this process.
            placement: Where images lie.
        """
        sharding = placement.of_batch(self.plan.shared)
        if sharding is None:
            return jax.device_put(batch)
        lead = (self.plan.batch,) if self.plan.shared else (self.members, self.plan.batch)

        def put_leaf(leaf: Shaped[np.ndarray, "..."]) -> Array:
            def of_device(place: Any) -> Shaped[np.ndarray, "..."]:
                own = [
                    slice(*(bound - (part.start or 0) for bound in at.indices(size)[:2]))
                    for at, part, size in zip(place, self.part, lead, strict=False)
                ]
                return leaf[tuple(own)]

            shape = (*lead, *leaf.shape[len(lead) :])
            return jax.make_array_from_callback(shape, sharding, of_device)

        return jax.tree.map(put_leaf, batch)
