"""Loads the ensemble and the data set of a run directory."""

import logging
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxens.data.opening import open_data
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Info, Task
from jaxens.data.settings import Data
from jaxens.data.source import DataSet
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.models.trunk import below_heads
from jaxens.runs import exported
from jaxens.runs.mirror import local_run
from jaxens.runs.processes import read_state
from jaxens.runs.run import Run
from jaxens.runs.unsaved import UnsavedRun
from jaxens.training.divergence import diverged_steps
from jaxens.training.residency import device_memory
from jaxens.training.settings import Config
from jaxens.training.state import State, build_model, build_optimizer, check_stage, init

log = logging.getLogger(__name__)


def load_ensemble(folder: str | os.PathLike[str]) -> Ensemble:
    """Loads the ensemble of a run or an export, local or at a URL; see `jaxens.load`."""
    local = local_run(folder)
    if exported.is_exported(local):
        return exported.read(local)
    run = Run.open(local)
    try:
        return best_ensemble(run)
    finally:
        run.close()


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


def data_of(
    run: Run,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
    layout: Path | None = None,
) -> DataSet:
    """Opens the data set of a run.

    Args:
        run: An open run.
        data_dir: The folder of the data set, if it was moved.
        cache_dir: The folder of prepared data, if they were moved.
        progress: Called after each image, if data are prepared again.
        layout: The file that describes the folder, if it was moved.

    Raises:
        UserError: If the data set is not the one that the run was trained on, or its prepared
            data are gone and no `cache_dir` says where to write them.
    """
    settings = own_data(run.folder, run.config.data, data_dir, cache_dir, layout)
    data = open_data(settings, progress)
    run.check_data(data.info, data.fingerprint)
    return data


def own_data(
    folder: Path,
    settings: Data,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    layout: Path | None = None,
) -> Data:
    """Returns the settings of a run's data set, with folders that its config alone names checked.

    The run may come from someone else, and its config may name any folder. Into one for prepared
    data, nothing is written unless there are some; from one of a data set, or a file that describes
    it, nothing is read without a word.

    Args:
        folder: The run directory.
        settings: Those of its config.
        data_dir: The folder of the data set that the user named.
        cache_dir: The folder of prepared data that the user named.
        layout: The file that describes the data set, which the user named.

    Raises:
        UserError: If there are no prepared data where the config alone says.
    """
    own = replace(
        settings,
        data_dir=_own_path(folder, settings.data_dir, data_dir, "the data set"),
        layout=_own_path(folder, settings.layout, layout, "what the photos mean"),
    )
    return own_cache(folder, own, cache_dir)


def own_cache(folder: Path, settings: Data, cache_dir: Path | None = None) -> Data:
    """Does as `own_data` for the folder of prepared data alone."""
    if cache_dir is not None:
        return replace(settings, cache_dir=str(cache_dir))
    if settings.cache_dir:
        _check_cache(folder, settings.cache)
    return settings


def _own_path(folder: Path, of_config: str, named: Path | None, what: str) -> str:
    """Returns the path that the user named, or that of the config, with a warning."""
    if named is not None:
        return str(named)
    if of_config:
        log.warning(f"{what} is read from {of_config}, which {folder / 'config.toml'} names")
    return of_config


def _check_cache(folder: Path, cache: Path) -> None:
    """Checks that a run's own cache folder is in use, before anything is written there."""
    if not any(cache.glob("*/*/*/dataset_info.json")):
        raise UserError(
            f"{folder / 'config.toml'} names {cache} for prepared data, and there are none: add "
            "`cache_dir` with the folder where they are, or are to be prepared"
        )


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
