"""Trains an ensemble, epoch by epoch."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.data.source import Source
from jaxens.errors import UserError
from jaxens.models.trunk import frozen_features
from jaxens.training.divergence import DivergenceWatch
from jaxens.training.feed import Feed, Step, feed
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import Placement
from jaxens.training.plan import Plan
from jaxens.training.settings import Config
from jaxens.training.state import (
    TRAINING,
    State,
    build_model,
    build_optimizer,
    init,
    trained_members,
)
from jaxens.training.step import train_all, train_one

MOST_STEPS = 2**31 - 1  # they are counted in int32
Losses = Float[np.ndarray, "member"]
OnStep = Callable[[Losses, float], None]  # a finished step's losses and member-images per second


class Part(NamedTuple):
    """How far an epoch has come.

    Attributes:
        epoch: Its number; the first is 1.
        step: The number of steps since the start of the training.
        total: The sum of each member's losses over the steps of this epoch.
    """

    epoch: int
    step: int
    total: Losses


def never() -> bool:
    """Returns False: nobody asks to stop."""
    return False


class Trainer:
    """Trains an ensemble on one training set.

    Images, augmentation and dropout of a step depend only on the seed and the number of the
    step. So a run that is resumed takes the same steps as one that was never stopped.

    Args:
        config: The config of the run.
        source: The training images. A range of their number is enough to learn what a training
            would need; it has no feed then.
        tasks: The tasks to train on.
        layout: Devices along each axis of the mesh, as for `Placement.on_devices`. It changes no
            number but for rounding.
        devices: As for `Placement.on_devices`.

    Attributes:
        config: The config of the run.
        tasks: The tasks to train on.
        model: The model of one member.
        plan: The rows of each step.
        placement: Where members and images lie.
        steps: The number of steps.
        steps_per_epoch: The number of steps of an epoch.

    Raises:
        UserError: If there are fewer images than a batch has, too many steps, or the layout does
            not fit.
    """

    def __init__(
        self,
        config: Config,
        source: Source | range,
        tasks: tuple[Task, ...],
        layout: MeshLayout | None = None,
        devices: Sequence[jax.Device] | None = None,
    ):
        optim, images = config.optim, len(source)
        self.steps_per_epoch = images // optim.batch_size
        if self.steps_per_epoch == 0:
            raise UserError(
                f"`batch_size` {optim.batch_size} is more than the {images} training images: "
                "choose a smaller one"
            )
        self.steps = self.steps_per_epoch * optim.epochs
        if self.steps > MOST_STEPS:
            raise UserError(
                f"`epochs` {optim.epochs} of {self.steps_per_epoch} steps are more than "
                f"{MOST_STEPS:,} steps: choose fewer"
            )
        self.config, self.tasks, self._source = config, tasks, source
        self.plan = Plan.make(
            config.ensemble.diversity,
            config.ensemble.members,
            images,
            optim.batch_size,
            optim.seed,
        )
        members = trained_members(config)
        self.placement = Placement.on_devices(members, optim.batch_size, layout, devices)
        self.model = build_model(config, tasks, self.placement.device.platform)
        self._optimizer = build_optimizer(optim, self.steps)
        self._weight_key, self._step_key = jax.random.split(jax.random.key(optim.seed))
        self._images_per_step = members * optim.batch_size

    def init(self, weights: Any = None) -> State:
        """Returns the state before training, on the devices of the mesh.

        Args:
            weights: As in `jaxens.training.state.init`.
        """
        place = self.placement
        return init(
            self.config,
            self.model,
            self._optimizer,
            self._weight_key,
            weights,
            place.filled,
            place.of_state,
        )

    def step(self) -> Step:
        """Returns the training step of all members, on the devices of the mesh."""
        weights = self.config.optim.task_weights or (1.0,) * len(self.tasks)
        stage = self.config.frozen_below
        one = train_one(
            self.model, self._optimizer, self.tasks, weights, stage, self.placement.axes
        )
        step = train_all(
            one,
            self.config.augment,
            self._step_key,
            self.plan.shared,
            partial(frozen_features, self.model, stage=stage) if stage else None,
        )
        return self.placement.sharded(step, self.plan.shared)

    def feed(self, state: State, step: int, progress: Progress = no_progress) -> Feed:
        """Returns a feed for the steps that are left.

        Args:
            state: Before those steps.
            step: The number of steps that are taken already.
            progress: Called while images are read.
        """
        assert not isinstance(self._source, range)
        return feed(
            self.config,
            self.model,
            state.trunk,
            self._source,
            self.tasks,
            self.plan,
            self.step(),
            self.placement,
            step,
            self.steps,
            progress,
        )

    def begin(self, epoch: int) -> Part:
        """Returns the part of an epoch, the first of which is 1, before its first step."""
        steps = (epoch - 1) * self.steps_per_epoch
        return Part(epoch, steps, np.zeros(self.placement.members))

    def compile(self, state: State, feed: Feed, part: Part) -> None:
        """Compiles the programs for the rest of an epoch, unless they are compiled already."""
        feed.compile(state, self._dispatches(feed, part))

    def epoch(
        self,
        state: State,
        feed: Feed,
        part: Part,
        on_step: OnStep,
        stopping: Callable[[], bool] = never,
    ) -> tuple[State, Part, float]:
        """Trains an epoch to its end, or until it is to stop.

        Losses are read one dispatch late, so that the device never waits for the host. A member
        whose loss or gradient is not finite is named in a warning, and stops: its loss is NaN.

        Args:
            state: Before the rest of the epoch; its buffers are reused.
            feed: The result of `Trainer.feed`.
            part: How far the epoch has come: from `begin`, or from an epoch that was stopped.
            on_step: Called with the losses of each step and the speed in member-images per second.
            stopping: Called after each dispatch; whether to take no more steps.

        Returns:
            The state, how far the epoch has come (the losses of members that have diverged are
            NaN), and the speed in member-images per second, without the time to compile.

        Raises:
            UserError: If all members have diverged.
        """
        self.compile(state, feed, part)
        number, previous = part.step, None
        diverged = self.placement.diverged_at(state) != TRAINING
        stops = DivergenceWatch(diverged, self.config.ensemble.members, part.epoch)
        meter = _Meter(number, self.placement, self._images_per_step, on_step, stops)
        meter.total += part.total
        for count in self._dispatches(feed, part):
            state, losses = feed(state, number, count)
            number += count
            losses = self.placement.share(losses)
            if previous is not None:
                meter.read(previous)
            previous = losses
            if stopping():
                break
        if previous is not None:
            meter.read(previous)
        return state, Part(part.epoch, number, meter.total), meter.speed

    def mean_losses(self, part: Part) -> Losses:
        """Returns each member's mean loss over the steps of a whole epoch."""
        return part.total / self.steps_per_epoch

    def _dispatches(self, feed: Feed, part: Part) -> list[int]:
        """Returns the number of steps of each dispatch of the rest of an epoch."""
        return dispatches(part.epoch * self.steps_per_epoch - part.step, feed.at_once)


def dispatches(steps: int, at_once: int) -> list[int]:
    """Returns the number of steps of each dispatch of an epoch: `at_once`, then what is left."""
    whole, rest = divmod(steps, at_once)
    return [at_once] * whole + [rest] * (rest > 0)


class _Meter:
    """Adds up the losses of an epoch, and measures its speed."""

    def __init__(
        self,
        number: int,
        placement: Placement,
        images_per_step: int,
        on_step: OnStep,
        stops: DivergenceWatch,
    ):
        self.total = np.zeros(placement.members)
        self._placement = placement
        self.speed = float("nan")
        self._first = self._next = number
        self._images_per_step, self._on_step, self._stops = images_per_step, on_step, stops
        self._since = time.monotonic()

    def read(self, losses: Float[Array, "step member"]) -> None:
        """Waits for the losses of a dispatch, and reports each of its steps."""
        rows = self._placement.read(losses)
        seconds = max(time.monotonic() - self._since, 1e-9)
        self.speed = (self._next + len(rows) - self._first) * self._images_per_step / seconds
        for row in rows:
            self._stops.read(np.isfinite(row), self._next)
            self.total += row
            self._next += 1
            self._on_step(row, self.speed)
