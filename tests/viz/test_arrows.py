"""Arrows to nearby points can be distinguished."""

import numpy as np
import pytest

from jaxens.viz.arrows import arrow_starts


@pytest.mark.parametrize("spread", [0.0, 1e-3, 0.1])
def test_directions_are_evenly_spaced(spread):
    tips = 0.5 + spread * np.random.default_rng(0).normal(size=(12, 2))
    arrows = arrow_starts(tips) - tips
    np.testing.assert_allclose(np.hypot(*arrows.T), 0.2)
    angles = np.sort(np.arctan2(arrows[:, 1], arrows[:, 0]))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / 12, rtol=1e-6)


def test_an_arrow_starts_on_the_side_of_its_tip():
    tips = np.array([[0.6, 0.5], [0.5, 0.6], [0.4, 0.5], [0.5, 0.4]])
    expected = np.array([[0.8, 0.5], [0.5, 0.8], [0.2, 0.5], [0.5, 0.2]])
    np.testing.assert_allclose(arrow_starts(tips), expected, atol=1e-12)


def test_arrows_start_inside_the_image():
    tips = np.array([[0.02, 0.03], [0.98, 0.5], [0.5, 0.99], [0.0, 1.0], [0.5, 0.5]])
    starts = arrow_starts(tips, length=0.4)
    assert starts.min() >= -1e-12
    assert starts.max() <= 1 + 1e-12


def test_a_single_arrow_has_full_length():
    start = arrow_starts(np.array([[0.5, 0.5]]))
    assert np.hypot(*(start - 0.5)[0]) == pytest.approx(0.2)
