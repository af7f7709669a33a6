"""Insertion and deletion: how a model answers as pixels come or go in the order of a map.

They ask whether the map is true to the model, not to what people marked.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Integer, Num

from jaxens.metrics.blur import blur
from jaxens.metrics.inputs import ArrayLike, Images, as_float, as_images
from jaxens.metrics.normalize import has_contrast

Model = Callable[[Array], Array]
Maps = Num[ArrayLike, "image height width"]
Classes = int | np.integer | Integer[ArrayLike, ""] | Integer[ArrayLike, " image"]


class Perturbation(NamedTuple):
    """The target's value as more and more pixels are changed, and the area under that curve."""

    fractions: Float[Array, " step"]  # of the pixels that are changed, from 0 to 1
    values: Float[Array, "image step"]
    auc: Float[Array, " image"]  # the mean value along the fractions, by the trapezoidal rule


def insertion(
    logits_fn: Model,
    images: Images,
    maps: Maps,
    targets: Classes,
    baselines: Float[ArrayLike, "..."] | float | None = None,
    *,
    steps: int = 50,
    output: Callable[[Array], Array] = jax.nn.softmax,
    chunk: int | None = None,
) -> Perturbation:
    """The images' own pixels replace those of the baselines, the most relevant first.

    A large area is good: few pixels bring the class back. `baselines` broadcasts to the images;
    if None it is `blur(images)`, since on a constant one every patch that is inserted brings
    sharp edges of its own.

    Pixels with equal values go row by row, from the top left. `targets` is a class for every
    image or one for each. `output` makes logits [image, class] into what is measured:
    probabilities, unless told otherwise (`jax.nn.sigmoid` for a multilabel task).

    The cost is `steps` + 1 forward passes of every image, in calls of `chunk` steps (all, if
    None) of all images: that bounds memory and leaves the result as it is. May be `jit`ted, and
    `vmap`ped over members or maps.

    NaN where a map is constant or not finite: it has no order.

    Petsiuk et al. 2018 (RISE).

    **Raises:** `ValueError` if shapes do not fit, an image is not finite, targets are not whole
    numbers, a class does not exist (a traced one gives NaN), or steps or chunk are out of range.
    """
    images = as_images(images)
    start = blur(images) if baselines is None else _baselines(baselines, images)
    return _perturb(logits_fn, start, images, maps, targets, steps, output, chunk)


def deletion(
    logits_fn: Model,
    images: Images,
    maps: Maps,
    targets: Classes,
    baselines: Float[ArrayLike, "..."] | float = 0.0,
    *,
    steps: int = 50,
    output: Callable[[Array], Array] = jax.nn.softmax,
    chunk: int | None = None,
) -> Perturbation:
    """The baselines' pixels replace those of the images, the most relevant first.

    A small area is good: the class goes with few pixels. `baselines` broadcasts to the images;
    zero is the mean colour where images are normalised. All else is as for `insertion`.

    Petsiuk et al. 2018 (RISE).
    """
    images = as_images(images)
    finish = _baselines(baselines, images)
    return _perturb(logits_fn, images, finish, maps, targets, steps, output, chunk)


