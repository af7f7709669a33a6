"""Loads the ensemble of a run directory."""

import logging
from functools import partial
from typing import Any

import jax

from jaxens.data.schema import Info, Task
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.models.trunk import below_heads
from jaxens.runs.processes import read_state
from jaxens.runs.run import Run
from jaxens.runs.unsaved import UnsavedRun
from jaxens.training.divergence import diverged_steps
from jaxens.training.residency import device_memory
from jaxens.training.settings import Config
from jaxens.training.state import State, build_model, build_optimizer, check_stage, init

log = logging.getLogger(__name__)


def best_ensemble(run: Run | UnsavedRun) -> Ensemble:
    """Returns the ensemble of an open run, from the checkpoint with the best validation score.

    A warning names members that diverged before that checkpoint.

    Raises:
        UserError: If the run has no checkpoint, or none that can be read.
    """
    return ensemble_of(run, best_state(run))


def best_state(run: Run | UnsavedRun) -> State:
    """Returns the state of an open run with the best validation score.

    Raises:
        UserError: If the run has no checkpoint, or none that can be read.
    """
    best = read_state(run.checkpoints.best, abstract_state(run.config, run.info))
    if best is None:
        raise UserError(
            f"{run.folder} has no checkpoint yet: continue its training with "
            f"python -m jaxens.train --out {run.folder} --resume"
        )
    return best[1]


def ensemble_of(run: Run | UnsavedRun, state: State) -> Ensemble:
    """Returns the ensemble of the best state of an open run. A warning names diverged members."""
    tasks = run.info.choose_tasks(run.config.data.tasks)
    ensemble = as_ensemble(run.config, tasks, state)
    if ensemble.divergence:
        log.warning(f"{run.folder or 'the ensemble'}: {ensemble.divergence}")
        run.checkpoints.chosen += f"; {ensemble.divergence}"
    return ensemble.on_devices()


def as_ensemble(config: Config, tasks: tuple[Task, ...], state: State) -> Ensemble:
    """Returns the ensemble of a training state.

    Args:
        config: The config of the run.
        tasks: The tasks that it was trained on.
        state: The state of all members; the last one is the baseline, if the run has one.
    """
    members = config.ensemble.members

    def rows(members: slice) -> Any:
        return jax.tree.map(lambda leaf: leaf[members], state.variables)

    return Ensemble(
        build_model(config, tasks),
        rows(slice(0, members)),
        tasks,
        rows(slice(members, None)) if state.members > members else None,
        state.trunk,
        diverged_steps(state),
    )


def check_config_fits(config: Config, info: Info) -> None:
    """Checks that there is something to learn, and that the model can be built and fits the memory.

    Raises:
        UserError: If it can't.
    """
    for task in info.choose_tasks(config.data.tasks):
        if task.kind == "multiclass" and len(task.classes) < 2:
            raise UserError(
                f"{info.name} has one {task.name} alone ({', '.join(task.classes)}): there is "
                "nothing to learn; choose other `tasks`"
            )
    name, members = config.model.name, config.ensemble.members
    check_stage(config, build_model(config, info.tasks).stage_names)
    try:
        state = abstract_state(config, info)
    except ValueError as error:
        raise UserError(
            f"`model` {name} with `image_size` {config.data.image_size}: {error}"
        ) from None
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    of_process = device_memory()
    memory = of_process and of_process * jax.process_count()
    if memory is not None and needed > memory:
        raise UserError(
            f"`members` {members} of `model` {name} take {needed / 2**30:,.1f} GiB, without their "
            f"gradients, and there are {memory / 2**30:,.1f} GiB of memory: choose fewer"
        )


def abstract_state(config: Config, info: Info) -> State:
    """Returns the shapes and types of a run's state; nothing is computed."""
    model = build_model(config, info.choose_tasks(config.data.tasks))
    # The shape of the state does not depend on the length of the schedule.
    optimizer = build_optimizer(config.optim, steps=2)
    weights = below_heads(config.model.name) if config.model.weights else None
    return jax.eval_shape(partial(init, config, model, optimizer), jax.random.key(0), weights)
