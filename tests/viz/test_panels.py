"""Panels side by side: where they are drawn, at which size."""

import numpy as np
import pytest

from jaxens.viz.arrows import draw_image
from jaxens.viz.map_panels import map_panel
from jaxens.viz.panels import DPI, POINTS, Panel, grid, panels_figure
from tests.viz.helpers import pixels

RED, GREEN, BLUE = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def block(color, width, height):
    image = np.full((4, 4, 3), color, np.uint8)
    return Panel((width, height), lambda axes: draw_image(axes, image, (0, 0, width, height)))


def extent(drawn, color):
    """Width and height in points, and the center in points, of what has a color."""
    rows, columns = np.nonzero((drawn == color).all(axis=-1))
    scale = POINTS / DPI
    left, right, top, bottom = (
        float(edge) * scale
        for edge in (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
    )
    return right - left, bottom - top, (left + right) / 2, (top + bottom) / 2


@pytest.mark.parametrize("title", ["", "a title"])
def test_panels_have_their_sizes_and_share_columns_and_rows(title):
    blocks = [block(RED, 90, 60), block(GREEN, 60, 60), block(BLUE, 60, 30)]
    drawn = pixels(panels_figure(blocks, columns=2, title=title))
    (red, green, blue) = (extent(drawn, color) for color in (RED, GREEN, BLUE))
    for found, size in [(red, (90, 60)), (green, (60, 60)), (blue, (60, 30))]:
        assert found[:2] == pytest.approx(size, abs=1)
    assert red[2] == pytest.approx(blue[2], abs=1)  # one column, centered
    assert red[3] == pytest.approx(green[3], abs=1)  # one row


def test_a_grid_is_a_panel_of_another_grid():
    inner = grid([block(RED, 60, 60), block(GREEN, 60, 60)], columns=1)
    drawn = pixels(panels_figure([inner, block(BLUE, 30, 30)], columns=2))
    (red, green, blue) = (extent(drawn, color) for color in (RED, GREEN, BLUE))
    assert red[:2] == green[:2] == pytest.approx((60, 60), abs=1)
    assert red[2] == green[2] < blue[2]
    assert red[3] < green[3]


def test_the_truth_is_drawn_at_its_place():
    image = np.zeros((40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:20, 15:45] = True
    panel = map_panel(image, None, mask=mask, point=np.array([0.5, 0.75]), inches=2)
    drawn = pixels(panels_figure([panel]))[..., :3].astype(int)
    yellow = (drawn[..., 0] > 150) & (drawn[..., 1] > 120) & (drawn[..., 2] < 100)
    rows, columns = np.nonzero(yellow)
    height, width = drawn.shape[:2]
    scale, margin = 2 * DPI / 60, (height - 40 * 2 * DPI / 60) / 2
    outline = rows < height / 2
    assert rows[outline].min() - margin == pytest.approx(10 * scale, abs=4)
    assert rows[outline].max() - margin == pytest.approx(20 * scale, abs=4)
    assert np.ptp(columns[outline]) == pytest.approx(30 * scale, abs=6)
    assert rows[~outline].mean() - margin == pytest.approx(30 * scale, abs=4)
    assert columns[~outline].mean() == pytest.approx(width / 2, abs=4)
