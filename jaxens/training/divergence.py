"""Stops members that diverge, while the others go on."""

import logging
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxens.divergence import member_names
from jaxens.errors import UserError
from jaxens.training.state import TRAINING, State

log = logging.getLogger(__name__)


def keep_if_diverged(
    before: State, after: State, loss: Float[Array, ""], slopes: Any, number: Int[Array, ""]
) -> tuple[State, Float[Array, ""]]:
    """Returns the state of one member after a step, and the loss that is reported.

    A member whose loss, gradient or batch statistics are not finite keeps its parameters and batch
    statistics from before the step, in this step and in all later ones. Its loss is then NaN. Its
    optimizer state still changes, because keeping it would cost time and memory. Nothing uses it.

    Args:
        before: One member's state before the step.
        after: Its state after the step, if it goes on.
        loss: Its loss in the step.
        slopes: Its gradient in the step.
        number: The number of the step.
    """
    # Optimizers square gradients: one whose square is infinite has diverged too. A batch with an
    # infinite variance is normalized to zeros, whose loss is finite.
    checked = jax.tree.leaves((slopes, after.batch_stats))
    squares = sum(jnp.sum(jnp.square(leaf)) for leaf in checked)
    finite = jnp.isfinite(loss) & jnp.isfinite(squares)
    diverges = (before.diverged_at == TRAINING) & ~finite
    diverged_at = jnp.where(diverges, number, before.diverged_at)
    goes_on = diverged_at == TRAINING

    def kept(old: Any, new: Any) -> Any:
        return jax.tree.map(partial(jnp.where, goes_on), new, old)

    state = after._replace(
        params=kept(before.params, after.params),
        batch_stats=kept(before.batch_stats, after.batch_stats),
        diverged_at=diverged_at,
    )
    return state, jnp.where(goes_on, loss, jnp.nan)


def restore(state: State, last: State, rows: Bool[np.ndarray, "member"], number: int) -> State:
    """Returns the state of all members; some get their state of the last checkpoint back.

    These members train no more. When a loss is not finite, the parameters that gave it are often
    useless, and so may be those of the step before.

    Args:
        state: The state of all members.
        last: That of the last checkpoint.
        rows: Members that have diverged since.
        number: The step at which members have diverged for which the state has no step.

    Returns:
        The state in the host's memory.
    """

    def chosen(new: Any, old: Any) -> np.ndarray:
        return np.where(rows.reshape(-1, *(1,) * (new.ndim - 1)), old, new)

    restored = jax.tree.map(chosen, state._replace(trunk=None), last._replace(trunk=None))
    unknown = rows & (np.asarray(state.diverged_at) == TRAINING)
    diverged_at = np.where(unknown, np.int32(number), state.diverged_at)
    return restored._replace(diverged_at=diverged_at, trunk=state.trunk)


def diverged_steps(state: State) -> tuple[int | None, ...]:
    """Returns the step at which each member diverged; None if it has not."""
    return as_steps(np.asarray(state.diverged_at))


def as_steps(diverged_at: Int[np.ndarray, "member"]) -> tuple[int | None, ...]:
    """Returns steps as numbers, and None for a member that has not diverged.

    Args:
        diverged_at: The field of `State` of this name.
    """
    return tuple(None if step == TRAINING else step for step in diverged_at.tolist())


class DivergenceWatch:
    """Names each member that diverges, once.

    Args:
        diverged: Which of the members, a baseline included, have diverged before.
        members: The number of members without the baseline.
        epoch: The epoch that is trained; the first is 1.
    """

    def __init__(self, diverged: Bool[np.ndarray, "member"], members: int, epoch: int):
        self._diverged, self._members = diverged.copy(), members
        self._kept = f"the state after epoch {epoch - 1}" if epoch > 1 else "the initial state"

    def read(
        self, finite: Bool[np.ndarray, "member"], number: int, what: str = "loss or gradient"
    ) -> None:
        """Warns if a member has diverged in a step, and names it.

        Args:
            finite: Whether the loss of each member is finite. After a member has diverged, its
                loss is always NaN.
            number: The number of the step.
            what: The name, for the warning, of what was checked.

        Raises:
            UserError: If all members have diverged.
        """
        new = ~finite & ~self._diverged
        if not new.any():
            return
        self._diverged |= new
        names = " and ".join(member_names(np.flatnonzero(new).tolist(), self._members))
        diverged = f"{names} diverged at step {number} ({what} not finite)"
        if self._diverged[: self._members].all():
            raise UserError(f"{diverged}, and no member is left: choose a lower `learning_rate`")
        log.warning(
            f"{diverged}: {self._kept} is kept, and the other members go on; choose a lower "
            "`learning_rate`"
        )
