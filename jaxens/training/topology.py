"""Devices that a program is compiled for, in this machine or elsewhere."""

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import jax
from jax.experimental import topologies

from jaxens.errors import UserError

MOST_DEVICES = 1024  # that this machine pretends to have
# Without these, libtpu asks a server of Google's cloud, warns that there is none, and runs in one
# process at a time.
_ELSEWHERE = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
}


def devices_on(on: str | None) -> Sequence[jax.Device]:
    """Returns devices that a program can be compiled for.

    Args:
        on: "cpu" or "cpu:8": one device or so many of this machine's CPU. A topology such as
            "v5e:4x4", "v6e:1x1" or "v5p:2x2x1": the chips of a TPU, which need not be there. None:
            the devices of this machine.

    Raises:
        UserError: If there is no such topology, or libtpu is not installed.
    """
    if on is None:
        return jax.devices()
    if found := re.fullmatch(r"cpu(?::([1-9]\d{0,5}))?", on):
        return _of_cpu(int(found[1] or 1))
    if found := re.fullmatch(r"[a-z]\w*:(\d+(?:x\d+){1,2})", on, re.IGNORECASE):
        return _of_tpu(on, [int(side) for side in found[1].split("x")])
    raise UserError(
        f"`on` {on!r} is not a device: write cpu, cpu:8, or the topology of a TPU such as v5e:4x4"
    )


def _of_cpu(count: int) -> Sequence[jax.Device]:
    if count > MOST_DEVICES:
        raise UserError(f"`on` cpu:{count} is more than {MOST_DEVICES} devices: choose fewer")
    if count > max(jax.config.values["jax_num_cpu_devices"], 1):
        with contextlib.suppress(RuntimeError):  # JAX has started, and keeps its devices
            jax.config.update("jax_num_cpu_devices", count)
    devices = jax.devices("cpu")
    if len(devices) < count:
        raise UserError(
            f"`on` cpu:{count}: JAX has started with {len(devices)} CPU devices: set "
            f"JAX_NUM_CPU_DEVICES={count} before that"
        )
    return devices[:count]


def _of_tpu(name: str, sides: list[int]) -> Sequence[jax.Device]:
    if find_spec("libtpu") is None:
        raise UserError(
            f"`on` {name} needs the compiler for TPUs, which runs without one: pip install libtpu"
        )
    if math.prod(sides) > MOST_DEVICES:
        raise UserError(f"`on` {name} has more than {MOST_DEVICES} chips: choose fewer")
    # A host has 2x2 chips unless the topology is narrower.
    options = {"chips_per_host_bounds": tuple(min(side, 2) for side in [*sides[:2], 1])}
    with _environment():
        try:
            return topologies.get_topology_desc(
                platform="tpu", topology_name=name, **options
            ).devices
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(
                f"`on` {name} is refused by libtpu ({reason}): choose a topology such as v5e:4x4"
            ) from None


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Within it, libtpu does not look for a TPU."""
    missing = [key for key in _ELSEWHERE if key not in os.environ]
    os.environ.update({key: _ELSEWHERE[key] for key in missing})
    try:
        yield
    finally:
        for key in missing:
            del os.environ[key]
