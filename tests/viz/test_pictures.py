"""Pictures show what they say: warm for, cold against, marks where the truth is."""

import numpy as np
import pytest
from PIL import Image

from jaxens.viz.montage import Montage
from jaxens.viz.overlay import full_at, overlay


def test_evidence_for_is_warm_against_is_cold_and_none_is_grey():
    image = np.full((4, 6, 3), 100, np.uint8)
    values = np.zeros((4, 6))
    values[0, 0], values[3, 5] = 2.0, -2.0
    shown = overlay(image, values, full=2.0).astype(int)
    assert shown[0, 0, 0] > shown[0, 0, 2] + 100
    assert shown[3, 5, 2] > shown[3, 5, 0] + 100
    assert np.ptp(shown[1, 1]) == 0


@pytest.mark.parametrize("values", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_a_map_without_a_message_shows_the_picture_in_grey(values):
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert np.ptp(overlay(image, values, full_at(values)), axis=-1).max() == 0


def test_one_outlier_does_not_hide_the_rest_of_a_map():
    values = np.full((20, 20), 0.1)
    values[0, 0] = 100.0
    shown = overlay(np.full((20, 20, 3), 100, np.uint8), values, full_at(values))
    np.testing.assert_array_equal(shown[5, 5], shown[0, 0])


def test_a_map_of_one_pixel_is_shown_at_its_own_strength():
    values = np.zeros((20, 20))
    values[3, 4] = 0.5
    assert full_at(values) == 0.5


def test_a_broken_map_does_not_touch_the_scale_of_the_others():
    values = np.ones((2, 4, 4))
    values[1, 0, 0] = np.inf
    assert full_at(values) == 1.0


@pytest.mark.parametrize("colours", ["heat", "spread"])
def test_one_scale_shows_nothing_of_negative_values(colours):
    image = np.full((2, 2, 3), 100, np.uint8)
    shown = overlay(image, np.array([[-1.0, 0.0], [0.5, 1.0]]), 1.0, colours).astype(int)
    assert np.ptp(shown[0]) == 0
    assert 0 < np.ptp(shown[1, 0]) < np.ptp(shown[1, 1])


@pytest.mark.parametrize("above", [0.0, 0.3])
def test_a_point_lies_in_its_pictures_cell(above):
    pictures = [[np.zeros((2, 2, 3), np.uint8)] * 3] * 2
    montage = Montage(pictures, "title", ["one", "two"], ["a", "b", "c"], above=above)
    for row in range(2):
        for column in range(3):
            left, right, bottom, top = montage.cell(row, column)
            assert montage.place(row, column, (0, 0)) == pytest.approx((left, top))
            assert montage.place(row, column, (1, 1)) == pytest.approx((right, bottom))
            assert right - left == pytest.approx(bottom - top)
    assert montage.cell(1, 0)[3] > montage.cell(0, 0)[2]


def test_a_saved_montage_has_its_pictures_and_its_marks(tmp_path):
    black = np.zeros((8, 8, 3), np.uint8)
    plain = Montage([[black]], "")
    plain.save(tmp_path / "plain.png")
    marked = Montage([[black]], "")
    marked.cross(0, 0, (0.5, 0.5), "red")
    marked.cross(0, 0, (np.nan, np.nan), "blue")
    marked.outline(0, 0, np.eye(8, dtype=bool), "lime")
    marked.save(tmp_path / "marked.png")
    with Image.open(tmp_path / "plain.png") as a, Image.open(tmp_path / "marked.png") as b:
        one, two = (np.asarray(image.convert("RGB")).astype(int) for image in (a, b))
    changed = two - one
    assert (changed[..., 0] > 200).any()
    assert (changed[..., 1] > 200).any()
    assert not (changed[..., 2] > 200).any()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["marked.png", "plain.png"]
