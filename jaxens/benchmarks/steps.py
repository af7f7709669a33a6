"""Compiled training steps."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxens.benchmarks.machine import on_cpu, program_memory
from jaxens.benchmarks.subject import TASK, Subject, member
from jaxens.benchmarks.traffic import step_traffic
from jaxens.models.trunk import frozen_features
from jaxens.training.feed import steps_at_once


class Training(NamedTuple):
    """A function that continues training at each call, and the cost of its program.

    A call runs `steps` steps in one dispatch, as many as `jaxens.train` does on this backend. It
    returns their losses, [step, member] or a list over members.
    """

    call: Callable[[], Any]
    steps: int
    memory: int  # bytes
    compiling: float  # seconds
    traffic: float | None  # bytes read and written by a step of all members


def together(subject: Subject, precomputed: bool = False) -> Training:
    """Steps of all members at once.

    With a frozen trunk, each step computes the features of its images, or, if `precomputed`, they
    are computed before the first step.
    """
    state, one = subject.state(), subject.step()
    keys = jax.random.split(jax.random.key(1), subject.members)
    images = (
        frozen_features(subject.model, state.trunk, subject.images)
        if precomputed
        else subject.images
    )

    def step(state: Any, inputs: Array, labels: Any) -> tuple[Any, Array]:
        if state.trunk is not None and not precomputed:
            inputs = frozen_features(subject.model, state.trunk, inputs)
        return one.of_all(state, inputs, labels, keys, jnp.int32(0), shared=True)

    program = _Program(step, state, images, {TASK.name: subject.labels})

    def call() -> Float[Array, "step member"]:
        nonlocal state
        state, losses = program(state)
        return losses

    return Training(call, program.steps, program.memory, program.compiling, program.traffic)


def one_by_one(subject: Subject) -> Training:
    """Returns the jitted step of one member, called for each member."""
    stacked, one, key = subject.state(), subject.step(), jax.random.key(1)
    states = [member(stacked, k) for k in range(subject.members)]

    def step(state: Any, inputs: Array, labels: Any) -> tuple[Any, Array]:
        return one(state, inputs, labels, key, jnp.int32(0))

    program = _Program(step, states[0], subject.images, {TASK.name: subject.labels})

    def call() -> list[Float[Array, "step"]]:
        losses = []
        for k, state in enumerate(states):
            states[k], loss = program(state)
            losses.append(loss)
        return losses

    traffic = program.traffic and subject.members * program.traffic
    return Training(call, program.steps, program.memory, program.compiling, traffic)


class _Program:
    """Several steps as one compiled program, which gathers each batch as `jaxens.train` does."""

    def __init__(self, step: Callable[..., tuple[Any, Array]], state: Any, *pool: Any):
        self.steps = steps_at_once()
        self._args = pool, _orders(len(pool[0]), self.steps)

        def several(state: Any, pool: Any, rows: Array) -> tuple[Any, Float[Array, "step ..."]]:
            def one(state: Any, rows: Array) -> tuple[Any, Array]:
                return step(state, *jax.tree.map(lambda leaf: leaf[rows], pool))

            if len(rows) > 1:
                return jax.lax.scan(one, state, rows)
            state, loss = one(state, rows[0])
            return state, loss[None]

        start = time.perf_counter()
        lowered = jax.jit(several, donate_argnums=0).lower(state, *self._args)
        self._program = lowered.compile()
        self.compiling = time.perf_counter() - start
        self.memory = program_memory(self._program)
        # On a CPU, most of the traffic stays in the caches, so that this count means nothing.
        self.traffic = None if on_cpu() else step_traffic(self._program, self.steps)

    def __call__(self, state: Any) -> tuple[Any, Array]:
        return self._program(state, *self._args)


def _orders(images: int, steps: int) -> Array:
    """Returns an order of the images for each step, so that XLA can't move work out of the loop."""
    keys = jax.random.split(jax.random.key(2), steps)
    return jnp.stack([jax.random.permutation(key, images) for key in keys])
