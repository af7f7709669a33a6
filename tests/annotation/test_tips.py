"""Tips of maps whose peak, center of mass and regions are known."""

import numpy as np
import pytest

from jaxens.annotation.tips import TIPS, region_boxes

SIZE = 40


def blob(x, y, height=1.0, width=2.0):
    """A Gaussian around the middle of a pixel."""
    columns, rows = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))


def middle(x, y):
    return (np.array([x, y]) + 0.5) / SIZE


@pytest.mark.parametrize("tip", TIPS)
def test_every_rule_points_at_a_single_blob(tip):
    np.testing.assert_allclose(TIPS[tip](blob(25, 9)), middle(25, 9), atol=0.01)


def test_rules_differ_where_there_are_two_blobs():
    # The wide one has more mass, the narrow one the larger value.
    map = blob(8, 8, width=4) + blob(30, 30, height=4.5, width=1)
    total = (16 * middle(8, 8) + 4.5 * middle(30, 30)) / (16 + 4.5)
    np.testing.assert_allclose(TIPS["center_of_mass"](map), total, atol=0.01)
    np.testing.assert_allclose(TIPS["peak"](map), middle(30, 30), atol=0.02)
    np.testing.assert_allclose(TIPS["region"](map), middle(8, 8), atol=0.02)


@pytest.mark.parametrize("tip", TIPS)
def test_negative_values_do_not_count_and_lead_axes_stay(tip):
    maps = np.stack([[blob(10, 20), blob(10, 20) - 3 * blob(30, 5)]] * 3)
    tips = TIPS[tip](maps)
    assert tips.shape == (3, 2, 2)
    np.testing.assert_allclose(tips, np.broadcast_to(middle(10, 20), (3, 2, 2)), atol=0.02)


@pytest.mark.parametrize("tip", TIPS)
@pytest.mark.parametrize("map", [np.zeros((8, 8)), -np.ones((8, 8)), np.full((8, 8), np.nan)])
def test_a_map_without_evidence_has_no_tip(tip, map):
    assert np.isnan(TIPS[tip](map)).all()
    assert np.isnan(region_boxes(map)).all()


def test_the_box_is_around_the_region_of_most_relevance():
    map = np.zeros((SIZE, SIZE))
    map[10:20, 24:36] = 1
    map[30:32, 2:4] = 1
    # The blur moves a straight edge of half the maximum by nothing.
    expected = np.array([24, 10, 36, 20]) / SIZE
    np.testing.assert_allclose(region_boxes(map), expected, atol=1.01 / SIZE)
