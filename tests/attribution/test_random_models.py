"""Integrated gradients of random models are those of a plain loop.

`JAXENS_RANDOM_MODELS` sets the number of models.
"""

import itertools
import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens import attribution as attr
from jaxens.attribution.quadrature import nodes_and_weights
from tests.attribution.random_models import COLORS, SIDE, Model, models

COUNT = int(os.environ.get("JAXENS_RANDOM_MODELS", "3"))
TESTED = itertools.count(1)

IMAGES, BASELINES = np.random.default_rng(0).normal(size=(2, 2, SIDE, SIDE, COLORS))
TARGETS = np.array([2, 0])


def plain_loop(model: Model, steps: int, quadrature: str) -> np.ndarray:
    """One image and one point at a time."""
    gradient = jax.jit(jax.grad(lambda image, target: model(image[None])[0, target]))
    maps = np.zeros_like(IMAGES)
    for i, (image, start) in enumerate(zip(IMAGES, BASELINES, strict=True)):
        for node, weight in zip(*nodes_and_weights(quadrature, steps), strict=True):
            point = start + node * (image - start)
            maps[i] += weight * (image - start) * gradient(point, TARGETS[i])
    return maps


def check(model: Model, quadrature: str = "gausslegendre", chunk: int | None = None) -> None:
    """Compares maps with and without `jit`, in float64."""
    explain = partial(
        attr.integrated_gradients,
        model,
        targets=TARGETS,
        baselines=BASELINES,
        steps=3,
        quadrature=quadrature,
        chunk=chunk,
    )
    with jax.enable_x64(True):
        expected = plain_loop(model, 3, quadrature)
        for maps in (explain(jnp.asarray(IMAGES)), jax.jit(explain)(jnp.asarray(IMAGES))):
            # Of some models, such as a mean of normalized values, the gradient is 0.
            largest = max(1, np.abs(expected).max())
            np.testing.assert_allclose(maps, expected, rtol=1e-7, atol=1e-9 * largest)
    if not next(TESTED) % 100:
        jax.clear_caches()  # thousands of compiled programs would fill the memory


@pytest.mark.slow
@settings(max_examples=COUNT, deadline=None, derandomize=True, database=None)
@given(models(), st.sampled_from(sorted(attr.QUADRATURES)), st.sampled_from([None, 2]))
def test_integrated_gradients_are_those_of_a_plain_loop(
    model: Model, quadrature: str, chunk: int | None
) -> None:
    check(model, quadrature, chunk)
