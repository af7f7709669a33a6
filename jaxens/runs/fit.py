"""Trains an ensemble from a config, writes its run directory, and scores it."""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxens.data.opening import open_data
from jaxens.data.source import DataSet, load
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.quality import Quality, quality_table
from jaxens.runs.folders import check_absent, check_present
from jaxens.runs.loading import abstract_state, best_state, check_config_fits, ensemble_of
from jaxens.runs.parts import layout_of, restored
from jaxens.runs.processes import all_share, read_state
from jaxens.runs.restoring import with_members_restored
from jaxens.runs.run import Run
from jaxens.runs.saving import save_epoch, save_part
from jaxens.runs.stops import Stops, deferred
from jaxens.runs.unsaved import UnsavedRun
from jaxens.runs.uploading import mirrored
from jaxens.runs.validating import Validation, validation
from jaxens.runs.watch import Watch
from jaxens.runs.weights import Weights, read_weights
from jaxens.tables import Table
from jaxens.training.agreement import LateLargest, check_same, largest
from jaxens.training.feed import Feed
from jaxens.training.layout import MeshLayout
from jaxens.training.residency import check_workers
from jaxens.training.settings import Config
from jaxens.training.state import State
from jaxens.training.trainer import Part, Trainer
from jaxens.urls import is_url

log = logging.getLogger(__name__)

# Settings of the data that may differ between the processes of a job: folders, and how many decode.
OF_PROCESS = ("cache_dir", "data_dir", "layout", "workers")


@dataclass(frozen=True)
class Trained:
    """A trained ensemble and its scores.

    Attributes:
        ensemble: From the checkpoint with the best validation score.
        scores: On the held-out images, one per task.
        history: One dict per epoch (the members' losses, the steps at which they diverged, the
            speed, validation scores), and a last one with the held-out scores.
        val: The images that chose the checkpoint.
        held_out: The images on which `scores` were computed.
        folder: The run directory, of a URL its local copy; None if nothing was written.
    """

    ensemble: Ensemble
    scores: Sequence[Quality]
    history: list[dict[str, Any]]
    val: Split
    held_out: Split
    folder: Path | None

    @property
    def table(self) -> Table:
        """One row per task: `scores` of members, ensemble and chance."""
        return quality_table(self.scores)


def train(
    config: Config,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    watch: Watch | None = None,
    layout: MeshLayout | None = None,
) -> Trained:
    """Trains an ensemble.

    Args:
        config: The config of the run.
        out: Run directory to write, or a URL such as gs://bucket/run; None writes nothing. If
            several processes see the same directory, each writes its shards of the checkpoints.
        resume: Continue the run in `out`. With the same device, number of devices and cores, and
            versions of the libraries, the numbers are bitwise those of a run that never stopped;
            otherwise their last digits may differ, and a warning says what has changed.
        watch: Receives the progress.
        layout: How many devices share the members, and how many the images, as for
            `jaxens.training.mesh.Placement.on_devices`. A resumed run may have another one.

    Raises:
        UserError: If data, weights or the folder can't be used, processes of a job differ in their
            settings or data, all members diverge, or the end of the run can't be uploaded to its
            URL.
    """
    if jax.process_index() > 0 and out is not None:  # only process 0 has a copy of a URL
        out = None if is_url(out) else Path(out)
        return _train(config, out, resume, watch or Watch(), layout)
    with mirrored(out, resume) as folder:
        return _train(config, folder, resume, watch or Watch(), layout)


def _train(
    config: Config, out: Path | None, resume: bool, watch: Watch, layout: MeshLayout | None
) -> Trained:
    first = jax.process_index() == 0  # it reads, and tells the others what it has read
    if out is not None and first:
        (check_present if resume else check_absent)(out)
    check_workers(config.data.workers)
    weights = None if resume else read_weights(config.model)
    data = open_data(config.data, watch.progress)
    check_config_fits(config, data.info)
    _check_same_everywhere(config, layout, data)
    trainer = Trainer(config, data.train, data.info.choose_tasks(config.data.tasks), layout)
    with _closing(_open_run(config, out if first else None, resume, data, weights)) as run:
        val = load(data.val, watch.progress)
        if jax.process_count() > 1 and all_share(out) and out is not None:
            run.share(out)
        _fit(run, trainer, val, weights, watch)
        best = best_state(run)
        ensemble = ensemble_of(run, best)
        held_out = load(data.test, watch.progress)
        on_mesh = trainer.placement.spread(best._replace(opt_state=()))
        scores = validation(trainer, held_out)(on_mesh)
        run.log(test={q.task: q.as_dict() for q in scores}, diverged_at=ensemble.diverged_at)
        return Trained(ensemble, scores, run.read_log(), val, held_out, run.folder)


def _check_same_everywhere(config: Config, layout: MeshLayout | None, data: DataSet) -> None:
    """Checks that all processes of a job train the same. Otherwise they would wait for ever."""
    settings = dataclasses.asdict(config)
    for name in OF_PROCESS:
        del settings["data"][name]
    remedy = "give all of them the same flags, or one run directory that all can read"
    check_same("settings", f"{settings} {layout}", remedy)
    check_same("data", data.fingerprint, "give all of them the same files")


@contextlib.contextmanager
def _closing(run: Run | UnsavedRun) -> Iterator[Run | UnsavedRun]:
    """Closes a run, also after an error: this waits for a checkpoint that is being written."""
    try:
        yield run
    except KeyboardInterrupt as stop:
        stop.add_note(run.close())
        raise
    except BaseException:
        run.close()
        raise
    run.close()


