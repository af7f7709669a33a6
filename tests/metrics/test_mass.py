import jax
import numpy as np
import pytest
from scipy import ndimage

from jaxens import metrics
from tests.metrics.cases import BROKEN_VALUES, SIZES, broken, random_map


def plain_center_of_mass(map):
    height, width = map.shape
    row, column = ndimage.center_of_mass(np.maximum(map.astype(np.float64), 0))
    return (column + 0.5) / width, (row + 0.5) / height


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_center_equals_scipy_on_the_positive_values(size, signed):
    map = random_map(size, signed=signed)
    np.testing.assert_allclose(metrics.center_of_mass(map), plain_center_of_mass(map), rtol=1e-5)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 1), (5, 9)])
def test_the_center_of_one_pixel_is_the_middle_of_that_pixel(row, column):
    map = np.zeros((6, 10), np.float32)
    map[row, column] = 3
    np.testing.assert_allclose(
        metrics.center_of_mass(map), [(column + 0.5) / 10, (row + 0.5) / 6], rtol=1e-6
    )


def test_the_center_is_a_fraction_that_does_not_depend_on_the_resolution():
    map = random_map((12, 16))
    finer = np.kron(map, np.ones((3, 3), np.float32))
    np.testing.assert_allclose(
        metrics.center_of_mass(finer), metrics.center_of_mass(map), rtol=1e-5
    )


def test_flipping_a_map_flips_its_center():
    map = random_map((13, 20))
    x, y = metrics.center_of_mass(map)
    np.testing.assert_allclose(metrics.center_of_mass(map[:, ::-1]), [1 - x, y], rtol=1e-5)
    np.testing.assert_allclose(metrics.center_of_mass(map[::-1]), [x, 1 - y], rtol=1e-5)
    np.testing.assert_allclose(metrics.center_of_mass(map.T), [y, x], rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-35, 1e-3, 7.0, 1e35])
def test_a_positive_factor_does_not_move_the_center(factor):
    map = random_map((40, 40))
    np.testing.assert_allclose(
        metrics.center_of_mass(map * np.float32(factor)), metrics.center_of_mass(map), rtol=1e-5
    )


def test_the_minimum_is_not_subtracted():
    map = np.zeros((10, 10), np.float32)
    map[0, 0] = 1
    np.testing.assert_allclose(
        metrics.center_of_mass(map + 1), [(0.05 + 100 * 0.5) / 101] * 2, rtol=1e-6
    )


@pytest.mark.parametrize(
    "map",
    [
        np.zeros((8, 8)),
        np.full((8, 8), 0.1),
        np.full((8, 8), -0.1),
        -random_map((8, 8)),
        *(broken(random_map((8, 8)), value) for value in BROKEN_VALUES),
    ],
    ids=["zero", "constant", "constant negative", "all negative", "nan", "inf", "-inf"],
)
def test_a_map_without_a_center_gives_nan(map):
    assert np.isnan(metrics.center_of_mass(map.astype(np.float32))).all()
    point = np.array([0.5, 0.5], np.float32)
    assert np.isnan(metrics.center_of_mass_distance(map.astype(np.float32), point))


def test_the_distance_is_euclidean_in_fractions_of_width_and_height():
    map = np.zeros((10, 40), np.float32)
    map[2, 7] = 1  # center at (7.5 / 40, 2.5 / 10)
    point = np.array([7.5 / 40 + 0.3, 2.5 / 10 + 0.4], np.float32)
    np.testing.assert_allclose(metrics.center_of_mass_distance(map, point), 0.5, rtol=1e-6)


def test_a_missing_point_gives_no_distance():
    maps = random_map((8, 8), 2)
    points = np.array([[np.nan, np.nan], [0.5, 0.5]], np.float32)
    assert list(np.isnan(metrics.center_of_mass_distance(maps, points))) == [True, False]


def test_maps_of_members_share_the_points_of_their_images():
    maps = random_map((9, 11), 3, 4)
    points = np.random.default_rng(2).random((4, 2)).astype(np.float32)
    distances = metrics.center_of_mass_distance(maps, points)
    for member in range(3):
        for image in range(4):
            expected = np.hypot(*(plain_center_of_mass(maps[member, image]) - points[image]))
            np.testing.assert_allclose(distances[member, image], expected, rtol=1e-4)
    vmapped = jax.vmap(metrics.center_of_mass_distance, in_axes=(0, None))(maps, points)
    np.testing.assert_allclose(distances, vmapped, rtol=1e-6)
