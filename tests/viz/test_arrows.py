"""Labeled arrows can be read on any image.

Ellipses stay inside of the image. Arrows that end at the same point have one head.
"""

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.patches import ArrowStyle, FancyArrowPatch
from matplotlib.text import Text

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


def luminance(rgb):
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    linear = np.where(rgb <= 0.04045 * 255, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(rgb):
    """The contrast ratio of the lightest and the darkest of some pixels, 1 to 21."""
    values = luminance(rgb)
    return (values.max() + 0.05) / (values.min() + 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 4000])
@pytest.mark.parametrize("gray", [0, 118, 255])  # 118 is as far from black as from white
def test_one_to_twelve_labels_and_arrows_are_legible_on_images_of_any_size(side, gray):
    image = np.full((side, side, 1), gray, np.uint8)
    rng = np.random.default_rng(side + gray)
    for count in range(1, 13) if side == 64 else (1, 12):
        arrows = [
            viz.Arrow(tuple(rng.uniform(0.05, 0.95, 2)), f"a label {k}", uncertain=k % 3 == 2)
            for k in range(count)
        ]
        figure = viz.show_labeled_arrows(image, arrows)
        drawn = pixels(figure)[::-1]  # rows from the bottom, as in Matplotlib
        (photo,) = (each.get_window_extent() for each in figure.findobj(AxesImage))
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        boxes = [text.get_window_extent() for text in texts]
        assert len(boxes) == count
        for k, box in enumerate(boxes):
            assert min(box.x0, box.y0) >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y1 <= figure.bbox.y1
            assert not any(box.overlaps(other) for other in [*boxes[:k], photo])
            rows, columns = (
                slice(round(low), round(high)) for low, high in (box.intervaly, box.intervalx)
            )
            assert contrast(drawn[rows, columns]) >= 4.5  # for text
        for patch in figure.findobj(FancyArrowPatch):
            start, tip = patch.get_transform().transform(patch._posA_posB)
            line = start + np.linspace(0, 1, 50)[:, None] * (tip - start)
            dashed = patch.get_linestyle() != "solid"
            reach = (
                8 if dashed else 3
            )  # of what belongs to a place: a dash, or the line and its halo
            for x, y in np.round(line).astype(int):
                rows, columns = (slice(max(0, at - reach), at + reach + 1) for at in (y, x))
                assert contrast(drawn[rows, columns].reshape(-1, 3)) >= 3  # for graphics
