"""The loss of one member on several tasks. Missing labels are left out."""

from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int

from jaxens.data.schema import MISSING, Task

Logits = Mapping[str, Float[Array, "image _"]]
Labels = Mapping[str, Int[Array, "image"] | Int[Array, "image label"]]


def multitask_loss(
    tasks: Sequence[Task],
    weights: Sequence[float],
    logits: Logits,
    labels: Labels,
    total: Callable[[Array], Array] = lambda count: count,
) -> Float[Array, ""]:
    """Returns the weighted sum of the losses of all tasks.

    Pazzani et al. 2022, section 7; Caruana 1997, "Multitask learning".

    Args:
        tasks: The tasks.
        weights: One per task.
        logits: By task, [image, class].
        labels: By task: classes [image], or 0 or 1 [image, class]; `MISSING` if unknown.
        total: As for `task_loss`.
    """
    losses = [task_loss(task, logits[task.name], labels[task.name], total) for task in tasks]
    return sum((w * x for w, x in zip(weights, losses, strict=True)), start=jnp.float32(0))


def task_loss(
    task: Task,
    logits: Float[Array, "image _"],
    labels: Int[Array, "image *label"],
    total: Callable[[Array], Array] = lambda count: count,
) -> Float[Array, ""]:
    """Returns the mean loss of one task over its known labels; 0 if there are none.

    Args:
        task: Multiclass (softmax cross-entropy) or multilabel (sigmoid cross-entropy).
        logits: The output of the classes.
        labels: Classes [image], or 0 or 1 [image, class]; `MISSING` if unknown.
        total: Sums a count over the devices that share a batch. The result is then
            this device's share of the batch's loss; the shares add up to it.
    """
    labeled = labels != MISSING
    known = jnp.where(labeled, labels, 0)
    if task.kind == "multiclass":
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    else:
        losses = optax.sigmoid_binary_cross_entropy(logits, known)
    count = jnp.maximum(total(jnp.sum(labeled)), 1)
    return jnp.sum(losses * labeled.astype(losses.dtype)) / count.astype(losses.dtype)
