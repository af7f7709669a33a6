import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from jaxens.attribution.tree import tree_importance

importance_of = jax.jit(tree_importance)


def every_mask(features: int, copies: int) -> np.ndarray:
    """Each combination of features equally often: no two of them ever split a node alike."""
    masks = np.array(list(itertools.product((0, 1), repeat=features)), np.float32)
    return np.repeat(masks, copies, axis=0)


def random_masks(samples: int, features: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (samples, features)).astype(np.float32)


def explained(masks: np.ndarray, outputs: int = 2) -> np.ndarray:
    """Main effects, one interaction, and noise, far from 0."""
    generator = np.random.default_rng(1)
    values = 5 + masks @ generator.normal(size=(masks.shape[1], outputs))
    values += 2 * masks[:, :1] * masks[:, 1:2] + 0.3 * generator.normal(size=values.shape)
    return values.astype(np.float32)


def scikit_learns(masks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Its importances, divided by the number of splits as MATLAB does."""
    tree = DecisionTreeRegressor(min_samples_split=10, random_state=0).fit(masks, values).tree_
    return tree.compute_feature_importances(normalize=False) / (tree.feature >= 0).sum()


def grown_by_hand(masks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Split after split, the first of equal features first."""
    fall, splits = np.zeros(masks.shape[1]), 0

    def grow(masks: np.ndarray, values: np.ndarray) -> None:
        nonlocal splits
        sides = [masks[:, feature] > 0 for feature in range(masks.shape[1])]
        gains = [
            values.var() * len(values) - sum(v.var() * len(v) for v in (values[s], values[~s]))
            if s.any() and not s.all()
            else -1
            for s in sides
        ]
        if len(values) < 10 or max(gains) < 0:
            return
        best = int(np.argmax(np.array(gains) > max(gains) - 1e-9))
        fall[best] += gains[best]
        splits += 1
        for side in (sides[best], ~sides[best]):
            grow(masks[side], values[side])

    grow(masks, values.astype(float))
    return fall / len(values) / splits


@pytest.mark.parametrize(("features", "copies"), [(5, 5), (3, 40), (1, 10)])
def test_importances_are_scikit_learns_per_split(features: int, copies: int) -> None:
    masks = every_mask(features, copies)
    values = explained(np.pad(masks, ((0, 0), (0, 1))))
    ours = importance_of(masks, values)
    for output in range(2):
        theirs = scikit_learns(masks, values[:, output])
        np.testing.assert_allclose(ours[:, output], theirs, atol=1e-5 * theirs.max())


@pytest.mark.parametrize(("samples", "features"), [(120, 20), (300, 8), (10, 3)])
def test_importances_are_those_of_a_tree_grown_by_hand(samples: int, features: int) -> None:
    masks = random_masks(samples, features)
    values = explained(masks)
    ours = importance_of(masks, values)
    for output in range(2):
        theirs = grown_by_hand(masks, values[:, output])
        np.testing.assert_allclose(ours[:, output], theirs, atol=1e-4 * theirs.max())


def test_all_features_together_explain_what_scikit_learns_tree_does() -> None:
    masks = random_masks(400, 30)
    values = explained(masks, outputs=1)
    theirs = scikit_learns(masks, values[:, 0]).sum()
    np.testing.assert_allclose(importance_of(masks, values).sum(), theirs, rtol=1e-4)


def test_independent_effects_get_a_quarter_of_their_squares() -> None:
    """A feature that is on half the time and adds c has the variance c^2 / 4."""
    masks, effects = every_mask(3, 10), np.array([1.0, -3, 2], np.float32)
    importance = importance_of(masks, (masks @ effects)[:, None])[:, 0]
    splits = 1 + 2 + 4
    np.testing.assert_allclose(importance, effects**2 / 4 / splits, rtol=1e-5)


def test_of_features_that_split_alike_the_first_gets_it_all() -> None:
    """Whatever the rounding, which differs between a feature and its opposite."""
    masks = random_masks(300, 5)
    twice = np.concatenate([masks, masks, 1 - masks], axis=1)
    importance = importance_of(twice, explained(masks, outputs=8))
    assert importance[:5].min() > 0
    assert not importance[5:].any()


def test_a_feature_and_its_opposite_are_equal() -> None:
    masks = every_mask(3, 10)
    turned = importance_of(1 - masks, explained(masks))
    np.testing.assert_allclose(turned, importance_of(masks, explained(masks)), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_values_changes_the_unit_alone(scale: float) -> None:
    masks = random_masks(300, 5)
    values = explained(masks)
    scaled = importance_of(masks, (scale * values).astype(np.float32)) / scale**2
    np.testing.assert_allclose(scaled, importance_of(masks, values), rtol=1e-3)


@pytest.mark.parametrize("samples", [2, 9])
def test_fewer_samples_than_a_node_needs_explain_nothing(samples: int) -> None:
    masks = random_masks(samples, 3)
    assert not importance_of(masks, explained(masks)).any()


def test_what_does_not_vary_has_no_importance() -> None:
    masks = random_masks(50, 4)
    assert not importance_of(masks, np.full((50, 1), 0.7, np.float32)).any()
    assert not importance_of(np.ones_like(masks), explained(masks)).any()


def test_outputs_do_not_touch_each_other() -> None:
    masks = random_masks(50, 4)
    values = explained(masks)
    values = np.insert(values, 1, np.nan, axis=1)
    together = importance_of(masks, values)
    assert jnp.isnan(together[:, 1]).all()
    alone = [importance_of(masks, values[:, [output]]) for output in (0, 2)]
    np.testing.assert_allclose(together[:, [0, 2]], jnp.concatenate(alone, axis=1), rtol=1e-5)
