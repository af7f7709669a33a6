"""A small convolutional network and images for it, in plain JAX."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

CLASSES = 5
Params = dict[str, Array]
Act = Callable[[Array], Array]


def random_params(channels: int = 3, seed: int = 0) -> Params:
    """Uniform weights and biases up to the root of 1 / fan-in, as PyTorch draws them."""
    generator = np.random.default_rng(seed)
    shapes = {"1": (3, 3, channels, 6), "2": (3, 3, 6, 8), "3": (8 * 3 * 4, CLASSES)}
    params = {}
    for layer, shape in shapes.items():
        bound = np.prod(shape[:-1]) ** -0.5
        params[f"kernel{layer}"] = generator.uniform(-bound, bound, shape)
        params[f"bias{layer}"] = generator.uniform(-bound, bound, shape[-1])
    return {name: jnp.asarray(values, jnp.float32) for name, values in params.items()}


def features(params: Params, images: Array, act: Act = jax.nn.relu) -> Array:
    """Padding, max pooling and a stride, for images of 10 x 14 pixels."""
    hidden = act(convolve(images, params["kernel1"]) + per_channel(params["bias1"]))
    hidden = max_pool(hidden, 2)
    return act(convolve(hidden, params["kernel2"], 2) + per_channel(params["bias2"]))


def head(params: Params, features: Array) -> Array:
    """A linear layer that sees places."""
    return features.reshape(len(features), -1) @ params["kernel3"] + params["bias3"][None]


def logits(params: Params, images: Array, act: Act = jax.nn.relu) -> Array:
    return head(params, features(params, images, act))


def per_channel(values: Array) -> Array:
    return values[None, None, None]


def convolve(images: Array, kernel: Array, stride: int = 1) -> Array:
    pad = (len(kernel) // 2,) * 2
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        images, kernel, (stride, stride), [pad, pad], dimension_numbers=layout
    )


def max_pool(images: Array, size: int, pad: int = 0) -> Array:
    """With a stride of 2."""
    padding = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    return lax.reduce_window(images, -jnp.inf, lax.max, (1, size, size, 1), (1, 2, 2, 1), padding)


def sample_images(
    count: int, channels: int = 3, seed: int = 0, size: tuple[int, int] = (10, 14)
) -> np.ndarray:
    """Normal noise: images of both signs, no two pixels alike."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, *size, channels)).astype(np.float32)
