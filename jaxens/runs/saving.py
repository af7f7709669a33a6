"""Saves the state of a training, at the end of an epoch or within one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax import Array

from jaxens.ensemble.quality import Quality
from jaxens.runs.checksums import sums_of_members
from jaxens.runs.run import Run
from jaxens.runs.unsaved import UnsavedRun
from jaxens.training.divergence import as_steps
from jaxens.training.mesh import Placement
from jaxens.training.state import State
from jaxens.training.trainer import Losses, Part


def save_epoch(
    run: Run | UnsavedRun,
    placement: Placement,
    part: Part,
    state: State,
    losses: Losses,
    speed: float,
    scores: Sequence[Quality],
) -> None:
    """Writes a line of the log, and starts to write a checkpoint. All processes have to call it.

    What was saved within the epoch is removed once the checkpoint is on disk.

    Args:
        run: The run.
        placement: Where the state lies.
        part: The epoch.
        state: The state after it, on the devices of the mesh.
        losses: The members' mean losses.
        speed: In member-images per second.
        scores: The validation scores, one per task.
    """
    diverged_at = as_steps(placement.diverged_at(state))
    pairs = zip(losses.tolist(), diverged_at, strict=True)
    run.log(
        epoch=part.epoch,
        step=part.step,
        loss=[None if step is not None else loss for loss, step in pairs],
        diverged_at=diverged_at,
        member_images_per_second=speed,
        val={q.task: q.as_dict() for q in scores},
    )
    arrays, sums, like = _to_save(run, placement, state)
    run.checkpoints.save(part.epoch, arrays, overall(scores), sums, like)
    run.parts.remove()


def overall(scores: Sequence[Quality]) -> float:
    """Returns the score that chooses the best checkpoint: the mean over tasks."""
    return float(np.nanmean([q.ensemble for q in scores]))


def save_part(run: Run | UnsavedRun, placement: Placement, part: Part, state: State) -> None:
    """Saves a state in the middle of an epoch, and waits until it is on disk.

    All processes have to call it.

    Args:
        run: The run.
        placement: Where the state lies.
        part: How far the epoch has come, and the sums of its losses.
        state: The state after this part, on the devices of the mesh.
    """
    run.parts.save(part, *_to_save(run, placement, state))


def _to_save(
    run: Run | UnsavedRun, placement: Placement, state: State
) -> tuple[Any, Sequence[Array], State]:
    """Returns what is written: the arrays of a state, their checksums, and their shapes.

    The arrays of a mesh may have more rows than there are members. Checksums and shapes are those
    of the members' rows alone. If all processes can write into the run directory, the arrays stay
    on the devices, and each process writes its shards. Otherwise each host gets whole arrays.
    """
    arrays = state if run.checkpoints.on_devices else placement.gather(state)
    return arrays, sums_of_members(state, placement), placement.shapes(state)
