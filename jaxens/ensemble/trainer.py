"""Trains an ensemble, epoch by epoch."""

import time
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from jaxens.config import Config
from jaxens.data.schema import Task
from jaxens.data.source import Source
from jaxens.ensemble.feed import Advance, feed
from jaxens.ensemble.plan import Plan
from jaxens.ensemble.state import State, build_model, build_optimizer, init, trained_members
from jaxens.ensemble.step import train_all, train_one
from jaxens.errors import UserError

Losses = Float[np.ndarray, "member"]
OnStep = Callable[[Losses, float], None]  # a finished step's losses and member-images per second


class Trainer:
    """What stays the same over a run: the plan, the step, the schedule.

    A run that begins at epoch `done` takes the same steps as one that came there by itself:
    pictures, changes and dropout depend on the seed and the step's number alone.
    """

    def __init__(self, config: Config, source: Source, tasks: tuple[Task, ...]):
        optim, pictures = config.optim, len(source)
        self.steps_per_epoch = pictures // optim.batch_size
        if self.steps_per_epoch == 0:
            raise UserError(
                f"--batch-size {optim.batch_size} is more than the {pictures} training pictures: "
                "choose a smaller one"
            )
        self.steps = self.steps_per_epoch * optim.epochs
        self._config, self._source, self._tasks = config, source, tasks
        self._plan = Plan.make(
            config.ensemble.diversity,
            config.ensemble.members,
            pictures,
            optim.batch_size,
            optim.seed,
        )
        self._model = build_model(config, tasks)
        self._optimizer = build_optimizer(optim, self.steps)
        self._weight_key, self._step_key = jax.random.split(jax.random.key(optim.seed))
        self._images_per_step = trained_members(config) * optim.batch_size

    def init(self) -> State:
        """The members before training."""
        return init(self._config, self._model, self._optimizer, self._weight_key)

    def feed(self, done: int) -> Advance:
        """The step with its pictures, for what follows epoch `done`."""
        weights = self._config.optim.task_weights or (1.0,) * len(self._tasks)
        one = train_one(self._model, self._optimizer, self._tasks, weights)
        step = train_all(one, self._config.augment, self._step_key, self._plan.shared)
        start = done * self.steps_per_epoch
        return feed(self._config, self._source, self._tasks, self._plan, step, start, self.steps)

    def epoch(
        self, state: State, advance: Advance, epoch: int, on_step: OnStep
    ) -> tuple[State, Losses, float]:
        """Trains epoch `epoch` (the first is 1): state, mean losses, member-images per second.

        Losses are read a step late, so that the device never waits for the host. The first
        step, which may compile, is left out of the speed.

        Raises `UserError` naming the members whose loss is no longer finite.
        """
        begin = (epoch - 1) * self.steps_per_epoch
        state, waiting = advance(state, begin)
        waiting.block_until_ready()
        since, speed = time.monotonic(), float("nan")
        total = np.zeros(len(waiting))
        for done in range(1, self.steps_per_epoch + 1):
            late = waiting
            if done < self.steps_per_epoch:
                state, waiting = advance(state, begin + done)
            losses = self._finite(late, begin + done - 1)
            total += losses
            if done > 1:
                seconds = max(time.monotonic() - since, 1e-9)
                speed = (done - 1) * self._images_per_step / seconds
            on_step(losses, speed)
        return state, total / self.steps_per_epoch, speed

    def _finite(self, losses: jax.Array, number: int) -> Losses:
        values = np.asarray(losses, np.float64)
        if not np.isfinite(values).all():
            names = ", ".join(map(str, np.flatnonzero(~np.isfinite(values))))
            raise UserError(
                f"member {names} diverged at step {number} (its loss is not finite): "
                "choose a lower --learning-rate; earlier checkpoints are kept"
            )
        return values
