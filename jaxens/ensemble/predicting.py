"""What an ensemble predicts for any number of images, in chunks that fit the device's memory."""

from collections.abc import Mapping, Sequence

import numpy as np
from jax import Array
from jaxtyping import Float, UInt8

from jaxens.chunks import in_chunks
from jaxens.data.schema import Task
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predictions import mean_probabilities
from jaxens.errors import UserError
from jaxens.models.memory import member_images_at_once


def all_logits(
    ensemble: Ensemble, images: UInt8[np.ndarray, "image height width 3"]
) -> dict[str, Float[Array, "member image _"]]:
    """Returns every member's logits for all images, by task.

    Args:
        ensemble: The members.
        images: RGB.
    """
    at_once = member_images_at_once(ensemble.model, images.shape[1], ensemble.members)
    chunk = max(1, at_once // ensemble.members)
    return in_chunks(ensemble.all_logits, chunk, images, out_axis=1)


def all_probabilities(
    ensemble: Ensemble,
    images: UInt8[np.ndarray, "image height width 3"],
    tasks: Sequence[Task] | None = None,
    temperatures: Mapping[str, float] | None = None,
) -> dict[str, Float[np.ndarray, "image class"]]:
    """Returns the members' mean probabilities for all images, by task.

    Args:
        ensemble: The members.
        images: RGB.
        tasks: Those that are predicted (default: all).
        temperatures: By task, as for `mean_probabilities` (default: none).

    Raises:
        UserError: If a member gives NaN for one of the tasks. Its maps would be NaN too, and the
            mean maps would have no score.
    """
    logits = all_logits(ensemble, images)
    chosen = ensemble.tasks if tasks is None else tasks
    _check_finite([np.asarray(logits[task.name]) for task in chosen])
    temperatures = temperatures or {}
    return {
        task.name: np.asarray(
            mean_probabilities(task, logits[task.name], temperatures.get(task.name))
        )
        for task in chosen
    }


def _check_finite(logits: Sequence[Float[np.ndarray, "member image _"]]) -> None:
    """Raises `UserError` with the first member that gives NaN or infinity."""
    finite = np.logical_and.reduce([np.isfinite(each).all(axis=-1) for each in logits])
    lost = (~finite).sum(axis=1)
    for member in np.flatnonzero(lost):
        raise UserError(
            f"member {member} (0 to {len(lost) - 1}) gives NaN for {lost[member]} of "
            f"{finite.shape[1]} images, so that the mean maps would have no score: train again "
            "with a lower `learning_rate`"
        )
