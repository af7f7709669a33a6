"""The machine: its device, the rate of a matrix product, its memory bandwidth."""

import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxens.data.preparing import cores

PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "optax", "numpy", "torch", "captum", "lime")
REPEATS = 20
_ACCELERATED = {"matrix": 8192, "bytes": 1 << 30}
_CPU = {"matrix": 2048, "bytes": 1 << 28}


@dataclass(frozen=True)
class Machine:
    """The device, its matrix product rates by type, and its memory bandwidth."""

    device: str
    cores: int
    matmul: dict[str, float]  # FLOP per second
    bandwidth: float  # bytes per second, read and written
    versions: dict[str, str]

    def describe(self) -> str:
        """Returns the device, the versions and the measured ceilings, in two lines."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        ceilings = ", ".join(f"{r / 1e9:,.0f} GFLOP/s {name}" for name, r in self.matmul.items())
        return (
            f"{self.device}, {self.cores} cores; {versions}\n"
            f"measured in this run: matmul {ceilings}; memory {self.bandwidth / 1e9:,.0f} GB/s"
        )


def measure() -> Machine:
    """Measures the machine that JAX runs on; takes some seconds."""
    sizes = _CPU if on_cpu() else _ACCELERATED
    types = ("float32",) if on_cpu() else ("float32", "bfloat16")
    device = jax.local_devices()[0]
    return Machine(
        device=_processor() if on_cpu() else device.device_kind,
        cores=cores(),
        matmul={name: _flop_per_second(sizes["matrix"], name) for name in types},
        bandwidth=_bandwidth(sizes["bytes"]),
        versions={"python": platform.python_version(), **_versions()},
    )


def on_cpu() -> bool:
    """Returns whether JAX computes on the CPU."""
    return jax.default_backend() == "cpu"


def peak_memory() -> tuple[int, str]:
    """Returns the peak memory in bytes since the process started, and whose it is.

    The device's, or the process's on a CPU, which includes PyTorch.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"], "the device"
    import resource  # does not exist on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "the process"


def program_memory(compiled: Any) -> int:
    """Bytes of a compiled program's arguments, results and temporaries."""
    sizes = compiled.memory_analysis()
    donated = sizes.alias_size_in_bytes
    buffers = sizes.argument_size_in_bytes + sizes.output_size_in_bytes - donated
    return buffers + sizes.temp_size_in_bytes


def _flop_per_second(n: int, dtype: str) -> float:
    matrix = jax.random.normal(jax.random.key(0), (n, n), dtype)
    product = jax.jit(lambda a: a @ a)
    return 2 * n**3 / _best(lambda: product(matrix))


def _bandwidth(size: int) -> float:
    array = jnp.zeros(size // 4, jnp.float32)
    # In place: on a CPU, new pages would take longer than the copy.
    in_place = jax.jit(lambda a: a + 1, donate_argnums=0)

    def copy() -> jax.Array:
        nonlocal array
        array = in_place(array)
        return array

    return 2 * size / _best(copy)


def _best(call: Callable[[], jax.Array]) -> float:
    call().block_until_ready()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call().block_until_ready()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
