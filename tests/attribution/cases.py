"""A network and settings with which every method of the table runs, and quickly.

What is compiled here is compiled once for all tests of a run.
"""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxens import attribution as attr
from tests.attribution import cnn

IMAGES = cnn.sample_images(3)
TARGETS = np.array([2, 0, 4])
KEYS = jax.random.split(jax.random.key(0), len(IMAGES))
MEMBERS = [cnn.random_params(seed=seed) for seed in range(3)]

SEGMENTS = attr.grid(10, 14, 3)
BACKGROUND = cnn.sample_images(2, seed=1)

LARGE = np.zeros((4, 32, 32, 3), np.float32)  # enough for memory to be that of activations


def network(params: cnn.Params) -> attr.Network:
    return attr.Network(
        logits_fn=partial(cnn.logits, params),
        features_fn=partial(cnn.features, params),
        head_fn=partial(cnn.head, params),
        guided_logits_fn=partial(cnn.logits, params, act=attr.guided_relu),
    )


def settings(method: str, key: jax.Array, images: int) -> dict[str, object]:
    """What the method needs, and few steps and samples."""
    given: dict[str, object] = {
        "key": key,
        "steps": 4,
        "samples": 20 if method == "lime" else 2,
        "segments": np.broadcast_to(SEGMENTS, (images, 10, 14)),
    }
    if method == "gradient_shap":
        given["baselines"] = BACKGROUND
    return {name: value for name, value in given.items() if name in attr.METHODS[method].settings}


def explain(
    method: str,
    params: cnn.Params,
    images: np.ndarray = IMAGES,
    targets: attr.Targets = TARGETS,
    keys: jax.Array = KEYS,
    **given: object,
) -> jax.Array:
    """The maps of one member."""
    return _compiled(method, frozenset(given.items()))(params, images, targets, keys)


def of_members(method: str, members: list[cnn.Params]) -> jax.Array:
    """The maps of an ensemble, by `vmap`: [member, image, height, width]."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    return _vmapped(method)(stacked)


@cache
def _compiled(method: str, given: frozenset[tuple[str, object]]) -> Callable[..., jax.Array]:
    def one(
        params: cnn.Params, images: jax.Array, targets: attr.Targets, keys: jax.Array
    ) -> jax.Array:
        every = settings(method, keys, len(images)) | dict(given)
        return attr.attribute(method, network(params), images, targets, **every)

    return jax.jit(one)


@cache
def _vmapped(method: str) -> Callable[[cnn.Params], jax.Array]:
    return jax.jit(jax.vmap(partial(explain, method)))


def wide(images: jax.Array) -> jax.Array:
    """Logits of a network that is all activations."""
    kernel = jnp.ones((3, 3, 3, 8))
    layout = ("NHWC", "HWIO", "NHWC")
    hidden = jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=layout)
    return jnp.tanh(hidden).sum(axis=(1, 2))
