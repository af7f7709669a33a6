"""Arrows at points that lie close together can be told apart."""

import numpy as np
import pytest

from jaxens.viz.arrows import tails


@pytest.mark.parametrize("spread", [0.0, 1e-3, 0.1])
def test_every_arrow_comes_from_a_direction_of_its_own(spread):
    heads = 0.5 + spread * np.random.default_rng(0).normal(size=(12, 2))
    arrows = tails(heads) - heads
    np.testing.assert_allclose(np.hypot(*arrows.T), 0.2)
    angles = np.sort(np.arctan2(arrows[:, 1], arrows[:, 0]))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / 12, rtol=1e-6)


def test_an_arrow_comes_from_the_side_on_which_its_head_lies():
    heads = np.array([[0.6, 0.5], [0.5, 0.6], [0.4, 0.5], [0.5, 0.4]])
    want = np.array([[0.8, 0.5], [0.5, 0.8], [0.2, 0.5], [0.5, 0.2]])
    np.testing.assert_allclose(tails(heads), want, atol=1e-12)


def test_no_arrow_begins_outside_the_picture():
    heads = np.array([[0.02, 0.03], [0.98, 0.5], [0.5, 0.99], [0.0, 1.0], [0.5, 0.5]])
    begun = tails(heads, length=0.4)
    assert begun.min() >= -1e-12
    assert begun.max() <= 1 + 1e-12


def test_one_arrow_is_an_arrow():
    tail = tails(np.array([[0.5, 0.5]]))
    assert np.hypot(*(tail - 0.5)[0]) == pytest.approx(0.2)
