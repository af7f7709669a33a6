"""Feeds images to the training step: from the memory of the device, or streamed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array
from jaxtyping import Float, Int32

from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.data.source import Source, load
from jaxens.data.stream import batches
from jaxens.models import Classifier
from jaxens.training.frozen import features_of_training_images
from jaxens.training.mesh import Placement
from jaxens.training.plan import Plan
from jaxens.training.residency import fits_on_device
from jaxens.training.settings import Config
from jaxens.training.shares import OwnRows, gathered
from jaxens.training.state import State
from jaxens.training.step import Batch
from jaxens.training.transfer import put

Step = Callable[[State, Batch, Array], tuple[State, Array]]

WAITING = 2  # batches that are copied to the device before they are needed


class Feed(Protocol):
    """Runs training steps on the images of a source."""

    at_once: int  # the most steps of one dispatch

    def compile(self, state: State, counts: Iterable[int]) -> None:
        """Compiles a program for each number of steps in `counts`, unless it is compiled already.

        Args:
            state: A state with the shapes that training has.
            counts: Numbers of steps in one dispatch, at most `at_once`.
        """

    def __call__(
        self, state: State, number: int, count: int
    ) -> tuple[State, Float[Array, "step member"]]:
        """Runs the steps `number` to `number + count - 1` in one dispatch.

        Args:
            state: Before the steps; its buffers are reused, so it can't be read afterwards.
            number: The number of the first step, counted from the start of the training.
            count: The number of steps, one of those that were compiled.

        Returns:
            The state after the steps, and every member's loss in each of them.
        """


def steps_at_once(platform: str | None = None) -> int:
    """Returns the number of steps of one dispatch on a platform (None: that of this process).

    On an accelerator, ten: the host prepares a dispatch while the device works on the last one.
    On a CPU, one: the host's part is small there, and XLA compiles convolutions in a loop to
    slower ones.
    """
    return 1 if (platform or jax.default_backend()) == "cpu" else 10


def keeps_images(config: Config, count: int, device: jax.Device) -> bool:
    """Returns whether a device keeps `count` training images, as uint8."""
    return fits_on_device(config.data.resident, count * config.data.image_size**2 * 3, device)


def feed(
    config: Config,
    model: Classifier,
    trunk: Any,
    source: Source,
    tasks: tuple[Task, ...],
    plan: Plan,
    step: Step,
    placement: Placement,
    start: int,
    stop: int,
    progress: Progress = no_progress,
) -> Feed:
    """Returns a feed for the steps `start` to `stop - 1`, which are to be called in order.

    If the training set fits on the device, it is kept there and batches are gathered from it: as
    the features of a frozen trunk if every step has the same, else as uint8 images. Otherwise
    images are decoded ahead of time and streamed. The numbers are the same. Of several processes,
    each decodes what its own devices need, or its share of what all keep.

    Args:
        config: The config of the run.
        model: The model of one member.
        trunk: Variables of a frozen trunk; None if members train their own.
        source: The training images.
        tasks: The tasks whose labels the step needs.
        plan: The rows of each step.
        step: The step of all members.
        placement: Where members and images lie.
        start: Number of the first step.
        stop: Number of the last step, plus one.
        progress: Called while images are read.
    """
    device = placement.device
    pool = features_of_training_images(config, model, trunk, source, tasks, device, progress)
    if pool is None and keeps_images(config, len(source), device):
        pool = gathered(partial(_load, source, tasks, progress), len(source))
    if pool is not None:
        pool = put(pool, placement.everywhere)
        return Resident(pool, plan, step, steps_at_once(device.platform))
    own = OwnRows.of(plan, placement)
    stream = batches(source, own, start, stop, config.data.workers)
    return Streamed(_of_tasks(stream, tasks), step, partial(own.put, placement=placement))


def _load(
    source: Source, tasks: tuple[Task, ...], progress: Progress, rows: Int32[np.ndarray, "row"]
) -> Batch:
    split = load(source, progress, rows)
    return {
        "images": split.images,
        "labels": {task.name: split.labels[task.name] for task in tasks},
    }


def resident_program(step: Step) -> Any:
    """Returns the jitted program of several steps, `(state, pool, rows, numbers)`."""

    def run(
        state: State, pool: Batch, rows: Array, numbers: Array
    ) -> tuple[State, Float[Array, "step member"]]:
        def one(state: State, rows_and_number: tuple[Array, Array]) -> tuple[State, Array]:
            rows, number = rows_and_number
            return step(state, jax.tree.map(lambda leaf: leaf[rows], pool), number)

        if len(numbers) > 1:
            return jax.lax.scan(one, state, (rows, numbers))
        state, losses = one(state, (rows[0], numbers[0]))
        return state, losses[None]

    return jax.jit(run, donate_argnums=0)


def streamed_program(step: Step) -> Any:
    """Returns the jitted program of one step, `(state, batch, number)`."""

    def one(state: State, batch: Batch, number: Array) -> tuple[State, Array]:
        state, losses = step(state, batch, number)
        return state, losses[None]

    return jax.jit(one, donate_argnums=0)


class Resident:
    """Gathers batches from a `pool` of images on the device; runs several steps in one dispatch."""

    def __init__(self, pool: Batch, plan: Plan, step: Step, at_once: int):
        self.at_once = at_once
        self._pool, self._plan = pool, plan
        self._programs: dict[int, Callable[..., tuple[State, Array]]] = {}
        self._run = resident_program(step)

    def compile(self, state: State, counts: Iterable[int]) -> None:
        """Compiles the program of each number of steps in `counts`."""
        for count in counts:
            if count not in self._programs:
                lowered = self._run.lower(state, self._pool, *self._rows_and_numbers(0, count))
                self._programs[count] = lowered.compile()

    def __call__(self, state: State, number: int, count: int) -> tuple[State, Array]:
        return self._programs[count](state, self._pool, *self._rows_and_numbers(number, count))

    def _rows_and_numbers(self, number: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.arange(number, number + count, dtype=np.int32)
        return np.stack([self._plan(n) for n in numbers.tolist()]), numbers


class Streamed:
    """Takes batches from a stream; puts the next ones on the device while a step runs."""

    at_once = 1

    def __init__(
        self, stream: Iterator[Batch], step: Step, put: Callable[[Batch], Batch] = jax.device_put
    ):
        self._stream, self._put = stream, put
        self._waiting: deque[Batch] = deque()
        self._program: Callable[..., tuple[State, Array]] | None = None
        self._one = streamed_program(step)
        self._fill()

    def compile(self, state: State, counts: Iterable[int]) -> None:
        """Compiles the one program, of a single step."""
        if self._program is None:
            self._program = self._one.lower(state, self._waiting[0], np.int32(0)).compile()

    def __call__(self, state: State, number: int, count: int) -> tuple[State, Array]:
        assert self._program is not None
        after = self._program(state, self._waiting.popleft(), np.int32(number))
        self._fill()
        return after

    def _fill(self) -> None:
        while len(self._waiting) < WAITING:
            batch = next(self._stream, None)
            if batch is None:
                return
            self._waiting.append(self._put(batch))


def _of_tasks(stream: Iterator[dict[str, Any]], tasks: tuple[Task, ...]) -> Iterator[Batch]:
    for batch in stream:
        labels = {task.name: batch["labels"][task.name] for task in tasks}
        yield {"images": batch["images"], "labels": labels}
