"""Decides whether a training set is kept on the device."""

import os
from typing import Literal

import jax

from jaxens.errors import UserError
from jaxens.training.agreement import smallest
from jaxens.training.hardware import memory_of

WORKER_BYTES = 175_000_000  # of a process that decodes images


def fits_on_device(resident: Literal["auto", "yes", "no"], nbytes: int, device: jax.Device) -> bool:
    """Returns whether the training set should be kept on the device, in all processes or in none.

    Args:
        resident: "yes", "no", or "auto": if it takes at most a quarter of the device's memory, or a
            gigabyte on a CPU, where images can also be read from the prepared files.
        nbytes: Size of the training set, bytes.
        device: One of the devices that train.
    """
    if resident != "auto":
        return resident == "yes"
    memory = smallest((memory_of(device) or 4 << 30) >> 20)  # MiB: a number of 32 bits
    return nbytes >> 20 <= memory // 4


def device_memory() -> int | None:
    """Returns the bytes of memory of all devices of this process; None if they are not known.

    The devices of a CPU share the memory of the machine.
    """
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in jax.local_devices()]
    known = [limit for limit in limits if limit]
    return sum(known) if known else host_memory()


def host_memory() -> int | None:
    """Returns the bytes of memory of the machine; None if they are not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows, or a system without these names
        return None


def check_workers(workers: int) -> None:
    """Checks that the processes that decode images fit the memory.

    Args:
        workers: The number of processes.

    Raises:
        UserError: If they don't.
    """
    needed, memory = workers * WORKER_BYTES, host_memory()
    if memory is not None and needed > memory:
        raise UserError(
            f"`workers` {workers} take about {needed / 2**30:,.1f} GiB, and there are "
            f"{memory / 2**30:,.1f} GiB of memory: choose fewer"
        )
