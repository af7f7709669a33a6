"""Insertion and deletion: how the model's output changes as pixels are changed in a map's order.

They measure whether a map is faithful to the model, not whether it agrees with people.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Integer, Num

from jaxens.arrays import as_images, as_whole, broadcast_to_images, to_float32
from jaxens.chunks import in_chunks
from jaxens.metrics import targets as targeting
from jaxens.metrics.blur import blur
from jaxens.metrics.inputs import ArrayLike, Images
from jaxens.metrics.normalize import has_contrast
from jaxens.metrics.targets import Output
from jaxens.targets import Model, Targets, as_logits

Maps = Num[ArrayLike, "image height width"]


class Perturbation(NamedTuple):
    """The target's value as more and more pixels are changed, and the area under the curve.

    Attributes:
        fractions: The fraction of the pixels that are changed, from 0 to 1.
        values: The target's value, such as its probability.
        auc: The mean value along the fractions, by the trapezoidal rule.
    """

    fractions: Float[Array, " step"]
    values: Float[Array, "image step"]
    auc: Float[Array, " image"]


def insertion(
    logits_fn: Model,
    images: Images,
    maps: Maps,
    targets: Targets,
    baselines: Float[ArrayLike, "..."] | float | None = None,
    *,
    steps: int = 50,
    output: Output = jax.nn.softmax,
    chunk: int | None = None,
) -> Perturbation:
    """Returns the target's value as pixels of the image replace the baseline, most relevant first.

    A large area is good: few pixels bring the target back. Pixels with equal values go row by
    row, from the top left. The function can be `jit`ted, and `vmap`ped over members or maps.

    What is measured depends on the target:

    - A class: its probability, `output(logits)[class]`.
    - A contrast of two classes: the probability of `target` among the two, which is the sigmoid
      of the difference of their logits. The softmax of a two-class model gives the same. The
      difference of probabilities would also change with the other classes, and the difference
      of logits has no fixed range, so areas of different images could not be averaged.
    - A function: what it returns. For the difference of logits itself, use
      `lambda logits: logits[:, a] - logits[:, b]`.

    Petsiuk et al. 2018 (RISE).

    Args:
        logits_fn: From images [image, height, width, channel] to logits [image, class].
        images: Images as the model takes them.
        maps: One value per pixel; the larger, the earlier the pixel is changed.
        targets: A class for all images, or one for each; an `attribution.Contrast`; or a function
            from logits [image, class] to [image]. Use the target that the maps explain.
        baselines: Broadcasts to the images. None means `blur(images)`, because on a constant
            baseline every inserted region adds sharp edges.
        steps: How many times pixels are changed. Costs `steps` + 1 forward passes per image.
        output: For classes: maps logits [image, class] to what is measured, such as
            `jax.nn.sigmoid` for a multilabel task.
        chunk: Steps (of all images) in one call of the model, which bounds memory; None means
            all. The result does not depend on it.

    Returns:
        The curve and its area per image; NaN where a map is constant or not finite.

    Raises:
        ValueError: If shapes do not fit, an image is not finite, a class is not an integer or
            does not exist (a traced one gives NaN instead), `output` comes with another target
            than classes, the model has one logit and `output` is a softmax, or `steps` or `chunk`
            is out of range.
    """
    images = as_images(images)
    start = (
        blur(images) if baselines is None else broadcast_to_images(baselines, images, "baselines")
    )
    return _perturb(logits_fn, start, images, maps, targets, steps, output, chunk)


def deletion(
    logits_fn: Model,
    images: Images,
    maps: Maps,
    targets: Targets,
    baselines: Float[ArrayLike, "..."] | float = 0.0,
    *,
    steps: int = 50,
    output: Output = jax.nn.softmax,
    chunk: int | None = None,
) -> Perturbation:
    """Returns the target's value as the baseline replaces pixels of the image, most relevant first.

    A small area is good: the target is lost with few pixels. Arguments, targets, NaN and errors
    are those of `insertion`, except that `baselines` is 0 by default: the mean color, where
    images are normalized.

    Petsiuk et al. 2018 (RISE).

    Returns:
        The curve and its area per image.
    """
    images = as_images(images)
    finish = broadcast_to_images(baselines, images, "baselines")
    return _perturb(logits_fn, images, finish, maps, targets, steps, output, chunk)


def _perturb(
    logits_fn: Model,
    start: Float[Array, "image height width channel"],
    finish: Float[Array, "image height width channel"],
    maps: Maps,
    targets: Targets,
    steps: int,
    output: Output,
    chunk: int | None,
) -> Perturbation:
    pixels = start.shape[1] * start.shape[2]
    _check(start, maps, steps)
    targeting.check(targets, len(start), output)
    changed = (np.arange(steps + 1) * pixels // steps).astype(np.int32)
    ranks = _ranks(to_float32(maps))

    def values(counts: Integer[ArrayLike, " _"]) -> Float[Array, "image _"]:
        is_changed = ranks[:, None] < counts[None, :, None, None]
        points = jnp.where(is_changed[..., None], finish[:, None], start[:, None])
        logits = as_logits(
            logits_fn(points.reshape(-1, *start.shape[1:])), len(start) * len(counts)
        )
        logits = to_float32(logits).reshape(len(start), len(counts), -1)
        return to_float32(targeting.measure(logits, targets, output))

    curve = in_chunks(values, chunk, changed, out_axis=1)
    curve = jnp.where(has_contrast(maps)[:, None], curve, jnp.nan)
    fractions = jnp.asarray(changed / pixels, curve.dtype)
    auc = jax.scipy.integrate.trapezoid(curve, jnp.broadcast_to(fractions, curve.shape))
    return Perturbation(fractions, curve, auc)


def _ranks(maps: Float[Array, "image height width"]) -> Integer[Array, "image height width"]:
    """0 for each map's most relevant pixel, 1 for the next, and so on."""
    order = jnp.argsort(maps.reshape(len(maps), -1), axis=-1, descending=True, stable=True)
    return jnp.argsort(order, axis=-1).reshape(maps.shape)


def _check(start: Array, maps: Maps, steps: int) -> None:
    images, height, width = start.shape[:3]
    if maps.shape != (images, height, width):
        raise ValueError(
            f"maps of shape {maps.shape} do not fit images of shape {start.shape}: give one value "
            f"per pixel, shape {(images, height, width)}; resize a coarse map, reduce its channels"
        )
    as_whole(steps, "steps")
    if steps > height * width:
        raise ValueError(
            f"steps is {steps}: give 1 to {height * width}, the number of pixels of an image"
        )
