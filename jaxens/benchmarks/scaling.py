"""A training step on more and more devices that share its images, and its collectives alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxens.benchmarks.options import Scaling
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.subject import TASK, Subject
from jaxens.training.feed import streamed_program
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import MEMBER, Placement
from jaxens.training.state import State
from jaxens.training.trainer import Trainer
from jaxens.training.transfer import put

STEP, COLLECTIVES = "training step", "its collectives alone"


def scaling(options: Scaling) -> list[Results]:
    """Measures a training step on each number of devices.

    With twice the devices, a step has twice the images: each device gets `batch_size` of them.
    """
    counts, batch = options.devices, options.batch_size
    calls: dict[tuple[int, str], Callable[[], Any]] = {}
    for count in counts:
        trainer, state = _training(options, count)
        calls[count, STEP] = _step(trainer, state, options)
        if count > 1:
            calls[count, COLLECTIVES] = _collectives(trainer.placement, state)
    timed = in_turn(calls, options.rounds)
    first = counts[0]
    rows = []
    for count, what in calls:
        items = options.members * batch * count if what == STEP else None
        seconds = timed[count, what].median
        # The devices of a CPU share its cores, so the work is compared, and not the time.
        of_first = timed[first, STEP].median / first
        ratio = of_first / (seconds / count) if what == STEP else None
        share = None if what == STEP else seconds / timed[count, STEP].median
        by = f"{count} device{'s' * (count > 1)}"
        rows.append(
            Row(what, by, timed[count, what], items=items, ratio=ratio if share is None else share)
        )
    return [
        Results(
            f"Training on devices that share the images of a batch, {options.members} "
            f"{options.model}, {batch} images of {options.image_size} px for each device",
            "member-images",
            f"of a step, member-images per second next to {first} device{'s' * (first > 1)}; of "
            "collectives, their share of the step's time",
            rows,
            ("Devices of a CPU share its cores: with twice the devices, a step has twice the work",)
            if jax.default_backend() == "cpu"
            else (),
        )
    ]


def _training(options: Scaling, count: int) -> tuple[Trainer, State]:
    subject = Subject.make(
        options.model, options.members, options.image_size, options.batch_size * count, "auto"
    )
    config = replace(subject.config, augment=replace(subject.config.augment, flip=False))
    trainer = Trainer(
        config,
        range(options.batch_size * count),
        (TASK,),
        MeshLayout(1, count),
        jax.devices()[:count],
    )
    return trainer, trainer.init()


def _step(trainer: Trainer, state: State, options: Scaling) -> Callable[[], Any]:
    """Returns a function that continues training by a step."""
    size = options.image_size
    rng = np.random.default_rng(0)
    images = trainer.config.optim.batch_size
    batch = {
        "images": rng.integers(0, 256, (images, size, size, 3), np.uint8),
        "labels": {TASK.name: rng.integers(0, len(TASK.classes), images).astype(np.int32)},
    }
    batch = put(batch, trainer.placement.of_batch(shared=True))
    program = streamed_program(trainer.step())
    state = jax.tree.map(jnp.copy, state)  # its buffers are reused

    def call() -> Any:
        nonlocal state
        state, losses = program(state, batch, np.int32(0))
        return jax.block_until_ready(losses)

    return call


def _collectives(placement: Placement, state: State) -> Callable[[], Any]:
    """Returns a function that sums arrays over the devices, as a step sums its gradients.

    The arrays have the shapes of the gradients and of the batch statistics.
    """
    axes = placement.axes
    spread = jax.shard_map(
        lambda tree: axes.total(axes.apart(tree)),
        mesh=placement.mesh,
        in_specs=PartitionSpec(MEMBER),
        out_specs=PartitionSpec(MEMBER),
    )
    program, sent = jax.jit(spread), (state.params, state.batch_stats)
    # Two programs at once would wait for each other's devices: a CPU has too few threads for both.
    return lambda: jax.block_until_ready(program(sent))
