"""What a model returns, and what of it is explained or measured: one number per image."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Integer

Model = Callable[[Array], Array]  # from images [image, height, width, channel] to logits
# One class for every image, or one for each.
Classes = Integer[ArrayLike, ""] | Integer[ArrayLike, "image"] | Sequence[ArrayLike]


class Contrast(NamedTuple):
    """Two classes: explains why `target` rather than `against`, by the difference of their logits.

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
    check_targets(targets, len(logits))
    if isinstance(targets, Contrast):
        target = _pick(logits, targets.target, "targets.target")
        return target - _pick(logits, targets.against, "targets.against")
    if callable(targets):
        numbers = targets(logits)
        if np.shape(numbers) != logits.shape[:1]:
            raise ValueError(
                f"the function given as targets returned shape {np.shape(numbers)} for logits "
                f"{logits.shape}: return one number per image, shape {logits.shape[:1]}"
            )
        return numbers
    return _pick(logits, targets, "targets")


def check_targets(targets: Targets, images: int) -> None:
    """Checks types and shapes, which needs no call of the model.

    Raises:
        ValueError: If classes are not integers, or their number is neither one nor `images`.
    """
    if isinstance(targets, Contrast):
        _check_classes(targets.target, images, "targets.target")
        _check_classes(targets.against, images, "targets.against")
    elif not callable(targets):
        _check_classes(targets, images, "targets")


def _check_classes(classes: ArrayLike | Sequence[ArrayLike], images: int, name: str) -> None:
    """Checks before any cast, which would turn 1.5 into class 1."""
    leaves = jax.tree.leaves(classes)
    dtypes = {getattr(leaf, "dtype", np.dtype(type(leaf))) for leaf in leaves}
    if not dtypes or not all(jnp.issubdtype(dtype, jnp.integer) for dtype in dtypes):
        types = ", ".join(sorted(str(dtype) for dtype in dtypes)) or type(classes).__name__
        raise ValueError(
            f"{name} has type {types}: give one class, or one for each image, as an integer or "
            f"an array of {images} integers"
        )
    shape = (len(classes),) if isinstance(classes, Sequence) else np.shape(classes)
    if shape not in ((), (images,)):
        raise ValueError(
            f"{name} has shape {shape} for {images} images: give one class, or one for each "
            f"image, shape ({images},)"
        )


def _pick(
    logits: Float[Array, "image class"], classes: ArrayLike | Sequence[ArrayLike], name: str
) -> Float[Array, "image"]:
    count = logits.shape[1]
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(classes)):
        _check_range(np.asarray(classes), count, name)
    index = jnp.broadcast_to(jnp.asarray(classes, jnp.int32), logits.shape[:1])
    picked = jnp.take_along_axis(logits, index[:, None], axis=1, mode="clip")[:, 0]
    return jnp.where((index >= 0) & (index < count), picked, jnp.nan)


def _check_range(classes: Integer[np.ndarray, "..."], count: int, name: str) -> None:
    wrong = np.flatnonzero((classes < 0) | (classes >= count))
    if wrong.size:
        where = f" (image {wrong[0]})" if classes.ndim else ""
        raise ValueError(
            f"{name} names class {classes.flat[wrong[0]]}{where}, but the model has {count} "
            f"classes: give 0 to {count - 1}, and leave out images without a label"
        )


def as_logits(logits: Any, images: int) -> Float[Array, "image class"]:
    """Returns what a model returned as an array.

    Raises:
        ValueError: Unless it is an array of floats [image, class] for this number of images.
    """
    shape = getattr(logits, "shape", None)
    if shape is None:
        raise ValueError(
            f"the model returned a {type(logits).__name__} for {images} images: return the array "
            f"of the logits to explain, shape ({images}, classes)"
        )
    if len(shape) != 2 or shape[0] != images:
        raise ValueError(
            f"the model returned shape {shape} for {images} images: return logits "
            f"of shape ({images}, classes)"
        )
    if not jnp.issubdtype(logits.dtype, jnp.floating) or not shape[1]:
        raise ValueError(
            f"the model returned type {logits.dtype}, shape {shape}: return the raw logits of at "
            "least one class, as floating-point numbers"
        )
    return jnp.asarray(logits)
