"""Numbers that the processes of a training agree on, so that all of them go the same way."""

import zlib
from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxens.errors import UserError


def largest(number: int) -> int:
    """Returns the largest of the numbers that the processes give; all of them have to call it."""
    return number if jax.process_count() == 1 else int(_largest(number))


def smallest(number: int) -> int:
    """Returns the smallest of the numbers that the processes give; all of them have to call it."""
    return -largest(-number)


def check_same(what: str, value: str, remedy: str) -> None:
    """Checks that all processes have the same text; all of them have to call it.

    Args:
        what: What the text describes, for the message.
        value: The text.
        remedy: What to do if it differs.

    Raises:
        UserError: In all processes, if it differs.
    """
    number = zlib.crc32(value.encode()) >> 1  # fits 32 bits with a sign
    if largest(number) != smallest(number):
        raise UserError(f"the processes of this job have different {what}: {remedy}")


class LateLargest:
    """Returns the largest of the numbers that the processes gave one call before; 0 at first.

    All processes have to call it after each dispatch. Devices work in order, so the answer of this
    call comes only after the dispatch. Waiting for it would leave the devices without work until
    the next dispatch. The answer of the call before is there already. A single process gets its own
    number at once.
    """

    def __init__(self) -> None:
        self._before: Array | None = None

    def __call__(self, number: int) -> int:
        if jax.process_count() == 1:
            return number
        before, self._before = self._before, _largest(number)
        return 0 if before is None else int(before)


def _largest(number: int) -> Array:
    """Returns the largest of the processes' numbers. The array may not be computed yet."""
    given, largest_of = _of_devices()
    own = np.full(jax.local_device_count(), number, np.int32)
    return largest_of(jax.make_array_from_process_local_data(given, own, (jax.device_count(),)))


@cache
def _of_devices() -> tuple[NamedSharding, Callable[[Array], Array]]:
    """Returns how one number per device is sharded, and a function that gives all their maximum."""
    mesh = Mesh(np.array(jax.devices()), "device")
    everywhere = NamedSharding(mesh, PartitionSpec())
    given = NamedSharding(mesh, PartitionSpec("device"))
    return given, jax.jit(jnp.max, out_shardings=everywhere)
