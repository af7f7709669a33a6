"""Brings pictures to the training step: from the device itself, or streamed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.data.source import Source, load
from jaxens.data.stream import batches
from jaxens.models import Classifier
from jaxens.training.frozen import embeddings
from jaxens.training.plan import Plan
from jaxens.training.residency import fits_on_device
from jaxens.training.settings import Config
from jaxens.training.state import State
from jaxens.training.step import Batch

Step = Callable[[State, Batch, Array], tuple[State, Array]]

_ON_DEVICE = 2  # streamed batches that lie there and wait


class Feed(Protocol):
    """The step with its pictures. The state's buffers are reused."""

    at_once: int  # the most steps of one dispatch

    def compile(self, state: State, counts: Iterable[int]) -> None:
        """Makes the programs for `counts` steps at once; those that are there are kept."""

    def __call__(
        self, state: State, number: int, count: int
    ) -> tuple[State, Float[Array, "step member"]]:
        """Steps `number` to `number + count - 1`: the state after them, and the losses of each."""


def steps_at_once() -> int:
    """Steps of one dispatch on this backend.

    Ten hide the host's part of a small step behind the device's; on a CPU that part is small
    beside the step, and a loop around it is compiled to slower convolutions.
    """
    return 1 if jax.default_backend() == "cpu" else 10


def feed(
    config: Config,
    model: Classifier,
    trunk: Any,
    source: Source,
    tasks: tuple[Task, ...],
    plan: Plan,
    step: Step,
    start: int,
    stop: int,
    progress: Progress = no_progress,
) -> Feed:
    """A feed to be called for the steps `start` to `stop - 1`, in order.

    What fits lies on the device and is gathered there: a frozen `trunk`'s embeddings where
    they are the same at every step, or the pictures as uint8. Other sets are streamed,
    decoded ahead of time. All give the same numbers.
    """
    pool = embeddings(config, model, trunk, source, tasks, progress)
    if pool is None and fits_on_device(config.data.resident, len(source) * source.size**2 * 3):
        split = load(source, progress)
        pool = jax.device_put(
            {"images": split.images, "labels": {t.name: split.labels[t.name] for t in tasks}}
        )
    if pool is not None:
        return Resident(pool, plan, step, steps_at_once())
    stream = batches(source, plan, start, stop, config.data.workers)
    return Streamed(_of_tasks(stream, tasks), step)


class Resident:
    """Batches gathered from a `pool` on the device, several steps in one dispatch."""

    def __init__(self, pool: Batch, plan: Plan, step: Step, at_once: int):
        self.at_once = at_once
        self._pool, self._plan = pool, plan
        self._programs: dict[int, Callable[..., tuple[State, Array]]] = {}

        def several(
            state: State, pool: Batch, rows: Array, numbers: Array
        ) -> tuple[State, Float[Array, "step member"]]:
            def one(state: State, due: tuple[Array, Array]) -> tuple[State, Array]:
                rows, number = due
                return step(state, jax.tree.map(lambda leaf: leaf[rows], pool), number)

            if len(numbers) > 1:
                return jax.lax.scan(one, state, (rows, numbers))
            state, losses = one(state, (rows[0], numbers[0]))
            return state, losses[None]

        self._several = jax.jit(several, donate_argnums=0)

    def compile(self, state: State, counts: Iterable[int]) -> None:
        for count in counts:
            if count not in self._programs:
                lowered = self._several.lower(state, self._pool, *self._due(0, count))
                self._programs[count] = lowered.compile()

    def __call__(self, state: State, number: int, count: int) -> tuple[State, Array]:
        return self._programs[count](state, self._pool, *self._due(number, count))

    def _due(self, number: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.arange(number, number + count, dtype=np.int32)
        return np.stack([self._plan(n) for n in numbers.tolist()]), numbers


class Streamed:
    """Batches that come one by one; the next are put on the device while a step runs."""

    at_once = 1

    def __init__(self, stream: Iterator[Batch], step: Step):
        self._stream = stream
        self._waiting: deque[Batch] = deque()
        self._program: Callable[..., tuple[State, Array]] | None = None

        def one(state: State, batch: Batch, number: Array) -> tuple[State, Array]:
            state, losses = step(state, batch, number)
            return state, losses[None]

        self._one = jax.jit(one, donate_argnums=0)
        self._fill()

    def compile(self, state: State, counts: Iterable[int]) -> None:
        if self._program is None:
            self._program = self._one.lower(state, self._waiting[0], np.int32(0)).compile()

    def __call__(self, state: State, number: int, count: int) -> tuple[State, Array]:
        assert self._program is not None
        after = self._program(state, self._waiting.popleft(), np.int32(number))
        self._fill()
        return after

    def _fill(self) -> None:
        while len(self._waiting) < _ON_DEVICE:
            batch = next(self._stream, None)
            if batch is None:
                return
            self._waiting.append(jax.device_put(batch))


def _of_tasks(stream: Iterator[dict[str, Any]], tasks: tuple[Task, ...]) -> Iterator[Batch]:
    for batch in stream:
        labels = {task.name: batch["labels"][task.name] for task in tasks}
        yield {"images": batch["images"], "labels": labels}
