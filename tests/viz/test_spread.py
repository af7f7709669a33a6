"""The ellipse of points whose spread is known."""

import numpy as np
import pytest

from jaxens.viz.spread import spread_ellipse


def test_an_ellipse_has_the_axes_of_the_points():
    along, across = np.array([3.0, 4.0]) / 5, np.array([-4.0, 3.0]) / 5
    # Four points whose variance is 6 along one direction and 2/3 across.
    offsets = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])
    points = (10.0, 20.0) + offsets @ np.stack([along, across])
    ellipse = spread_ellipse(points, 2, linewidth=1)
    assert ellipse.center == pytest.approx((10, 20))
    assert sorted([ellipse.width, ellipse.height]) == pytest.approx(
        [4 * (2 / 3) ** 0.5, 4 * 6**0.5]
    )
    # The first axis is the shorter one: it lies across.
    assert np.tan(np.radians(ellipse.angle)) == pytest.approx(across[1] / across[0])


def test_equal_points_have_an_ellipse_without_size():
    ellipse = spread_ellipse(np.ones((3, 2)), 1, linewidth=1)
    assert (ellipse.width, ellipse.height) == (0, 0)
