"""What an ensemble predicts: its members' probabilities, and their mean."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxens.data.schema import Task


def probabilities(task: Task, logits: Float[Array, "*_ class"]) -> Float[Array, "*_ class"]:
    """Returns the softmax of a multiclass task's logits, or the sigmoid of a multilabel task's.

    Args:
        task: The task.
        logits: Its logits.
    """
    return jax.nn.softmax(logits) if task.kind == "multiclass" else jax.nn.sigmoid(logits)


def mean_probabilities(
    task: Task,
    logits: Float[Array, "member image class"],
    temperature: float | Float[Array, ""] | None = None,
) -> Float[Array, "image class"]:
    """Returns the ensemble's prediction: the mean of the members' probabilities.

    Members that give NaN for an image are excluded; the mean is NaN if all do.

    Args:
        task: The task.
        logits: Every member's logits for the task.
        temperature: Calibrates the mean, whose logits are divided by it (None: not). Members that
            disagree have a mean that is less sure than each of them. Dividing the logits of the
            members could not correct that.
    """
    mean = _mean_of_finite(probabilities(task, logits))
    if temperature is None:
        return mean
    least = jnp.finfo(mean.dtype).tiny
    if task.kind == "multiclass":
        of_mean = jnp.log(jnp.maximum(mean, least))
    else:
        of_mean = jnp.log(jnp.maximum(mean, least)) - jnp.log(jnp.maximum(1 - mean, least))
    return probabilities(task, of_mean / temperature)


def _mean_of_finite(
    members: Float[Array | np.ndarray, "member image class"],
) -> Float[Array, "image class"]:
    finite = jnp.isfinite(members).all(axis=-1, keepdims=True)
    return jnp.mean(members, axis=0, where=finite)


@dataclass(frozen=True)
class Predictions:
    """Each member's probabilities of a task's classes.

    Attributes:
        task: The task.
        members: Probabilities; NaN where a member gives NaN.
    """

    task: Task
    members: Float[np.ndarray, "member image class"]

    @property
    def finite(self) -> Bool[np.ndarray, "member image"]:
        """Which members give finite numbers. The others are excluded from the mean."""
        return np.isfinite(self.members).all(axis=-1)

    @property
    def mean(self) -> Float[np.ndarray, "image class"]:
        """The ensemble's probabilities."""
        return np.asarray(_mean_of_finite(self.members))

    @property
    def classes(self) -> Int[np.ndarray, "image"]:
        """The class (of a multilabel task, the label) of the highest mean probability."""
        return self.mean.argmax(axis=-1)

    @property
    def agreeing(self) -> Int[np.ndarray, "image"]:
        """How many members predict the class in `classes`.

        Of a multilabel task: how many give it a probability above one half.
        """
        if self.task.kind == "multilabel":
            p = np.take_along_axis(self.members, self.classes[None, :, None], axis=-1)[..., 0]
            return (p > 0.5).sum(axis=0)
        return (self.finite & (self.members.argmax(axis=-1) == self.classes)).sum(axis=0)
