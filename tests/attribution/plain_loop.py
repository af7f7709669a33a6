"""Integrated gradients as a plain loop in float64, to compare with."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxens import attribution as attr
from jaxens.attribution.quadrature import nodes_and_weights
from tests.attribution.random_models import COLORS, SIDE

Model = Callable[[Array], Array]

IMAGES, BASELINES = np.random.default_rng(0).normal(size=(2, 2, SIDE, SIDE, COLORS))
TARGETS = np.array([2, 0])
STEPS = 3


def plain_loop(model: Model, quadrature: str) -> np.ndarray:
    """One image and one point at a time."""
    gradient = jax.jit(jax.grad(lambda image, target: model(image[None])[0, target]))
    maps = np.zeros_like(IMAGES)
    for i, (image, start) in enumerate(zip(IMAGES, BASELINES, strict=True)):
        for node, weight in zip(*nodes_and_weights(quadrature, STEPS), strict=True):
            point = start + node * (image - start)
            maps[i] += weight * (image - start) * gradient(point, TARGETS[i])
    return maps


def check(model: Model, quadrature: str = "gausslegendre", chunk: int | None = None) -> np.ndarray:
    """Compares maps with and without `jit`, in float64, and returns those of the loop."""
    explain = partial(
        attr.integrated_gradients,
        model,
        targets=TARGETS,
        baselines=BASELINES,
        steps=STEPS,
        quadrature=quadrature,
        chunk=chunk,
    )
    with jax.enable_x64(True):
        expected = plain_loop(model, quadrature)
        for maps in (explain(jnp.asarray(IMAGES)), jax.jit(explain)(jnp.asarray(IMAGES))):
            # Of some models, such as a mean of normalized values, the gradient is 0.
            largest = max(1, np.abs(expected).max())
            np.testing.assert_allclose(maps, expected, rtol=1e-7, atol=1e-9 * largest)
    return expected
