"""Tells what a training would need, before it starts: memory, work, communication and steps.

The program that training runs is lowered from shapes and compiled by the compiler of its devices,
which need not be in this machine. Nothing is computed.
"""

import re
import time
from collections.abc import Sequence
from typing import Any

import jax

from jaxens.data.opening import open_data
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.errors import UserError, check_number
from jaxens.models.flops import work_of_stages
from jaxens.ops.members import is_loop
from jaxens.training.collectives import collectives
from jaxens.training.hardware import KNOWN, memory_of
from jaxens.training.hbm import bytes_in_memory
from jaxens.training.layout import MeshLayout
from jaxens.training.lowering import LoweredTraining, bytes_on_device, lower
from jaxens.training.needs import Memory, Needs, Rates, too_little
from jaxens.training.residency import host_memory
from jaxens.training.scratch import scratch_bytes
from jaxens.training.settings import Config
from jaxens.training.state import check_stage
from jaxens.training.topology import devices_on
from jaxens.training.trainer import Trainer


def plan_training(
    config: Config,
    on: str | None = None,
    *,
    layout: MeshLayout | None = None,
    images: int | None = None,
    classes: int | None = None,
    flops: float | None = None,
    bandwidth: float | None = None,
    progress: Progress = no_progress,
) -> Needs:
    """Returns what a training would need.

    The tasks and the number of training images are those of the data set. FieldMarks is not drawn
    for that; others are opened, and prepared the first time, unless `images` and `classes` stand
    in for them.

    Args:
        config: The config of the run.
        on: The devices, as for `devices_on`.
        layout: Devices along each axis of the mesh, as for `Placement.on_devices`.
        images: The number of training images.
        classes: The number of classes of one task that stands in for those of the data set.
        flops: FLOP per second of a device (None: that of the data sheet, if it is known).
        bandwidth: Bytes per second of a device's memory (None: as for `flops`).
        progress: Called while a data set is prepared.

    Raises:
        UserError: If devices, data or layout don't fit, or the compiler says that the memory is too
            small.
    """
    for name, value in (("flops", flops), ("bandwidth", bandwidth)):
        if value is not None:
            check_number(name, value, above=0)
    if images is not None:
        check_number("images", images, least=1, most=10**9)
    if classes is not None:
        check_number("classes", classes, least=2, most=1_000_000)
    devices = devices_on(on)
    count, tasks = _data(config, images, classes, progress)
    trainer = Trainer(config, range(count), tasks, layout, devices)
    check_stage(config, trainer.model.stage_names)
    began = time.monotonic()
    try:
        lowered = lower(trainer, count)
    except ValueError as error:  # a model that the images are too small for
        raise UserError(
            f"`model` {config.model.name} with `image_size` {config.data.image_size}: {error}"
        ) from None
    lowering = time.monotonic() - began
    program = _compile(lowered)
    compiling = time.monotonic() - began - lowering
    return _needs(trainer, lowered, program, len(devices), (lowering, compiling), flops, bandwidth)


def _data(
    config: Config, images: int | None, classes: int | None, progress: Progress
) -> tuple[int, tuple[Task, ...]]:
    """Returns the number of training images, and the tasks."""
    if config.data.source == "fieldmarks":
        from jaxens.data.fieldmarks.builder import INDEPENDENT, INFO

        info = INDEPENDENT if config.data.attributes == "independent" else INFO
        count = config.data.train_images
    elif images is None or classes is None:
        data = open_data(config.data, progress)
        info, count = data.info, len(data.train)
    else:
        return images, (_stand_in(classes),)
    tasks = info.choose_tasks(config.data.tasks) if classes is None else (_stand_in(classes),)
    return images or count, tasks


def _stand_in(classes: int) -> Task:
    return Task.multiclass("task", tuple(map(str, range(classes))))


def _compile(lowered: LoweredTraining) -> Any:
    """Compiles; the compiler for TPUs refuses what does not fit."""
    try:
        return lowered.program.compile()
    except jax.errors.JaxRuntimeError as error:
        size = r"([\d.]+)([KMGT])"  # libtpu says it in two ways
        used_of = rf"Used {size} of {size} hbm"
        exceeds = rf"\({size}\) exceeds available HBM \({size}\)"
        found = re.search(used_of, str(error)) or re.search(exceeds, str(error))
        if found is None:
            raise
        units = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
        number, unit, limit, unit_of_limit = found.groups()
        used, available = float(number) * units[unit], float(limit) * units[unit_of_limit]
        raise UserError(too_little(used, available)) from None


def _needs(
    trainer: Trainer,
    lowered: LoweredTraining,
    program: Any,
    devices: int,
    seconds: tuple[float, float],
    flops: float | None,
    bandwidth: float | None,
) -> Needs:
    place, config, device = trainer.placement, trainer.config, trainer.placement.device
    sizes, cost, hlo = program.memory_analysis(), _cost(program), program.as_text()
    on_cpu = device.platform == "cpu"
    known = KNOWN.get(device.device_kind)
    below, above = work_of_stages(trainer.model, config.data.image_size, config.frozen_below)
    batch, shared = config.optim.batch_size, trainer.plan.shared
    pixels = batch // place.layout.data * config.data.image_size**2
    # Of members in a loop, the compiler counts one.
    in_loop = is_loop(device.platform, 0 if config.frozen_below else pixels)
    if lowered.kept == "features":
        below = below._replace(forward=0.0)

    def work(members: int, batch: int) -> float:
        return batch * (below.forward * (1 if shared else members) + members * above.training)

    def shared_bytes(tree: Any) -> int:
        return bytes_on_device(tree) if place.layout.data > 1 else 0

    synchronized = config.model.batch_norm == "synchronized"
    return Needs(
        config=config,
        layout=place.layout,
        device=device.device_kind,
        devices=devices,
        steps=trainer.steps,
        kept=lowered.kept,
        memory=Memory(
            state=bytes_on_device(lowered.state),
            arguments=sizes.argument_size_in_bytes,
            results=sizes.output_size_in_bytes - sizes.alias_size_in_bytes,
            temporaries=sizes.temp_size_in_bytes,
            scratch=scratch_bytes(hlo) if on_cpu else 0,
            code=sizes.generated_code_size_in_bytes,
            waiting=lowered.kept_bytes,
        ),
        limit=_limit(device, len(place.devices or ())),
        flops=work(place.members, batch),
        flops_of_device=work(place.filled // place.layout.member, batch // place.layout.data),
        counted=None if in_loop else cost.get("flops"),
        nbytes=_bytes_of_step(device.platform, hlo, lowered.steps, None if in_loop else cost),
        collectives=collectives(hlo) if place.mesh else (),
        gradients=shared_bytes(lowered.state.params),
        statistics=shared_bytes(lowered.state.batch_stats) * (3 if synchronized else 1),
        rates=Rates.choose(known, flops, bandwidth),
        lowering=seconds[0],
        compiling=seconds[1],
    )


def _bytes_of_step(
    platform: str, hlo: str, steps: int, cost: dict[str, float] | None
) -> float | None:
    if platform == "tpu":
        total = bytes_in_memory(hlo)
        return None if total is None else total / steps
    return None if cost is None else cost.get("bytes accessed")  # it counts one step of the loop


def _cost(program: Any) -> dict[str, float]:
    cost = program.cost_analysis() or {}
    return dict(cost[0] if isinstance(cost, Sequence) else cost)


def _limit(device: jax.Device, used: int) -> int | None:
    """Returns the bytes of memory of a device; those of a CPU share the machine's."""
    if device.platform != "cpu":
        return memory_of(device)
    memory = host_memory()
    return memory and memory // max(used, 1)
