"""A small VGG in plain JAX: two stages of convolutions, and a hidden layer after the features."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from tests.attribution.cnn import CLASSES, Act, Params, convolve, max_pool, per_channel

SHAPES = {
    "conv1": (3, 3, 3, 6),
    "conv2": (3, 3, 6, 6),
    "conv3": (3, 3, 6, 8),
    "hidden": (2 * 3 * 8, 12),
    "linear": (12, CLASSES),
}


def random_params(seed: int = 0) -> Params:
    generator = np.random.default_rng(seed)
    params = {}
    for layer, shape in SHAPES.items():
        fan_in = np.prod(shape[:-1])
        params[f"{layer}.weight"] = generator.normal(0, (2 / fan_in) ** 0.5, shape)
        params[f"{layer}.bias"] = generator.normal(0, 0.1, shape[-1])
    return {name: jnp.asarray(values, jnp.float32) for name, values in params.items()}


def features(params: Params, images: Array, act: Act) -> Array:
    x = act(_conv(params, "conv1", images))
    x = max_pool(act(_conv(params, "conv2", x)), 2)
    return act(_conv(params, "conv3", x))


def head(params: Params, features: Array, act: Act) -> Array:
    pooled = max_pool(features, 2)
    hidden = act(_linear(params, "hidden", pooled.reshape(len(pooled), -1)))
    return _linear(params, "linear", hidden)


def logits(params: Params, images: Array, act: Act) -> Array:
    return head(params, features(params, images, act), act)


def _conv(params: Params, name: str, x: Array) -> Array:
    return convolve(x, params[f"{name}.weight"]) + per_channel(params[f"{name}.bias"])


def _linear(params: Params, name: str, x: Array) -> Array:
    return x @ params[f"{name}.weight"] + params[f"{name}.bias"][None]
