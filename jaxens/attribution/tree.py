"""A regression tree on features that are 0 or 1, and what each feature did for it."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

# MATLAB's fitrtree: MinParentSize, and QuadraticErrorTolerance (of the variance of all values).
PARENT, PURE = 10, 1e-6

# Gains are equal where they differ by less than this share of the geometric mean of the best gain
# and the node's squared error, as rounding does: the first feature gets the split.
SAME = 1e-5


def tree_importance(
    features: Float[Array, "sample feature"], values: Float[Array, "sample output"]
) -> Float[Array, "feature output"]:
    """How much each feature's splits lowered the squared error, per split; one tree per output.

    MATLAB's `predictorImportance` of `fitrtree`: the fall of the mean square at a feature's
    splits, summed, and divided by the number of splits of all features. Nodes of 10 samples
    or more are split, however small the gain, unless they hardly vary; the first of equal
    features wins. Up to that division and to ties, the unnormalised importance of
    scikit-learn's `DecisionTreeRegressor(min_samples_split=10)`. Never negative: it doesn't
    say for or against.
    """
    # One tree after the other: a level needs samples x nodes of memory.
    return lax.map(lambda values: _importance(features, values), values.T).T


def _importance(
    features: Float[Array, "sample feature"], values: Float[Array, "sample"]
) -> Float[Array, "feature"]:
    """Grows the tree level by level: `node` is each sample's node, or `room` in a leaf."""
    samples, count = features.shape
    room = max(samples // PARENT, 1)
    values = values - values.mean()
    variance = jnp.mean(values**2)

    def level(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        node, importance, splits = state
        inside = jax.nn.one_hot(node, room, dtype=values.dtype)
        gains, errors = _gains(inside, features, values, variance)
        best = gains.max(axis=1)
        split = best >= 0
        best = jnp.maximum(best, 0)
        enough = jnp.maximum(best - SAME * jnp.sqrt(best * errors), 0)
        feature = jnp.argmax(gains >= enough[:, None], axis=1)
        importance = importance.at[feature].add(best / samples)
        return _children(node, features, feature, split), importance, splits + split.sum()

    root = jnp.full(samples, 0 if samples >= PARENT else room)
    start = (root, jnp.zeros(count, values.dtype), jnp.zeros((), int))
    _, importance, splits = lax.while_loop(lambda state: (state[0] < room).any(), level, start)
    mean = importance / jnp.maximum(splits, 1).astype(importance.dtype)
    return jnp.where(jnp.isnan(variance), jnp.nan, mean)


def _gains(
    inside: Float[Array, "sample node"],
    features: Float[Array, "sample feature"],
    values: Float[Array, "sample"],
    variance: Float[Array, ""],
) -> tuple[Float[Array, "node feature"], Float[Array, "node"]]:
    """How much each split lowers the node's squared error, -1 where it can't be; and that error."""

    def total(numbers: Array) -> Array:
        return jnp.dot(inside.T, numbers, precision="highest")

    size = inside.sum(axis=0)
    mean = total(values) / jnp.maximum(size, 1)
    # From the node's mean, so that the two sides' sums are each other's negative.
    rest = values - jnp.dot(inside, mean, precision="highest")
    errors = total(rest**2)
    varies = errors > PURE * variance * size
    having = total(features)
    lacking = size[:, None] - having
    possible = (having > 0) & (lacking > 0) & varies[:, None]
    gains = total(rest[:, None] * features) ** 2 * size[:, None]
    return jnp.where(possible, gains / jnp.maximum(having * lacking, 1), -1), errors


def _children(
    node: Int[Array, "sample"],
    features: Float[Array, "sample feature"],
    feature: Int[Array, "node"],
    split: Bool[Array, "node"],
) -> Int[Array, "sample"]:
    """Each sample's node on the next level, numbered from 0 without those that can't be split."""
    room = len(split)
    own = jnp.take(feature, node, mode="clip")
    side = jnp.take_along_axis(features, own[:, None], axis=1)[:, 0].astype(node.dtype)
    goes_on = jnp.take(split, node, mode="fill", fill_value=False)
    child = jnp.where(goes_on, 2 * node + side, 2 * room)
    large = jnp.zeros(2 * room, int).at[child].add(1, mode="drop") >= PARENT
    number = jnp.where(large, jnp.cumsum(large) - 1, room)
    return jnp.take(number, child, mode="fill", fill_value=room)
