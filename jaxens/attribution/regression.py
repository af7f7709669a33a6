"""Weighted linear regressions with an intercept, as scikit-learn's, for many outputs at once.

The matrix of the normal equations depends on features and weights only: under `vmap` over values,
it is computed once.
"""

import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Float

# Coordinate descent ends when every coefficient moves by less than this share of the largest
# coefficient of its output, or after this number of rounds.
TOLERANCE, ROUNDS = 1e-7, 5000


def ridge(
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample output"],
    weights: Float[Array, "sample"],
    *,
    alpha: float,
) -> Float[Array, "feature output"]:
    """Minimizes weighted squares plus `alpha` |coefficients|^2, as scikit-learn's `Ridge`.

    Args:
        features: The features of each sample.
        values: To fit, any number of outputs.
        weights: The weights of the samples, at least 0.
        alpha: Penalty, above 0.

    Returns:
        Coefficients, without the intercept.
    """
    gram, moment = _normal_equations(features, values, weights)
    return cho_solve(cho_factor(gram + alpha * jnp.eye(len(gram), dtype=gram.dtype)), moment)


def lasso(
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample output"],
    weights: Float[Array, "sample"],
    *,
    alpha: float,
) -> Float[Array, "feature output"]:
    """Minimizes half the weighted mean square plus `alpha` |coefficients|_1.

    As scikit-learn's `Lasso`, by coordinate descent on the normal equations. The error is about
    1e-6 of the largest coefficient.

    Args:
        features: The features of each sample.
        values: To fit, any number of outputs.
        weights: The weights of the samples, at least 0.
        alpha: Penalty, above 0.

    Returns:
        Coefficients, without the intercept; 0 for a feature that does not vary.
    """
    gram, moment = _normal_equations(features, values, weights / weights.sum())
    size = jnp.diag(gram)
    scale = jnp.where(size > 0, size, 1)

    def update(feature: Array, coefficients: Array) -> Array:
        others = coefficients.at[feature].set(0)
        pull = moment[feature] - jnp.dot(gram[feature], others, precision="highest")
        shrunk = jnp.sign(pull) * jnp.maximum(jnp.abs(pull) - alpha, 0)
        return others.at[feature].set(jnp.where(size[feature] > 0, shrunk / scale[feature], 0))

    def is_moving(state: tuple[Array, Array, Array]) -> Array:
        rounds, coefficients, before = state
        moved = jnp.abs(coefficients - before).max(axis=0)
        return (rounds < ROUNDS) & (moved > TOLERANCE * jnp.abs(coefficients).max(axis=0)).any()

    def one_round(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rounds, before, _ = state
        return rounds + 1, lax.fori_loop(0, len(gram), update, before), before

    start = one_round((jnp.int32(0), jnp.zeros_like(moment), jnp.zeros_like(moment)))
    return lax.while_loop(is_moving, one_round, start)[1]


def _normal_equations(
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample output"],
    weights: Float[Array, "sample"],
) -> tuple[Float[Array, "feature feature"], Float[Array, "feature output"]]:
    """Returns X'WX and X'Wy, for features X and values y minus their weighted means."""
    share = weights / weights.sum()
    features = features - jnp.dot(share[None], features, precision="highest")
    values = values - jnp.dot(share[None], values, precision="highest")
    weighted = (weights[:, None] * features).T
    # At the default precision, a GPU multiplies with 10 bits.
    gram = jnp.dot(weighted, features, precision="highest")
    return gram, jnp.dot(weighted, values, precision="highest")
