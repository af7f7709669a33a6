"""Brings pictures to the training step: from the device itself, or streamed."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxens.config import Config
from jaxens.data.opening import fits_on_device
from jaxens.data.schema import Task
from jaxens.data.source import Source, load
from jaxens.data.stream import batches
from jaxens.ensemble.plan import Plan
from jaxens.ensemble.state import State
from jaxens.ensemble.step import Batch

Step = Callable[[State, Batch, Array], tuple[State, Array]]
Advance = Callable[[State, int], tuple[State, Float[Array, "member"]]]


def feed(
    config: Config,
    source: Source,
    tasks: tuple[Task, ...],
    plan: Plan,
    step: Step,
    start: int,
    stop: int,
) -> Advance:
    """The step as `(state, number) -> (state, losses)`, to be called for `start` to `stop - 1`.

    A set that fits lies on the device as uint8 and is gathered there; another is streamed,
    decoded ahead of time. Both give the same pictures. The state's buffers are reused.
    """
    if fits_on_device(config.data, source):
        return _resident(source, tasks, plan, step)
    return _streamed(config, source, tasks, plan, step, start, stop)


def _resident(source: Source, tasks: tuple[Task, ...], plan: Plan, step: Step) -> Advance:
    split = load(source, "reading training pictures")
    pool = {
        "images": jnp.asarray(split.images),
        "labels": {task.name: jnp.asarray(split.labels[task.name]) for task in tasks},
    }

    def gathered(state: State, pool: Batch, index: Array, number: Array) -> tuple[State, Array]:
        return step(state, jax.tree.map(lambda leaf: leaf[index], pool), number)

    compiled = jax.jit(gathered, donate_argnums=0)
    return lambda state, number: compiled(state, pool, plan(number), jnp.int32(number))


def _streamed(
    config: Config,
    source: Source,
    tasks: tuple[Task, ...],
    plan: Plan,
    step: Step,
    start: int,
    stop: int,
) -> Advance:
    stream = batches(source, plan, start, stop, config.data.workers)
    compiled = jax.jit(step, donate_argnums=0)

    def advance(state: State, number: int) -> tuple[State, Array]:
        batch = next(stream)
        labels = {task.name: batch["labels"][task.name] for task in tasks}
        return compiled(state, {"images": batch["images"], "labels": labels}, jnp.int32(number))

    return advance