def _open_run(
    config: Config, out: Path | None, resume: bool, data: DataSet, weights: Weights | None
) -> Run | UnsavedRun:
    if out is None:
        return UnsavedRun(config, data.info)
    if resume:
        return Run.resume(out, config, data.info, data.fingerprint)
    origin = weights.origin(config.model) if weights else None
    return Run.create(out, config, data.info, data.fingerprint, origin)


def _fit(
    run: Run | UnsavedRun, trainer: Trainer, val: Split, weights: Weights | None, watch: Watch
) -> None:
    """Trains the remaining epochs; validates, logs and saves after each."""
    epochs = run.config.optim.epochs
    part, state, weights = _start(run, trainer, weights)
    run.continue_after(part.epoch - 1)
    if part.epoch > epochs:
        return
    before = partial(_state_before, run, trainer, weights)
    feed = trainer.feed(state, part.step, watch.progress)
    stops = Stops()
    validate = validation(trainer, val, partial(_obey, stops))
    watch.begin(trainer.steps, part.step, epochs, trainer.placement.layout)
    try:
        while part.epoch <= epochs:
            trainer.compile(state, feed, part)
            state = _epoch(run, trainer, state, feed, part, validate, watch, before, stops)
            part = trainer.begin(part.epoch + 1)
        _obey(stops)
    finally:
        watch.end()
    run.checkpoints.wait()


def _state_before(run: Run | UnsavedRun, trainer: Trainer, weights: Weights | None) -> State:
    """Returns the state of the members before the epoch that is trained."""
    run.checkpoints.wait()
    if checkpoint := read_state(run.checkpoints.latest, abstract_state(run.config, run.info)):
        return checkpoint[1]
    weights = weights or _weights_again(run)
    return trainer.placement.gather(trainer.init(weights and weights.variables))


def _weights_again(run: Run | UnsavedRun) -> Weights | None:
    """Returns the weights that a run has started from, if there are some."""
    weights = read_weights(run.config.model)
    if weights and isinstance(run, Run):
        run.check_weights(weights.fingerprint)
    return weights


def _start(
    run: Run | UnsavedRun, trainer: Trainer, weights: Weights | None
) -> tuple[Part, State, Weights | None]:
    """Returns how far the run has come, its newest state, and the weights that it started from.

    The weights are those of `weights`, or are read again if there is no checkpoint yet.
    """
    config, steps = run.config, trainer.steps_per_epoch
    name = run.folder or "the run of process 0"
    like = abstract_state(config, run.info)
    if read := read_state(partial(run.parts.latest, steps), layout_of(like)):
        part, state = restored(*read, steps)
        log.warning(f"{name}: continuing after step {part.step} of {trainer.steps}")
        return part, trainer.placement.spread(state), weights
    if checkpoint := read_state(run.checkpoints.latest, like):
        done, state = checkpoint
        log.warning(f"{name}: continuing after epoch {done} of {config.optim.epochs}")
        return trainer.begin(done + 1), trainer.placement.spread(state), weights
    if weights is None and config.model.weights:  # interrupted before its first checkpoint
        log.warning(f"{name}: starting again from the weights {config.model.weights}")
        weights = _weights_again(run)
    check_same("weights", weights.fingerprint if weights else "", "give all of them the same file")
    return trainer.begin(1), trainer.init(weights and weights.variables), weights


def _epoch(
    run: Run | UnsavedRun,
    trainer: Trainer,
    state: State,
    feed: Feed,
    part: Part,
    validate: Validation,
    watch: Watch,
    before: Callable[[], State],
    stops: Stops,
) -> State:
    """Trains the rest of an epoch; validates, logs and saves. A signal saves what is trained.

    One that comes while several processes agree at the end to go on stops them in the next epoch.

    A member that diverges gets its state `before` the epoch back, which validation has seen.
    """
    alone, place = jax.process_count() == 1, trainer.placement
    trained = None  # the state to save if a signal comes
    try:
        with stops:  # a step's buffers can't be read while it runs
            state, part, speed = trainer.epoch(
                state,
                feed,
                part,
                partial(watch.step, part.epoch),
                partial(_stopping, stops, LateLargest()),
            )
            trained = state
            if _stopping(stops) or alone:  # one process can stop from here on; several ask
                stops.obey()
            scores = validate(state)
            corrected = with_members_restored(
                place.diverged_at(state),
                scores,
                part.epoch,
                trainer.steps_per_epoch,
                partial(place.gather, state),
                before,
            )
            if corrected is not None:
                trained = state = place.spread(corrected)
                scores = validate(state)
            losses = trainer.mean_losses(part)
            with deferred():
                save_epoch(run, place, part, state, losses, speed, scores)
                trained = None
            _obey(stops)
    except KeyboardInterrupt:
        if trained is not None:
            save_part(run, place, part, trained)
        raise
    watch.epoch(part.epoch, losses, speed, scores)  # who stops now keeps this epoch
    return state


def _stopping(stops: Stops, largest: Callable[[int], int] = largest) -> bool:
    """Returns whether any process has a signal to stop. All processes get the same answer."""
    number = largest(stops.number)
    stops.number = max(stops.number, number)
    return number > 0


def _obey(stops: Stops) -> None:
    """Stops all processes after the same call, if one of them has a signal to stop."""
    if _stopping(stops):
        stops.obey()
