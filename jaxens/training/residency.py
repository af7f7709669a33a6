"""Decides what stays on the device for a whole training."""

from typing import Literal

import jax


def fits_on_device(resident: Literal["auto", "yes", "no"], nbytes: int) -> bool:
    """Whether the training set, of `nbytes` bytes, should be kept on the device.

    With `"auto"`, if it takes at most a quarter of the device's memory.
    """
    if resident != "auto":
        return resident == "yes"
    stats = jax.local_devices()[0].memory_stats() or {}  # none on CPU
    return nbytes <= stats.get("bytes_limit", 4 << 30) // 4
