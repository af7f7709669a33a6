"""Annotated images: marks are where the annotations are, on the second image of a pair."""

import numpy as np

from jaxens import viz
from tests.viz.helpers import panel_pixels, texts

IMAGES = np.zeros((2, 20, 20, 3), np.uint8)


def spread(panel):
    """Rows and columns of everything that is not black, as fractions (first, last)."""
    rows, columns = np.nonzero(panel.max(axis=-1) > 100)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / len(panel)


def test_each_kind_of_mark_is_where_its_annotation_is():
    mask = np.zeros((2, 20, 20), bool)
    mask[0, 4:10, 2:16] = True
    boxes = np.array([[0.1, 0.2, 0.8, 0.5], [np.nan] * 4])
    points = np.array([[0.45, 0.35], [np.nan, np.nan]])
    for marks in ({"masks": {"wing": mask}}, {"boxes": boxes}, {"points": {"eye": points}}):
        figure = viz.annotated_images(IMAGES, captions=["first", "second"], **marks)
        left, top, right, bottom = spread(panel_pixels(figure, 1))
        if "points" in marks:
            np.testing.assert_allclose(
                [(left + right) / 2, (top + bottom) / 2], points[0], atol=0.02
            )
            assert right - left < 0.1
        else:
            np.testing.assert_allclose([left, top, right, bottom], boxes[0], atol=0.02)
        for plain in (0, 2, 3):
            assert not panel_pixels(figure, plain).any()
        assert {"first", "second"} <= set(texts(figure))


def test_a_part_has_one_color_for_mask_and_point():
    mask = np.zeros((2, 20, 20), bool)
    mask[:, 5:15, 5:15] = True
    points = np.full((2, 2), 0.5)
    figure = viz.annotated_images(
        IMAGES, masks={"wing": mask, "bill": mask}, points={"bill": points}
    )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["wing", "bill"]
    cross = figure.axes[0].lines[0]
    assert tuple(cross.get_color()) == tuple(legend.get_lines()[1].get_color())
    assert tuple(cross.get_color()) != tuple(legend.get_lines()[0].get_color())
