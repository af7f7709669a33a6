"""SmoothGrad (Smilkov et al. 2017) and VarGrad (Adebayo et al. 2018) of any gradient method.

Both explain noisy copies of each image and take the maps' mean, or their variance. What is
random is drawn by `noise_draws`; the functions `..._from_draws` are deterministic.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.attribution.gradient import Model
from jaxens.attribution.images import as_images, full
from jaxens.attribution.keys import Keys, check_noise, keys_of_samples
from jaxens.attribution.sequence import after, slices, sum_in_chunks
from jaxens.attribution.targets import Targets

# From (model, images, targets) to attributions. Grad-CAM is one with its features bound,
# `partial(grad_cam, features_fn)`: its head stands for the model.
GradientMethod = Callable[[Model, Array, Targets], Array]


def smooth_grad(method: GradientMethod) -> Callable[..., Array]:
    """The method with SmoothGrad: `smooth_grad(saliency)(logits_fn, images, targets, key=key)`.

    What it returns is a function

        (logits_fn, images, targets, *, key, samples=25, stdev=0.15, chunk=None)

    to the mean map of `samples` noisy copies of each image, as Captum's `NoiseTunnel` for the
    same draws. `stdev` is in the images' unit, as Captum's; Smilkov et al. suggest 0.1 to 0.2
    of their range. `key` and the draws: see `noise_draws`. `chunk` is how many copies of an
    image go through the model at once (all, if None), which bounds memory and changes
    the result by no more than rounding. Settings of the method are bound to it before:
    `smooth_grad(partial(integrated_gradients, steps=20))`.
    """

    return _of_noisy_copies(method, smooth_grad_from_draws)


def var_grad(method: GradientMethod) -> Callable[..., Array]:
    """The method with VarGrad: the variance where `smooth_grad` takes the mean.

    It divides by the number of samples, as Captum, and is not negative.
    """

    return _of_noisy_copies(method, var_grad_from_draws)


def _of_noisy_copies(
    method: GradientMethod, from_draws: Callable[..., Array]
) -> Callable[..., Array]:
    def explain(
        logits_fn: Model,
        images: Float[ArrayLike, "image height width channel"],
        targets: Targets,
        *,
        key: Keys,
        samples: int = 25,
        stdev: float | int = 0.15,
        chunk: int | None = None,
    ) -> Float[Array, "image *map"]:
        draws = noise_draws(key, images, samples, stdev)
        return from_draws(method, logits_fn, images, targets, draws, chunk)

    return explain


def noise_draws(
    key: Keys,
    images: Float[ArrayLike, "image height width channel"],
    samples: int = 25,
    stdev: float | int = 0.15,
) -> Float[Array, "image sample height width channel"]:
    """Gaussian noise of `stdev` (in the images' unit) for each copy of each image.

    With one key, image i takes `jax.random.fold_in(key, i)`; otherwise each image has its
    own. Sample s of an image depends on its key and on s alone: not on the other images,
    their order, or the number of samples (with JAX's default Threefry keys).
    """
    images = full(as_images(images))
    check_noise(samples, stdev)

    def draw(key: Array) -> Array:
        return stdev * jax.random.normal(key, images.shape[1:], images.dtype)

    return jax.vmap(jax.vmap(draw))(keys_of_samples(key, len(images), samples))


def smooth_grad_from_draws(
    method: GradientMethod,
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    draws: Float[ArrayLike, "image sample height width channel"],
    chunk: int | None = None,
) -> Float[Array, "image *map"]:
    """SmoothGrad for given noise."""
    images = as_images(images)
    draws = _as_draws(draws, images)

    def part(images: Array, some: slice) -> Array:
        return _maps(method, logits_fn, images, targets, draws[:, some]).sum(axis=1)

    return sum_in_chunks(part, images, draws.shape[1], chunk) / draws.shape[1]


def var_grad_from_draws(
    method: GradientMethod,
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    draws: Float[ArrayLike, "image sample height width channel"],
    chunk: int | None = None,
) -> Float[Array, "image *map"]:
    """VarGrad for given noise.

    The chunks' variances are merged as by Chan et al. (1979): a difference of mean squares
    loses all digits where the maps hardly vary.
    """
    images = as_images(images)
    draws = _as_draws(draws, images)
    samples = draws.shape[1]
    first, *rest = slices(samples, chunk)
    maps = _maps(method, logits_fn, images, targets, draws[:, first])
    mean, squares = maps.mean(axis=1), maps.shape[1] * maps.var(axis=1)  # of deviations: their sum
    for some in rest:
        images = after(squares, images)
        maps = _maps(method, logits_fn, images, targets, draws[:, some])
        share = maps.shape[1] / some.stop  # of the samples up to here
        step = maps.mean(axis=1) - mean
        squares += maps.shape[1] * (maps.var(axis=1) + (1 - share) * step**2)
        mean += share * step
    return squares / samples


def _as_draws(
    draws: ArrayLike, images: Float[Array, "image height width channel"]
) -> Float[Array, "image sample height width channel"]:
    shape = np.shape(draws)
    if len(shape) != 5 or (shape[0], *shape[2:]) != images.shape or not shape[1]:
        raise ValueError(
            f"draws has shape {shape} for images of shape {images.shape}: give noise for each copy "
            "of each image, [image, sample, height, width, channel], as of noise_draws"
        )
    return jnp.asarray(draws, full(images).dtype)


def _maps(
    method: GradientMethod,
    logits_fn: Model,
    images: Float[Array, "image height width channel"],
    targets: Targets,
    draws: Float[Array, "image sample height width channel"],
) -> Float[Array, "image sample *map"]:
    # A `vmap` over samples, so that the method sees the images in their number and order,
    # as targets for each image need.
    explain = jax.vmap(lambda noisy: method(logits_fn, noisy, targets), in_axes=1, out_axes=1)
    return full(explain((full(images)[:, None] + draws).astype(images.dtype)))
