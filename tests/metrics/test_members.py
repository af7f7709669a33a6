import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import metrics
from tests.metrics.cases import random_map

MAPS = random_map((6, 9), 5, 2, signed=True)  # members, images


def test_the_mean_map_averages_raw_maps():
    np.testing.assert_allclose(metrics.mean_map(MAPS), MAPS.mean(0), atol=1e-6)


def test_the_mean_of_finite_maps_leaves_out_members_image_by_image():
    broken = MAPS.copy()
    broken[2, 0, 1, 1] = np.inf
    broken[:, 1] = np.nan
    mean = metrics.mean_of_finite(broken)
    np.testing.assert_allclose(mean[0], np.delete(MAPS, 2, axis=0).mean(0)[0], atol=1e-6)
    assert np.isnan(mean[1]).all()
    np.testing.assert_allclose(metrics.mean_of_finite(MAPS), metrics.mean_map(MAPS), atol=1e-6)


@pytest.mark.parametrize("signed", [True, False])
def test_the_mean_of_normalized_maps_weighs_all_members_the_same(signed):
    scaled = MAPS * np.array([1, 10, 100, 1, 3], np.float32)[:, None, None, None]
    mean = metrics.mean_of_normalized(MAPS, signed=signed)
    np.testing.assert_allclose(metrics.mean_of_normalized(scaled, signed=signed), mean, atol=1e-5)
    by_hand = np.mean([metrics.normalize(m, signed=signed) for m in MAPS], axis=0)
    np.testing.assert_allclose(mean, by_hand, atol=1e-6)
    assert not np.allclose(metrics.mean_map(scaled), metrics.mean_map(MAPS), atol=0.1)


def test_the_mean_of_normalized_maps_leaves_out_members_without_contrast():
    flat = MAPS.copy()
    flat[2, 0] = 3.0
    result = metrics.mean_of_normalized(flat, signed=True)
    others = np.delete(MAPS, 2, axis=0)
    np.testing.assert_allclose(
        result[0], metrics.mean_of_normalized(others, signed=True)[0], atol=1e-6
    )


def test_spread_is_numpys_standard_deviation_and_zero_for_one():
    np.testing.assert_allclose(metrics.spread(MAPS), MAPS.std(0), atol=1e-6)
    assert not metrics.spread(MAPS[:1]).any()


def test_agreement_is_the_mean_correlation_of_all_pairs():
    for image in range(2):
        pairs = np.corrcoef(MAPS[:, image].reshape(5, -1))[np.triu_indices(5, 1)]
        np.testing.assert_allclose(metrics.agreement(MAPS)[image], pairs.mean(), atol=1e-6)


def test_agreement_does_not_depend_on_scale_and_is_one_for_equal_members():
    np.testing.assert_allclose(metrics.agreement(MAPS * 1e-20), metrics.agreement(MAPS), atol=1e-5)
    same = np.broadcast_to(MAPS[:1], MAPS.shape)
    np.testing.assert_allclose(metrics.agreement(same), 1, atol=1e-6)
    np.testing.assert_allclose(metrics.agreement(np.stack([MAPS[0], -MAPS[0]])), -1, atol=1e-6)


def test_agreement_is_nan_for_one_member_and_for_maps_without_contrast():
    assert np.isnan(metrics.agreement(MAPS[:1])).all()
    broken = MAPS.copy()
    broken[0, 0, 1, 1] = np.nan
    broken[3, 1] = 2.0
    assert np.isnan(metrics.agreement(broken)).all()


def test_the_order_of_members_has_no_effect_also_under_jit():
    reversed_maps = MAPS[::-1]
    for function in (metrics.mean_map, metrics.spread, metrics.agreement):
        np.testing.assert_allclose(
            jax.jit(function)(jnp.asarray(reversed_maps)), function(MAPS), atol=1e-6
        )
