"""Finds members that diverged in an epoch, and restores them from the last checkpoint."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Int

from jaxens.ensemble.quality import Quality
from jaxens.training.divergence import DivergenceWatch, restore
from jaxens.training.state import TRAINING, State


def with_members_restored(
    diverged_at: Int[np.ndarray, "member"],
    scores: Sequence[Quality],
    epoch: int,
    steps: int,
    state: Callable[[], State],
    last: Callable[[], State],
) -> State | None:
    """Gives members that diverged in an epoch the state that they had before it.

    Args:
        diverged_at: The step at which each of them diverged, as in their state.
        scores: Their validation scores.
        epoch: Its number; the first is 1.
        steps: The number of steps of an epoch.
        state: Returns the state of the members after the epoch.
        last: Returns the state before the epoch.

    Returns:
        The state; None if no member diverged in the epoch.

    Raises:
        UserError: If all members have diverged.
    """
    stopped = diverged_at >= (epoch - 1) * steps
    # If the last update of the epoch broke a member, no loss has shown it, but validation does.
    lost = _lost(scores) & (diverged_at == TRAINING)
    if lost.any():
        stops = DivergenceWatch(diverged_at != TRAINING, len(scores[0].members), epoch)
        stops.read(~lost, epoch * steps - 1, "validation scores")
    restored = stopped | lost
    if not restored.any():
        return None
    return restore(state(), last(), restored, epoch * steps - 1)


def _lost(scores: Sequence[Quality]) -> Bool[np.ndarray, "member"]:
    """Returns the members, a baseline included, that lack a score in a task that others have."""
    baseline = scores[0].baseline is not None
    of_members = np.array([[*q.members, *[q.baseline] * baseline] for q in scores], float)
    known = of_members[~np.isnan(of_members).all(axis=1)]
    return np.isnan(known).any(axis=0)
