import jax
import numpy as np
import pytest
from scipy import stats

from jaxens import metrics
from jaxens.metrics.chance import centered_gaussian, random_maps


@pytest.mark.parametrize(("height", "width"), [(20, 20), (15, 32)])
@pytest.mark.parametrize("sigma", [0.25, 0.1])
def test_the_gaussian_has_a_standard_deviation_in_fractions_of_its_sides(height, width, sigma):
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    expected = stats.multivariate_normal([0.5, 0.5], sigma**2).pdf(np.dstack(np.meshgrid(x, y)))
    map = np.asarray(centered_gaussian(height, width, sigma))
    np.testing.assert_allclose(map / map.sum(), expected / expected.sum(), rtol=1e-4)


def test_the_gaussian_has_its_center_of_mass_in_the_middle_and_falls_off_to_the_edges():
    map = np.asarray(centered_gaussian(15, 32))
    np.testing.assert_allclose(metrics.center_of_mass(map), [0.5, 0.5], rtol=1e-6)
    # The middle of the left edge is half a side, two standard deviations, away.
    assert map[7, 0] / map.max() == pytest.approx(np.exp(-2), rel=0.15)


def test_random_maps_are_independent_uniform_noise():
    maps = np.asarray(random_maps(jax.random.split(jax.random.key(0), 6), 40, 30))
    assert maps.shape == (6, 40, 30)
    assert stats.kstest(maps.ravel(), "uniform").pvalue > 0.01
    between = np.corrcoef(maps.reshape(6, -1)) - np.eye(6)
    neighbors = np.corrcoef(maps[:, :, 1:].ravel(), maps[:, :, :-1].ravel())[0, 1]
    assert np.abs(between).max() < 0.12  # four standard deviations of 1,200 pixels
    assert abs(neighbors) < 0.05


def test_a_random_map_depends_on_its_own_key_alone():
    keys = jax.random.split(jax.random.key(1), (2, 3))
    maps = random_maps(keys, 5, 7)
    np.testing.assert_array_equal(maps[1, 2], random_maps(keys[1, 2], 5, 7))
    np.testing.assert_array_equal(
        maps[1], jax.jit(random_maps, static_argnums=(1, 2))(keys[1], 5, 7)
    )


def test_raw_keys_draw_the_same_maps():
    keys = jax.random.split(jax.random.key(2), 3)
    np.testing.assert_array_equal(
        random_maps(jax.random.key_data(keys), 4, 4), random_maps(keys, 4, 4)
    )


def test_sides_and_sigmas_that_are_not_positive_raise():
    with pytest.raises(ValueError, match="height is 0: give at least 1"):
        centered_gaussian(0, 5)
    with pytest.raises(ValueError, match="width is -1: give at least 1"):
        random_maps(jax.random.key(0), 4, -1)
    with pytest.raises(ValueError, match=r"sigma is 0\.0"):
        centered_gaussian(4, 4, sigma=0.0)
