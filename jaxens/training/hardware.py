"""What the data sheets of accelerators say: memory, rate of products, bandwidth."""

from dataclasses import dataclass

import jax


@dataclass(frozen=True)
class Hardware:
    """One device, as JAX counts devices.

    Attributes:
        memory: Bytes.
        flops: FLOP per second of dense products in bfloat16.
        bandwidth: Bytes of its memory per second.
        source: Where these numbers are from.
    """

    memory: int
    flops: float
    bandwidth: float
    source: str


GIB = 2**30
# By the `device_kind` of JAX. A TPU7x chip is two devices.
KNOWN = {
    "TPU v5 lite": Hardware(16 * GIB, 197e12, 819e9, "Google's page about TPU v5e"),
    "TPU v5": Hardware(95 * GIB, 459e12, 2765e9, "Google's page about TPU v5p"),
    "TPU v6 lite": Hardware(32 * GIB, 918e12, 1640e9, "Google's page about TPU v6e"),
    "TPU7x": Hardware(96 * GIB, 1153e12, 3690e9, "half of a chip of Google's page about TPU7x"),
    "NVIDIA A100-SXM4-80GB": Hardware(80 * GIB, 312e12, 2039e9, "NVIDIA's data sheet"),
    "NVIDIA H100 80GB HBM3": Hardware(80 * GIB, 989e12, 3350e9, "NVIDIA's data sheet"),
    "NVIDIA H200": Hardware(141 * GIB, 989e12, 4800e9, "NVIDIA's data sheet"),
}


def memory_of(device: jax.Device) -> int | None:
    """Returns the bytes of memory of an accelerator; None on a CPU, or if they are not known.

    Args:
        device: A device of this process, or one that programs are only compiled for.
    """
    try:
        limit = (device.memory_stats() or {}).get("bytes_limit")  # none on CPU
    except jax.errors.JaxRuntimeError:  # the device is not in this process
        limit = None
    if limit:
        return limit
    known = KNOWN.get(device.device_kind)
    return known.memory if known else None
