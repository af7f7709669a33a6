"""What is explained: one raw logit per image, or a function of an image's logits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Integer

# One class for every image, or one for each.
Classes = Integer[ArrayLike, ""] | Integer[ArrayLike, "image"] | Sequence[ArrayLike]


class Contrast(NamedTuple):
    """Explains why `target` rather than `against`: the difference of their logits.

    It is a pytree, so that it passes through `jit` and `vmap`.

    Attributes:
        target: One class, or one for each image.
        against: One class, or one for each image.
    """

    target: ArrayLike | Sequence[ArrayLike]
    against: ArrayLike | Sequence[ArrayLike]


# A callable maps logits [image, class] to one number per image.
Targets = Classes | Contrast | Callable[[Array], Array]


def select(logits: Float[Array, "image class"], targets: Targets) -> Float[Array, "image"]:
    """Returns the number that is explained, for each image.

    Args:
        logits: The output of the model.
        targets: One class, one class for each image, a `Contrast`, or a function from logits
            [image, class] to one number per image.

    Returns:
        The numbers. If a class is traced and does not exist, its number is NaN, because JAX would
        clamp the index and explain another class.

    Raises:
        ValueError: For a class that does not exist, or targets of another type or shape.
    """
    if isinstance(targets, Contrast):
        target = _pick(logits, targets.target, "targets.target")
        return target - _pick(logits, targets.against, "targets.against")
    if callable(targets):
        numbers = targets(logits)
        if np.shape(numbers) != logits.shape[:1]:
            raise ValueError(
                f"targets, as a function, returned shape {np.shape(numbers)} for logits of shape "
                f"{logits.shape}: return one number per image, shape {logits.shape[:1]}"
            )
        return numbers
    return _pick(logits, targets, "targets")


def _pick(
    logits: Float[Array, "image class"], classes: ArrayLike | Sequence[ArrayLike], name: str
) -> Float[Array, "image"]:
    images, count = logits.shape
    if not isinstance(classes, Array):
        # In a list, `jit` has replaced numbers by tracers.
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(classes))
        classes = jnp.asarray(classes) if traced else np.asarray(classes)
    if not jnp.issubdtype(classes.dtype, jnp.integer):
        raise ValueError(f"{name} has type {classes.dtype}: give integers")
    if np.shape(classes) not in ((), (images,)):
        raise ValueError(
            f"{name} has shape {np.shape(classes)} for {images} images: give one class, or one "
            f"for each image, shape ({images},)"
        )
    if not isinstance(classes, jax.core.Tracer):
        _check_range(np.asarray(classes), count, name)
    index = jnp.broadcast_to(jnp.asarray(classes, jnp.int32), (images,))
    picked = jnp.take_along_axis(logits, index[:, None], axis=1, mode="clip")[:, 0]
    return jnp.where((index >= 0) & (index < count), picked, jnp.nan)


def _check_range(classes: np.ndarray, count: int, name: str) -> None:
    wrong = np.flatnonzero((classes < 0) | (classes >= count))
    if wrong.size:
        where = f" (image {wrong[0]})" if classes.ndim else ""
        raise ValueError(
            f"{name} names class {classes.flat[wrong[0]]}{where}, but the model has {count}: give "
            f"0 to {count - 1}, and leave out images without a label"
        )
