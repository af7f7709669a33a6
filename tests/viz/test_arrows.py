"""Ellipses of labeled arrows stay inside of the image; arrows to one spot share a head."""

import numpy as np
from matplotlib.patches import ArrowStyle, FancyArrowPatch

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


def arrows_of(figure):
    """Returns the ends of lines with a head, and of those without, in pixels."""
    patches = figure.findobj(FancyArrowPatch)
    ends = [(p.get_arrowstyle(), p.get_transform().transform(p._posA_posB[1])) for p in patches]
    has_head = [isinstance(style, ArrowStyle.CurveFilledB) for style, _ in ends]
    return (
        np.array([end for (_, end), head in zip(ends, has_head, strict=True) if head]),
        np.array([end for (_, end), head in zip(ends, has_head, strict=True) if not head]),
    )


def test_arrows_at_one_spot_share_a_head_at_the_middle_of_their_tips():
    tips = [(0.70, 0.30), (0.71, 0.30), (0.70, 0.31), (0.2, 0.8)]
    heads, ends = arrows_of(
        viz.show_labeled_arrows(IMAGE, [viz.Arrow(tip, f"mark {k}") for k, tip in enumerate(tips)])
    )
    assert len(heads) == 2
    assert len(ends) == 2
    spot = heads[heads[:, 0].argmax()]
    np.testing.assert_allclose(ends, [spot, spot], atol=1e-6)
    other = heads[heads[:, 0].argmin()]
    middle = np.mean(tips[:3], axis=0)
    ratio = (spot - other) * (1, -1) / (middle - tips[3])  # the image is square
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_arrows_at_two_spots_have_a_head_each():
    heads, ends = arrows_of(
        viz.show_labeled_arrows(IMAGE, [viz.Arrow((0.2, 0.2), "a"), viz.Arrow((0.25, 0.2), "b")])
    )
    assert len(heads) == 2
    assert len(ends) == 0
