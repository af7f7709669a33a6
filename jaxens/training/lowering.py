"""Lowers the program that a training runs, from shapes alone: nothing is drawn or computed."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Sharding, SingleDeviceSharding

from jaxens.models.trunk import below_heads
from jaxens.training.feed import (
    WAITING,
    keeps_images,
    resident_program,
    steps_at_once,
    streamed_program,
)
from jaxens.training.frozen import kept_features
from jaxens.training.state import State, trained_members
from jaxens.training.trainer import Trainer, dispatches


@dataclass(frozen=True)
class LoweredTraining:
    """The program of a training, before it is compiled.

    Attributes:
        program: What JAX hands to the compiler.
        steps: The number of steps in it, as one loop if there are several.
        state: The shapes of the state, with their shardings.
        kept: What of the training set the devices keep: all images, their features by frozen
            stages, or the batches that come next.
        kept_bytes: The bytes of that on one device, without the batch of the program.
    """

    program: Any
    steps: int
    state: State
    kept: Literal["images", "features", "batches"]
    kept_bytes: int


def lower(trainer: Trainer, images: int) -> LoweredTraining:
    """Lowers the program that the epochs of a trainer run.

    It is compiled for the devices of the trainer, which need not be in this machine.

    Args:
        trainer: Its source may be a range.
        images: The number of training images.
    """
    place, config = trainer.placement, trainer.config
    state = _abstract_state(trainer)
    everywhere = place.everywhere or SingleDeviceSharding(place.device)
    features = kept_features(config, trainer.model, state.trunk, images, place.device)
    size, labels = config.data.image_size, _labels(trainer)
    if features is None and not keeps_images(config, images, place.device):
        members = () if trainer.plan.shared else (trained_members(config),)
        lead = (*members, config.optim.batch_size)
        shapes = {"images": ((size, size, 3), np.uint8), "labels": labels}
        batch = _stacked(shapes, lead, place.of_batch(trainer.plan.shared) or everywhere)
        program = streamed_program(trainer.step())
        number = jax.ShapeDtypeStruct((), np.int32)
        waiting = WAITING * bytes_on_device(batch)
        return LoweredTraining(program.lower(state, batch, number), 1, state, "batches", waiting)
    if features is not None:
        shapes = {"features": (features.shape[1:], features.dtype), "labels": labels}
    else:
        shapes = {"images": ((size, size, 3), np.uint8), "labels": labels}
    pool = _stacked(shapes, (images,), everywhere)
    steps = dispatches(trainer.steps_per_epoch, steps_at_once(place.device.platform))[0]
    rows = np.stack([trainer.plan(number) for number in range(steps)])
    program = resident_program(trainer.step())
    return LoweredTraining(
        program.lower(state, pool, rows, np.arange(steps, dtype=np.int32)),
        steps,
        state,
        "images" if features is None else "features",
        0,
    )


def bytes_on_device(tree: Any) -> int:
    """Returns the bytes of arrays on one device, from their shapes, types and shardings."""
    return sum(
        int(np.prod(leaf.sharding.shard_shape(leaf.shape), dtype=int)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )


def _abstract_state(trainer: Trainer) -> State:
    place, config = trainer.placement, trainer.config
    weights = below_heads(config.model.name) if config.frozen_below else None
    state = jax.eval_shape(trainer.init, weights)
    one = SingleDeviceSharding(place.device)
    shardings = place.of_state or State(one, one, one, one)
    return State(*(_placed(part, where) for part, where in zip(state, shardings, strict=True)))


def _labels(trainer: Trainer) -> dict[str, Any]:
    return {
        task.name: ((), np.int32) if task.kind == "multiclass" else ((len(task.classes),), np.int8)
        for task in trainer.tasks
    }


def _stacked(shapes: Any, lead: tuple[int, ...], sharding: Sharding) -> Any:
    """Returns arrays of (shape, type) with leading axes."""
    if isinstance(shapes, dict):
        return {name: _stacked(part, lead, sharding) for name, part in shapes.items()}
    shape, dtype = shapes
    return jax.ShapeDtypeStruct((*lead, *shape), dtype, sharding=sharding)


def _placed(tree: Any, sharding: Any) -> Any:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
