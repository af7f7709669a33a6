"""Integrated gradients of models that are hard to take apart are those of a plain loop.

The models were wrong where a model's affine beginning was evaluated at both ends of the path only.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from tests.attribution.plain_loop import BASELINES, IMAGES, TARGETS, Model, check
from tests.attribution.random_models import COLORS, SIDE

pytestmark = pytest.mark.slow

WIDTH, CLASSES = 4, 3
RNG = np.random.default_rng(1)
FIRST, SECOND = RNG.normal(size=(2, COLORS, WIDTH))
HEAD = RNG.normal(size=(WIDTH, CLASSES))
VISIBLE = np.arange(SIDE**2) % 3 > 0


def head(x: Array) -> Array:
    return x.mean(axis=(1, 2)) @ HEAD


# Constants of -inf


def attention(hide: Callable[[Array], Array]) -> Model:
    """Pools by attention over pixels, some of which are hidden."""

    def model(x: Array) -> Array:
        shares = jax.nn.softmax(hide(x.mean(axis=3).reshape(len(x), -1)))
        pixels = (x @ FIRST).reshape(len(x), -1, WIDTH)
        return jnp.tanh(jnp.einsum("np,npc->nc", shares, pixels)) @ HEAD

    return model


def max_pool_of_padded(x: Array) -> Array:
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    padded = jnp.pad(x @ FIRST, padding, constant_values=-jnp.inf)
    pooled = lax.reduce_window(padded, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
    return head(jnp.tanh(pooled))


# The ends of these two rules are points of the path, where 0 times -inf would be NaN.
@pytest.mark.parametrize("quadrature", ["riemann_trapezoid", "gausslegendre"])
@pytest.mark.parametrize(
    "model",
    [
        attention(lambda scores: jnp.where(VISIBLE, scores, -jnp.inf)),
        attention(lambda scores: scores + np.where(VISIBLE, 0, -np.inf)[None]),
        max_pool_of_padded,
    ],
    ids=["where", "added", "padded"],
)
def test_constants_of_minus_infinity_make_no_nan(model: Model, quadrature: str) -> None:
    assert np.isfinite(check(model, quadrature)).all()


# Branches on the batch size: one function, written in two ways


def branch_in_another_order(x: Array) -> Array:
    def first() -> Array:
        return jnp.tanh(x @ FIRST)

    def second() -> Array:
        return jax.nn.softplus(x @ SECOND)

    return head(first() + second() if len(x) > len(IMAGES) else second() + first())


def branch_of_another_scale(x: Array) -> Array:
    y = x @ FIRST
    return head(jax.nn.relu(2 * y) if len(x) > len(IMAGES) else 2 * jax.nn.relu(y))


@pytest.mark.parametrize("model", [branch_in_another_order, branch_of_another_scale])
def test_a_model_may_be_written_in_another_way_for_large_batches(model: Model) -> None:
    assert check(model).any()


# Rules of their own that lay images out anew


def rows_first(x: Array) -> Array:
    images, rows = x.shape[:2]
    return x.swapaxes(0, 1).reshape(images, rows, *x.shape[2:])


def images_first(x: Array) -> Array:
    images, rows = x.shape[:2]
    return x.reshape(rows, images, *x.shape[2:]).swapaxes(0, 1)


def with_vjp(function: Model, back: Model) -> Model:
    ruled = jax.custom_vjp(function)
    ruled.defvjp(lambda x: (function(x), None), lambda _, gradient: (back(gradient),))
    return ruled


def with_jvp(function: Model, back: Model) -> Model:
    ruled = jax.custom_jvp(function)
    ruled.defjvp(lambda values, changes: (function(*values), function(*changes)))
    return ruled


@pytest.mark.parametrize("rule", [with_vjp, with_jvp])
def test_a_rule_of_its_own_may_lay_images_out_anew(rule: Callable[[Model, Model], Model]) -> None:
    there, back = rule(rows_first, images_first), rule(images_first, rows_first)

    def same(x: Array) -> Array:
        return head(jnp.tanh(x @ FIRST))

    expected = check(lambda x: head(back(jnp.tanh(there(x @ FIRST)))))
    np.testing.assert_allclose(expected, check(same), rtol=1e-9, atol=1e-12)


# Values of size zero


@pytest.mark.parametrize(
    "nothing",
    [
        lambda y: jnp.concatenate([y[..., :0], y, y[..., WIDTH:]], axis=-1),
        lambda y: y + y[:, :0].sum(axis=1, keepdims=True),
        lambda y: y + y[..., :0] @ jnp.zeros((0, WIDTH)),
    ],
    ids=["concatenated", "summed", "multiplied"],
)
def test_values_of_size_zero_change_nothing(nothing: Callable[[Array], Array]) -> None:
    squares = check(lambda x: head(nothing(x @ FIRST) ** 2))
    # The gradient of a square is linear on the path: its mean is the one in the middle.
    middle, change = (IMAGES + BASELINES) / 2, IMAGES - BASELINES
    slopes = 2 * middle @ FIRST * HEAD.T[TARGETS][:, None, None] / SIDE**2
    np.testing.assert_allclose(squares, change * (slopes @ FIRST.T), rtol=1e-9, atol=1e-12)