def _perturb(
    logits_fn: Model,
    start: Float[Array, "image height width channel"],
    finish: Float[Array, "image height width channel"],
    maps: Maps,
    targets: Classes,
    steps: int,
    output: Callable[[Array], Array],
    chunk: int | None,
) -> Perturbation:
    pixels = start.shape[1] * start.shape[2]
    _check(start, maps, targets, steps, chunk)
    changed = (np.arange(steps + 1) * pixels // steps).astype(np.int32)
    ranks = _ranks(as_float(maps))

    def values(start: Array, some: slice) -> Float[Array, "image _"]:
        counts = changed[some]
        points = jnp.where(
            (ranks[:, None] < counts[:, None, None])[..., None], finish[:, None], start[:, None]
        )
        logits = logits_fn(points.reshape(-1, *start.shape[1:]))
        _check_logits(logits, len(start) * len(counts))
        answers = output(as_float(logits))
        return _pick(answers.reshape(len(start), len(counts), -1), targets)

    curve = _in_chunks(values, start, steps + 1, chunk)
    curve = jnp.where(has_contrast(maps)[:, None], curve, jnp.nan)
    fractions = jnp.asarray(changed / pixels, curve.dtype)
    return Perturbation(fractions, curve, jax.scipy.integrate.trapezoid(curve, fractions))


def _ranks(maps: Float[Array, "image height width"]) -> Integer[Array, "image height width"]:
    """0 for each map's most relevant pixel, 1 for the next, and so on."""
    order = jnp.argsort(maps.reshape(len(maps), -1), axis=-1, descending=True, stable=True)
    return jnp.argsort(order, axis=-1).reshape(maps.shape)


def _in_chunks(
    part: Callable[[Array, slice], Array], start: Array, count: int, chunk: int | None
) -> Array:
    """The columns of `part(start, columns)` for `count` columns, `chunk` of them at a time.

    Unrolled, because XLA:CPU falls to slow convolutions inside its loops; in sequence, because
    XLA would otherwise hold the activations of all chunks at once.
    """
    size = chunk or count
    parts = [part(start, slice(0, size))]
    for first in range(size, count, size):
        # Never true, but XLA does not see it, and so waits for the part before.
        never = jnp.any(jnp.isnan(parts[-1]) & (parts[-1] > 0))
        start = jnp.where(never, 0, start)
        parts.append(part(start, slice(first, first + size)))
    return jnp.concatenate(parts, axis=1)


def _pick(
    answers: Float[Array, "image step label"], targets: Classes
) -> Float[Array, "image step"]:
    count = answers.shape[-1]
    if not isinstance(targets, jax.core.Tracer):
        wrong = [int(k) for k in np.ravel(targets) if not 0 <= k < count]
        if wrong:
            raise ValueError(
                f"targets names class {wrong[0]}, but the model has {count}: give 0 to "
                f"{count - 1}, and leave out images without a label"
            )
    index = jnp.broadcast_to(jnp.asarray(targets, jnp.int32), len(answers))[:, None, None]
    picked = jnp.take_along_axis(answers, index, axis=2, mode="clip")
    return jnp.where((index >= 0) & (index < count), picked, jnp.nan)[..., 0]


def _check(start: Array, maps: Maps, targets: Classes, steps: int, chunk: int | None) -> None:
    images, height, width = start.shape[:3]
    if maps.shape != (images, height, width):
        raise ValueError(
            f"maps of shape {maps.shape} do not fit images of shape {start.shape}: give one value "
            f"per pixel, shape {(images, height, width)}; resize a coarse map, reduce its channels"
        )
    _check_targets(targets, images)
    if not 1 <= steps <= height * width:
        raise ValueError(
            f"steps is {steps}: give 1 to {height * width}, the number of pixels of an image"
        )
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}: give at least 1, or None for all at once")


def _check_targets(targets: Classes, images: int) -> None:
    """Before any cast, which takes 1.5 for class 1, and a contrast for an array of two classes."""
    kind = getattr(targets, "dtype", type(targets))
    whole = isinstance(targets, int | np.integer | np.ndarray | Array)
    if not (whole and jnp.issubdtype(kind, jnp.integer)):
        raise ValueError(
            f"targets has type {getattr(kind, '__name__', kind)}: give one class, or one for each "
            f"image, as an integer or an array of {images} integers"
        )
    if np.shape(targets) not in ((), (images,)):
        raise ValueError(
            f"targets has shape {np.shape(targets)} for {images} images: give one class, or one "
            f"for each image, shape ({images},)"
        )


def _check_logits(logits: object, images: int) -> None:
    shape = getattr(logits, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != images:
        returned = f"a {type(logits).__name__}" if shape is None else f"shape {shape}"
        raise ValueError(
            f"the model returned {returned} for {images} images: return logits of shape "
            f"({images}, classes)"
        )


def _baselines(
    baselines: ArrayLike | float, images: Float[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    baselines = jnp.asarray(baselines, images.dtype)
    try:
        return jnp.broadcast_to(baselines, images.shape)
    except ValueError as error:
        raise ValueError(
            f"baselines has shape {baselines.shape}: give a number, a colour "
            f"({images.shape[-1]},), or images of shape {images.shape}"
        ) from error
