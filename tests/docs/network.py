"""A network with which every method runs, without another library."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxens import attribution as attr

IMAGES = np.random.default_rng(0).normal(size=(3, 10, 14, 3)).astype(np.float32)


def _features(images: jax.Array, act: Callable[[jax.Array], jax.Array] = jax.nn.relu) -> jax.Array:
    kernel = np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32)
    layout = ("NHWC", "HWIO", "NHWC")
    return act(jax.lax.conv_general_dilated(images, kernel, (2, 2), "SAME", None, None, layout))


def _head(features: jax.Array) -> jax.Array:
    kernel = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    return jnp.tanh(features).mean(axis=(1, 2)) @ kernel


def _logits(images: jax.Array, act: Callable[[jax.Array], jax.Array] = jax.nn.relu) -> jax.Array:
    return _head(_features(images, act))


NETWORK = attr.Network(
    logits_fn=_logits,
    features_fn=_features,
    head_fn=_head,
    guided_logits_fn=partial(_logits, act=attr.guided_relu),
)


def settings(method: str) -> dict[str, object]:
    """The settings that a method requires, with few steps and samples."""
    values: dict[str, object] = {
        "key": jax.random.key(0),
        "steps": 4,
        "samples": 20 if method == "lime" else 2,
        "segments": np.broadcast_to(attr.grid(10, 14, 3), IMAGES.shape[:3]),
    }
    if method == "gradient_shap":
        values["baselines"] = IMAGES[:2]
    return {name: value for name, value in values.items() if name in attr.METHODS[method].settings}
