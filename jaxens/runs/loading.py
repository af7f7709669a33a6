"""From a run directory back to an ensemble."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxens.data.registry import chosen_tasks
from jaxens.data.schema import Info, Task
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.models.trunk import below_heads
from jaxens.runs.config import Config
from jaxens.runs.run import Run
from jaxens.training.state import State, build_model, build_optimizer, init


def load_ensemble(run: str | os.PathLike[str]) -> Ensemble:
    """See `jaxens.load`."""
    opened = Run.open(Path(run))
    try:
        return best_ensemble(opened)
    finally:
        opened.close()


def best_ensemble(run: Run) -> Ensemble:
    """The ensemble of an open run, from its best checkpoint."""
    found = run.checkpoints.best(abstract_state(run.config, run.info))
    if found is None:
        raise UserError(
            f"{run.folder} holds no checkpoint yet: train on with "
            f"python -m jaxens.train --out {run.folder} --resume"
        )
    return as_ensemble(run.config, chosen_tasks(run.config.data, run.info), found[1])


def as_ensemble(config: Config, tasks: tuple[Task, ...], state: State) -> Ensemble:
    """A training state as an ensemble; a baseline member, the last, is set apart."""
    members = config.ensemble.members

    def part(rows: slice) -> Any:
        return jax.tree.map(lambda leaf: leaf[rows], state.variables)

    return Ensemble(
        build_model(config, tasks),
        part(slice(0, members)),
        tasks,
        part(slice(members, None)) if state.members > members else None,
        state.trunk,
    )


def check_model(config: Config, info: Info) -> None:
    """Raises `UserError` if the model can't be built for these pictures and tasks."""
    try:
        abstract_state(config, info)
    except ValueError as error:
        raise UserError(
            f"--model {config.model.name} with --image-size {config.data.image_size}: {error}"
        ) from None


def abstract_state(config: Config, info: Info) -> State:
    """Shapes and types of a run's state."""
    model = build_model(config, chosen_tasks(config.data, info))
    # The schedule's length is no part of the state's shape.
    optimizer = build_optimizer(config.optim, steps=2)
    weights = below_heads(config.model.name) if config.model.weights else None
    return jax.eval_shape(partial(init, config, model, optimizer), jax.random.key(0), weights)
