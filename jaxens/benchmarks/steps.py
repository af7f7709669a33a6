"""Training steps, compiled and ready to be called."""

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
from jaxens.models.trunk import embed
from jaxens.training.feed import steps_at_once


class Training(NamedTuple):
    """A call that goes on from where the last one left, and what its program takes.

    A call is `steps` steps in one dispatch, as many as a run has on this backend; it gives the
    losses of each, [step, member], or as a list over members.
    """

    call: Callable[[], Any]
    steps: int
    memory: int  # bytes
    compiling: float  # seconds
    traffic: float | None  # bytes that a step of all members reads and writes


def together(subject: Subject, embedded: bool = False) -> Training:
    """Steps of all members at once.

    With a frozen trunk each step makes the embeddings of its images, or has them `embedded`
    before the first.
    """
    state, one = subject.state(), subject.step()
    keys = jax.random.split(jax.random.key(1), subject.members)
    images = embed(subject.model, state.trunk, subject.images) if embedded else subject.images

    def step(state: Any, inputs: Array, labels: Any) -> tuple[Any, Array]:
        if state.trunk is not None and not embedded:
            inputs = embed(subject.model, state.trunk, inputs)
        return one.of_all(state, inputs, labels, keys, shared=True)

    program = _Program(step, state, images, {TASK.name: subject.labels})

    def call() -> Float[Array, "step member"]:
        nonlocal state
        state, losses = program(state)
        return losses

    return Training(call, program.steps, program.memory, program.compiling, program.traffic)


def one_by_one(subject: Subject) -> Training:
    """The jitted step of one member, called for each."""
    stacked, one, key = subject.state(), subject.step(), jax.random.key(1)
    states = [member(stacked, k) for k in range(subject.members)]

    def step(state: Any, inputs: Array, labels: Any) -> tuple[Any, Array]:
        return one(state, inputs, labels, key)

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
    """Several steps as one compiled program, which gathers each one's batch as a run does."""

    def __init__(self, step: Callable[..., tuple[Any, Array]], state: Any, *pool: Any):
        self.steps = steps_at_once()
        self._given = pool, _orders(len(pool[0]), self.steps)

        def several(state: Any, pool: Any, rows: Array) -> tuple[Any, Float[Array, "step ..."]]:
            def one(state: Any, rows: Array) -> tuple[Any, Array]:
                return step(state, *jax.tree.map(lambda leaf: leaf[rows], pool))

            if len(rows) > 1:
                return jax.lax.scan(one, state, rows)
            state, loss = one(state, rows[0])
            return state, loss[None]

        began = time.perf_counter()
        lowered = jax.jit(several, donate_argnums=0).lower(state, *self._given)
        self._program = lowered.compile()
        self.compiling = time.perf_counter() - began
        self.memory = program_memory(self._program)
        # On a CPU, caches serve what the layers of one member pass on: this would tell nothing.
        self.traffic = None if on_cpu() else step_traffic(self._program, self.steps)

    def __call__(self, state: Any) -> tuple[Any, Array]:
        return self._program(state, *self._given)


def _orders(images: int, steps: int) -> Array:
    """An order of the images for each step: no step can be moved out of a loop."""
    keys = jax.random.split(jax.random.key(2), steps)
    return jnp.stack([jax.random.permutation(key, images) for key in keys])
