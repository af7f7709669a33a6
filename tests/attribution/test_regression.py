from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

from jaxens.attribution.regression import lasso, ridge

FITS = {
    "ridge": jax.jit(partial(ridge, alpha=1.0)),
    "lasso": jax.jit(partial(lasso, alpha=0.01)),
}
Fit = Callable[..., jax.Array]


def problem(samples: int, features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks, three numbers far from 0 that they explain in part, and weights."""
    generator = np.random.default_rng(samples)
    masks = generator.integers(0, 2, size=(samples, features))
    signal = masks @ generator.normal(size=(features, 3))
    values = 20 + signal + generator.normal(size=signal.shape)
    weights = generator.uniform(0.05, 1, size=samples)
    return masks.astype(np.float32), values.astype(np.float32), weights.astype(np.float32)


def assert_equal(ours: jax.Array, theirs: np.ndarray) -> None:
    """Relative to the largest coefficient."""
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize(("samples", "features"), [(200, 12), (20, 30), (5, 1)])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_ridge_is_scikit_learns(samples: int, features: int, alpha: float) -> None:
    masks, values, weights = problem(samples, features)
    theirs = Ridge(alpha=alpha).fit(*(a.astype(float) for a in (masks, values, weights)))
    assert_equal(jax.jit(partial(ridge, alpha=alpha))(masks, values, weights), theirs.coef_.T)


@pytest.mark.parametrize(("samples", "features"), [(200, 12), (25, 9), (25, 30)])
@pytest.mark.parametrize("alpha", [0.02, 0.3])
def test_lasso_is_scikit_learns(samples: int, features: int, alpha: float) -> None:
    masks, values, weights = problem(samples, features)
    ours = jax.jit(partial(lasso, alpha=alpha))(masks, values, weights)
    reference = Lasso(alpha=alpha, tol=1e-13, max_iter=1_000_000)
    theirs = [
        reference.fit(masks.astype(float), value, weights.astype(float)).coef_
        for value in values.T.astype(float)
    ]
    assert_equal(ours, np.stack(theirs, axis=1))
    np.testing.assert_array_equal(np.array(ours) == 0, np.stack(theirs, axis=1) == 0)


def test_the_size_of_weights_matters_to_ridge_and_not_to_lasso() -> None:
    masks, values, weights = problem(60, 6)
    changes = {
        name: np.abs(fit(masks, values, 10 * weights) - fit(masks, values, weights)).max()
        for name, fit in FITS.items()
    }
    assert changes["ridge"] > 0.01
    assert changes["lasso"] < 1e-5


def test_a_large_penalty_leaves_the_lasso_nothing() -> None:
    assert not jax.jit(partial(lasso, alpha=100.0))(*problem(60, 6)).any()


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_feature_that_never_varies_gets_nothing(fit: Fit) -> None:
    masks, values, weights = problem(60, 6)
    masks[:, 1], masks[:, 4] = 0, 1
    coefficients = np.array(fit(masks, values, weights))
    assert np.abs(coefficients[[1, 4]]).max() < 1e-5
    without = fit(masks[:, [0, 2, 3, 5]], values, weights)
    np.testing.assert_allclose(coefficients[[0, 2, 3, 5]], without, rtol=1e-4)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_outputs_do_not_touch_each_other(fit: Fit) -> None:
    masks, values, weights = problem(60, 6)
    apart = [fit(masks, value[:, None], weights) for value in values.T]
    values = np.insert(values, 1, np.nan, axis=1)
    together = np.array(fit(masks, values, weights))
    assert np.isnan(together[:, 1]).all()
    np.testing.assert_allclose(together[:, [0, 2, 3]], jnp.concatenate(apart, axis=1), rtol=1e-4)


def test_members_share_one_factorisation() -> None:
    masks, values, weights = problem(60, 6)
    members = jax.vmap(FITS["ridge"], in_axes=(None, 0, None))
    program = str(jax.make_jaxpr(members)(masks, np.stack([values] * 4), weights))
    assert program.count("= cholesky") == 1
    assert ":f32[6,6] = cholesky" in program
