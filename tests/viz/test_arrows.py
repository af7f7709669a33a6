"""Labeled arrows: ellipses of uncertainty stay inside of the image."""

import numpy as np

from jaxens import viz
from tests.viz.helpers import pixels

IMAGE = np.full((20, 20, 3), 90, np.uint8)


def test_the_ellipse_of_a_tip_at_the_border_is_drawn_inside_of_the_image_alone():
    guesses = np.random.default_rng(0).normal((0.1, 0.1), 0.3, (11, 2))
    plain, spread = (
        viz.show_labeled_arrows(IMAGE, [viz.Arrow((0.1, 0.1), "eye", spread=each)])
        for each in (None, guesses)
    )
    image = np.argwhere((pixels(plain) == 90).all(axis=-1))
    changed = np.argwhere((pixels(plain) != pixels(spread)).any(axis=-1))
    assert len(changed) > 50
    assert (changed >= image.min(axis=0) - 1).all()
    assert (changed <= image.max(axis=0) + 1).all()
