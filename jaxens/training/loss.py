"""The loss of several tasks, for one member, with missing labels left out."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int

from jaxens.data.schema import MISSING, Task

Logits = Mapping[str, Float[Array, "image _"]]
Labels = Mapping[str, Int[Array, "image"] | Int[Array, "image label"]]


def multitask_loss(
    tasks: Sequence[Task], weights: Sequence[float], logits: Logits, labels: Labels
) -> Float[Array, ""]:
    """The weighted sum of the tasks' losses (Pazzani et al. 2022, section 7; Caruana 1997).

    A multiclass task's loss is softmax cross-entropy, a multilabel one's is sigmoid
    cross-entropy averaged over its labels; both are means over the labels that are there,
    and 0 where a batch has none.
    """
    losses = [task_loss(task, logits[task.name], labels[task.name]) for task in tasks]
    return sum((w * x for w, x in zip(weights, losses, strict=True)), start=jnp.float32(0))


def task_loss(
    task: Task, logits: Float[Array, "image _"], labels: Int[Array, "image *label"]
) -> Float[Array, ""]:
    """One task's mean loss over the labels that are there."""
    labeled = labels != MISSING
    known = jnp.where(labeled, labels, 0)
    if task.kind == "multiclass":
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    else:
        losses = optax.sigmoid_binary_cross_entropy(logits, known)
    count = jnp.maximum(jnp.sum(labeled), 1)
    return jnp.sum(losses * labeled.astype(losses.dtype)) / count.astype(losses.dtype)
