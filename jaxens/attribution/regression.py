"""Weighted linear regressions with an intercept, as scikit-learn's, for many outputs at once.

Features [sample, feature], values [sample, output] and weights [sample] give coefficients
[feature, output]. What concerns features and weights alone has no output in it: under `vmap`
over values, it is computed once.
"""

import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Float

# Coordinate descent ends when no coefficient moved by more than this share of the largest of
# its output, or after so many rounds.
TOLERANCE, ROUNDS = 1e-7, 5000


def ridge(
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample output"],
    weights: Float[Array, "sample"],
    *,
    alpha: float,
) -> Float[Array, "feature output"]:
    """Least weighted squares plus `alpha` |coefficients|^2: scikit-learn's `Ridge`."""
    gram, moment = _normal_equations(features, values, weights)
    return cho_solve(cho_factor(gram + alpha * jnp.eye(len(gram), dtype=gram.dtype)), moment)


def lasso(
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample output"],
    weights: Float[Array, "sample"],
    *,
    alpha: float,
) -> Float[Array, "feature output"]:
    """Half the weighted mean square plus `alpha` |coefficients|_1: scikit-learn's `Lasso`.

    By coordinate descent on the normal equations, to about 1e-6 of the largest coefficient.
    A feature that never varies gets 0.
    """
    gram, moment = _normal_equations(features, values, weights / weights.sum())
    size = jnp.diag(gram)
    scale = jnp.where(size > 0, size, 1)

    def move(feature: Array, coefficients: Array) -> Array:
        others = coefficients.at[feature].set(0)
        pull = moment[feature] - jnp.dot(gram[feature], others, precision="highest")
        shrunk = jnp.sign(pull) * jnp.maximum(jnp.abs(pull) - alpha, 0)
        return others.at[feature].set(jnp.where(size[feature] > 0, shrunk / scale[feature], 0))

    def moving(state: tuple[Array, Array, Array]) -> Array:
        rounds, coefficients, before = state
        moved = jnp.abs(coefficients - before).max(axis=0)
        return (rounds < ROUNDS) & (moved > TOLERANCE * jnp.abs(coefficients).max(axis=0)).any()

    def once_around(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rounds, before, _ = state
        return rounds + 1, lax.fori_loop(0, len(gram), move, before), before

    start = once_around((jnp.int32(0), jnp.zeros_like(moment), jnp.zeros_like(moment)))
    return lax.while_loop(moving, once_around, start)[1]


def _normal_equations(
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample output"],
    weights: Float[Array, "sample"],
) -> tuple[Float[Array, "feature feature"], Float[Array, "feature output"]]:
    """X'WX and X'Wy for features and values less their weighted means (the intercept)."""
    share = weights / weights.sum()
    features = features - jnp.dot(share[None], features, precision="highest")
    values = values - jnp.dot(share[None], values, precision="highest")
    weighted = (weights[:, None] * features).T
    # GPUs would multiply with 10 bits otherwise.
    gram = jnp.dot(weighted, features, precision="highest")
    return gram, jnp.dot(weighted, values, precision="highest")
