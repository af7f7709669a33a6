"""Decides whether a training set is kept on the device."""

from typing import Literal

import jax


def fits_on_device(resident: Literal["auto", "yes", "no"], nbytes: int) -> bool:
    """Returns whether the training set should be kept on the device.

    Args:
        resident: "yes", "no", or "auto": if it takes at most a quarter of the device's memory.
        nbytes: size of the training set, bytes.
    """
    if resident != "auto":
        return resident == "yes"
    stats = jax.local_devices()[0].memory_stats() or {}  # none on CPU
    return nbytes <= stats.get("bytes_limit", 4 << 30) // 4
