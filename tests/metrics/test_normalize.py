import numpy as np
import pytest

from jaxens import metrics
from tests.metrics.cases import BROKEN_VALUES, broken, random_map

MAP = np.array([[-4.0, -1.0, 0.0], [1.0, 2.0, 2.0]], np.float32)


def test_an_unsigned_map_is_scaled_to_0_1_by_its_minimum_and_maximum():
    expected = (MAP + 4) / 6
    np.testing.assert_allclose(metrics.normalize(MAP, signed=False), expected, rtol=1e-6)


def test_a_signed_map_is_divided_by_its_largest_magnitude_and_keeps_its_zero():
    np.testing.assert_allclose(metrics.normalize(MAP, signed=True), MAP / 4, rtol=1e-6)


def test_each_map_of_a_batch_has_its_own_range():
    maps = np.stack([MAP, 10 * MAP + 3])
    each = [metrics.normalize(map, signed=False) for map in maps]
    np.testing.assert_array_equal(metrics.normalize(maps, signed=False), each)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.1, -0.3])
def test_a_constant_map_has_no_contrast_and_normalizes_to_nan(value, signed):
    constant = np.full((28, 28), value, np.float32)
    assert not metrics.has_contrast(constant)
    assert np.isnan(metrics.normalize(constant, signed=signed)).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("value", BROKEN_VALUES)
def test_a_map_with_one_value_that_is_not_finite_normalizes_to_nan(value, signed):
    maps = np.stack([broken(random_map((6, 6)), value), random_map((6, 6))])
    assert list(metrics.has_contrast(maps)) == [False, True]
    normalized = np.isnan(metrics.normalize(maps, signed=signed))
    assert normalized[0].all()
    assert not normalized[1].any()


def test_nan_is_detected_at_every_pixel():
    """A vectorized maximum may ignore NaN at some positions."""
    maps = np.broadcast_to(random_map((5, 37), signed=True), (5 * 37, 5, 37)).copy()
    maps.reshape(5 * 37, -1)[np.diag_indices(5 * 37)] = np.nan
    assert not metrics.has_contrast(maps).any()
    assert not any(metrics.has_contrast(map) for map in maps[::23])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("factor", [1e-40, 1e38, 3e38])
def test_a_map_that_float32_cannot_scale_has_no_contrast(factor, signed):
    map = (random_map((6, 6), signed=True) / 4 * factor).astype(np.float32)
    map[0, :2] = -factor, factor
    assert not metrics.has_contrast(map)
    assert np.isnan(metrics.normalize(map, signed=signed)).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("factor", [1e-30, 9e36])
def test_a_map_near_the_ends_of_float32_is_normalized(factor, signed):
    map = random_map((6, 6)) + np.float32(0.01)
    map /= map.max()
    np.testing.assert_allclose(
        metrics.normalize(map * np.float32(factor), signed=signed),
        metrics.normalize(map, signed=signed),
        atol=1e-6,
    )


def test_a_map_that_differs_in_one_pixel_has_contrast():
    map = np.zeros((9, 9), np.float32)
    map[4, 4] = 1e-20
    assert metrics.has_contrast(map)


def test_sign_rules_keep_clip_or_flip_negative_values():
    np.testing.assert_array_equal(metrics.apply_sign(MAP, "signed"), MAP)
    np.testing.assert_array_equal(
        metrics.apply_sign(MAP, "positive"), [[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]]
    )
    np.testing.assert_array_equal(
        metrics.apply_sign(MAP, "absolute"), [[4.0, 1.0, 0.0], [1.0, 2.0, 2.0]]
    )


def test_an_unknown_sign_rule_raises_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'both'.*signed, positive, absolute"):
        metrics.apply_sign(MAP, "both")
