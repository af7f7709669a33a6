"""SmoothGrad (Smilkov et al. 2017) and VarGrad (Adebayo et al. 2018) of any gradient method.

Both explain noisy copies of each image, and return the mean or the variance of the maps.
`noise_draws` draws the noise; the functions `..._from_draws` are deterministic.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxens.arrays import as_images, to_float32
from jaxens.attribution.keys import Keys, check_noise, keys_of_samples
from jaxens.chunks import in_chunks
from jaxens.sharding import is_explicit
from jaxens.targets import Model, Targets

# From (model, images, targets) to attributions. `partial(grad_cam, features_fn)` is one, too: its
# model is the head.
GradientMethod = Callable[[Model, Array, Targets], Array]


def smooth_grad(method: GradientMethod) -> Callable[..., Array]:
    """Returns a method with SmoothGrad, as Captum's `NoiseTunnel` for the same draws.

    `smooth_grad(saliency)` is a function

        (logits_fn, images, targets, *, key, samples=25, stdev=0.15, chunk=None)

    which returns the mean map of noisy copies of each image. Its arguments are:

    - `logits_fn`, `images`, `targets`: those of the method.
    - `key`: one key, or one for each image, see `noise_draws`.
    - `samples`: noisy copies of each image.
    - `stdev`: standard deviation of the noise, in the images' unit as in Captum. Smilkov et al.
      suggest 0.1 to 0.2 of the images' range.
    - `chunk`: copies of an image that go through the model at once (None: all). It bounds memory
      and changes the result by rounding only.

    Args:
        method: A gradient method. Bind its settings before:
            `smooth_grad(partial(integrated_gradients, steps=20))`.
    """

    return _of_noisy_copies(method, smooth_grad_from_draws)


def var_grad(method: GradientMethod) -> Callable[..., Array]:
    """Returns a method with VarGrad: the variance of the maps, where `smooth_grad` has the mean.

    The variance divides by the number of samples, as in Captum.

    Args:
        method: A gradient method, see `smooth_grad`.
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
        """Explains noisy copies of each image. `smooth_grad` describes the arguments.

        Returns:
            The mean of the maps (SmoothGrad), or their variance (VarGrad).

        Raises:
            ValueError: If an argument does not fit.
        """
        draws = noise_draws(key, images, samples, stdev)
        return from_draws(method, logits_fn, images, targets, draws, chunk)

    explain.__name__ = from_draws.__name__.removesuffix("_from_draws")
    return explain


def noise_draws(
    key: Keys,
    images: Float[ArrayLike, "image height width channel"],
    samples: int = 25,
    stdev: float | int = 0.15,
) -> Float[Array, "image sample height width channel"]:
    """Draws Gaussian noise for each copy of each image.

    Sample s of an image depends only on the key of the image and on s: not on the other images,
    their order, or the number of samples (with JAX's default Threefry keys).

    Args:
        key: One key, of which image i gets `jax.random.fold_in(key, i)`, or one for each image.
        images: What is explained.
        samples: Copies of each image.
        stdev: Standard deviation, in the images' unit.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = to_float32(as_images(images))
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
    """Returns SmoothGrad for given noise.

    Args:
        method: A gradient method, see `smooth_grad`.
        logits_fn: The model, as the method takes it.
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        draws: Noise, see `noise_draws`.
        chunk: As for `smooth_grad`.

    Returns:
        The mean of the method's maps.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = as_images(images)
    draws = _as_draws(draws, images)

    def part(draws: Array) -> Array:
        return _maps(method, logits_fn, images, targets, draws).sum(axis=1)

    return in_chunks(part, chunk, draws, axis=1, combine=jnp.add) / draws.shape[1]


def var_grad_from_draws(
    method: GradientMethod,
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    draws: Float[ArrayLike, "image sample height width channel"],
    chunk: int | None = None,
) -> Float[Array, "image *map"]:
    """Returns VarGrad for given noise.

    The variances of chunks are merged as by Chan et al. (1979). A difference of mean squares
    would lose all digits where the maps hardly vary.

    Args:
        method: A gradient method, see `smooth_grad`.
        logits_fn: The model, as the method takes it.
        images: Floats, as the model takes them.
        targets: What to explain, see `select`.
        draws: Noise, see `noise_draws`.
        chunk: As for `smooth_grad`.

    Returns:
        The variance of the method's maps.

    Raises:
        ValueError: If an argument does not fit.
    """
    images = as_images(images)
    draws = _as_draws(draws, images)

    def part(draws: Array) -> _Moments:
        maps = _maps(method, logits_fn, images, targets, draws)
        samples = maps.shape[1]
        return _Moments(samples, maps.mean(axis=1), samples * maps.var(axis=1))

    moments = in_chunks(part, chunk, draws, axis=1, combine=_merge)
    return moments.squares / draws.shape[1]


class _Moments(NamedTuple):
    """Of some samples: their number, their mean, and the sum of squared deviations from it."""

    samples: int
    mean: Array
    squares: Array


def _merge(total: _Moments, part: _Moments) -> _Moments:
    samples = total.samples + part.samples
    share, change = part.samples / samples, part.mean - total.mean
    squares = total.squares + part.squares + part.samples * (1 - share) * change**2
    return _Moments(samples, total.mean + share * change, squares)


def _as_draws(
    draws: ArrayLike, images: Float[Array, "image height width channel"]
) -> Float[Array, "image sample height width channel"]:
    shape = np.shape(draws)
    if len(shape) != 5 or (shape[0], *shape[2:]) != images.shape or not shape[1]:
        raise ValueError(
            f"draws has shape {shape} for images of shape {images.shape}: give noise for each copy "
            "of each image, [image, sample, height, width, channel], as noise_draws does"
        )
    return jnp.asarray(draws, to_float32(images).dtype)


def _maps(
    method: GradientMethod,
    logits_fn: Model,
    images: Float[Array, "image height width channel"],
    targets: Targets,
    draws: Float[Array, "image sample height width channel"],
) -> Float[Array, "image sample *map"]:
    # A `vmap` over samples, so that the method receives as many images as there are targets. JAX
    # has none for convolutions over Explicit axes.
    noisy = jnp.moveaxis((to_float32(images)[:, None] + draws).astype(images.dtype), 1, 0)

    def explain(images: Array) -> Array:
        return to_float32(method(logits_fn, images, targets))

    by_sample = jax.lax.map(explain, noisy) if is_explicit(images) else jax.vmap(explain)(noisy)
    return jnp.moveaxis(by_sample, 0, 1)
