"""The number that a perturbation curve follows: of a class, a contrast or a function of logits."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Integer

from jaxens.arrays import check_one_logit, to_float32
from jaxens.metrics.inputs import ArrayLike

# One class for every image, or one for each.
Classes = (
    int
    | np.integer
    | Integer[ArrayLike, ""]
    | Integer[ArrayLike, " image"]
    | Sequence[int | np.integer | ArrayLike]
)
Output = Callable[[Array], Array]


@runtime_checkable
class ContrastLike(Protocol):
    """Two classes, or two for each image, such as `attribution.Contrast(target, against)`."""

    target: Classes
    against: Classes


# A callable maps logits [image, class] to one number per image.
Targets = Classes | ContrastLike | Output


def check(targets: Targets, images: int, output: Output) -> None:
    """Checks types and shapes before the model is called.

    Raises:
        ValueError: If classes are not integers, their number is neither one nor that of the
            images, or `output` comes with a target that has no use for it.
    """
    if isinstance(targets, ContrastLike):
        _check_classes(targets.target, images, "targets.target")
        _check_classes(targets.against, images, "targets.against")
    elif not callable(targets):
        _check_classes(targets, images, "targets")
        return
    if output is not jax.nn.softmax:
        raise ValueError(
            "output is for classes, and targets is a contrast or a function: leave output out, or "
            "give the function of the logits to be measured as targets"
        )


def select(
    logits: Float[Array, "image step class"], targets: Targets, output: Output
) -> Float[Array, "image step"]:
    """Returns the value that is measured at each step; see `insertion`.

    Raises:
        ValueError: If a class does not exist, a function returns another shape than [image], or
            `output` of one logit is the same for every image.
    """
    if isinstance(targets, ContrastLike):
        target = _pick(logits, targets.target, "targets.target")
        return jax.nn.sigmoid(target - _pick(logits, targets.against, "targets.against"))
    if callable(targets):  # step by step, because it may hold something for each image
        return jax.vmap(lambda logits: _call(targets, logits), in_axes=1, out_axes=1)(logits)
    if logits.shape[-1] == 1:
        check_one_logit(output, "output=jax.nn.sigmoid")
    values = to_float32(output(logits.reshape(-1, logits.shape[-1])))
    return _pick(values.reshape(*logits.shape[:2], -1), targets, "targets")


def _call(function: Output, logits: Float[Array, "image class"]) -> Float[Array, " image"]:
    values = function(logits)
    if np.shape(values) != logits.shape[:1]:
        raise ValueError(
            f"targets, as a function, returned shape {np.shape(values)} for logits of shape "
            f"{logits.shape}: return one number per image, shape {logits.shape[:1]}"
        )
    return values


def _pick(
    values: Float[Array, "image step class"], classes: Classes, name: str
) -> Float[Array, "image step"]:
    """NaN for a traced class that does not exist, where JAX would pick another class."""
    count = values.shape[-1]
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(classes)):
        wrong = [int(k) for k in np.asarray(classes).flat if not 0 <= k < count]
        if wrong:
            raise ValueError(
                f"{name} names class {wrong[0]}, but the model has {count}: give 0 to "
                f"{count - 1}, and leave out images without a label"
            )
    index = jnp.broadcast_to(jnp.asarray(classes, jnp.int32), len(values))[:, None, None]
    picked = jnp.take_along_axis(values, index, axis=2, mode="clip")
    return jnp.where((index >= 0) & (index < count), picked, jnp.nan)[..., 0]


def _check_classes(classes: Classes, images: int, name: str) -> None:
    """Checks before any cast, which would turn 1.5 into class 1."""
    leaves = jax.tree.leaves(classes)
    dtypes = {getattr(leaf, "dtype", np.dtype(type(leaf))) for leaf in leaves}
    if not dtypes or not all(jnp.issubdtype(dtype, jnp.integer) for dtype in dtypes):
        types = ", ".join(sorted(str(dtype) for dtype in dtypes))
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
