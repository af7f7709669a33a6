"""Figures of an ensemble: what is averaged, where dots are, how broken maps are labeled."""

import numpy as np
import pytest

from jaxens import viz
from jaxens.viz.members import mean_and_spread
from tests.viz.helpers import panels, texts

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
CAPTIONS = [f"image {i}" for i in range(5)]


@pytest.fixture
def maps():
    return np.random.default_rng(0).normal(size=(3, 5, 8, 8)).astype(np.float32)


def overlay(i, map, **options):
    (panel,) = panels(viz.show(IMAGES[i], map, **{"signed": True, **options}))
    return panel


def test_mean_and_spread_are_over_members(maps):
    mean, spread = mean_and_spread(maps)
    np.testing.assert_allclose(mean, maps.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(spread, maps.std(axis=0), atol=1e-6)


def test_a_map_that_is_not_finite_is_left_out_of_the_mean_of_its_image(maps):
    maps[1, 2, 0, 0] = np.inf
    mean, spread = mean_and_spread(maps)
    np.testing.assert_allclose(mean[2], maps[[0, 2], 2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(spread[2], maps[[0, 2], 2].std(axis=0), atol=1e-6)
    np.testing.assert_allclose(mean[3], maps[:, 3].mean(axis=0), atol=1e-6)
    shown = texts(viz.show_members(IMAGES, maps, captions=CAPTIONS, signed=True))
    assert shown.count("not finite") == 1
    assert "image 2\nmean of 2 of 3" in shown
    assert "image 3" in shown
    assert "mean of 2 of 3" in texts(viz.show_comparison(IMAGES, maps, signed=True))


def test_each_image_has_its_own_sign(maps):
    several = panels(viz.show_members(IMAGES[:2], maps[:, :2], signed=[True, False]))
    for i, signed in enumerate((True, False)):
        for m in range(3):
            np.testing.assert_array_equal(
                several[6 * i + 1 + m], overlay(i, maps[m, i], signed=signed)
            )
    with pytest.raises(ValueError, match="1 signs for 2 images"):
        viz.show_members(IMAGES[:2], maps[:, :2], signed=[True])


def test_an_image_whose_maps_are_all_broken_is_drawn(maps):
    maps[:, 0] = np.nan
    assert np.isnan(mean_and_spread(maps)[0][0]).all()
    shown = texts(viz.show_members(IMAGES, maps, signed=True))
    assert shown.count("not finite") == 5  # three members, their mean and spread
    assert texts(viz.show_comparison(IMAGES, maps, signed=True)).count("not finite") == 2


def test_a_row_has_the_image_each_member_the_mean_and_the_spread(maps):
    row = panels(viz.show_members(IMAGES, maps, signed=True))[6:12]
    mean, spread = mean_and_spread(maps)
    np.testing.assert_array_equal(row[0], IMAGES[1])
    for m in range(3):
        np.testing.assert_array_equal(row[1 + m], overlay(1, maps[m, 1]))
    np.testing.assert_array_equal(row[4], overlay(1, mean[1]))
    strength = np.ptp(row[5].astype(int), axis=-1)
    assert np.corrcoef(strength.ravel(), spread[1].ravel())[0, 1] > 0.9


def test_with_a_shared_scale_a_value_has_one_color_in_all_members(maps):
    images = np.full((5, 8, 8, 3), 100, np.uint8)
    maps[:, 0, 0, 0] = 0.5
    maps[2] *= 10
    maps[2, 0, 0, 0] = 0.5
    row = panels(viz.show_members(images, maps, scale="shared", signed=True))[1:4]
    for panel in row[1:]:
        np.testing.assert_array_equal(panel[0, 0], row[0][0, 0])
    own = panels(viz.show_members(images, maps, signed=True))[1:4]
    assert (own[0][0, 0] != own[2][0, 0]).any()


def test_the_first_member_is_left_of_the_mean(maps):
    drawn = panels(viz.show_comparison(IMAGES, maps, signed=True))
    mean, _ = mean_and_spread(maps)
    assert len(drawn) == 10
    for i in range(5):
        np.testing.assert_array_equal(drawn[2 * i], overlay(i, maps[0, i]))
        np.testing.assert_array_equal(drawn[2 * i + 1], overlay(i, mean[i]))


def dots(figure):
    """Color and place of every dot, as (image, x, y): fractions of the image that it is on."""
    axes = figure.axes[0]
    drawn = []
    for line in axes.lines:
        (x,), (y,) = line.get_data()
        for i, image in enumerate(axes.images):
            left, right, bottom, top = image.get_extent()
            place = ((x - left) / (right - left), (y - top) / (bottom - top))
            if 0 <= min(place) <= max(place) <= 1:
                drawn.append((line.get_color(), i, *place))
    return drawn


def test_dots_lie_on_the_centers_red_for_the_mean():
    centers = np.random.default_rng(2).uniform(size=(4, 5, 2))
    drawn = dots(viz.show_centers(IMAGES, centers[:3], centers[3]))
    assert [(color, image) for color, image, *_ in drawn] == [
        (color, image) for image in range(5) for color in ("black", "black", "black", "red")
    ]
    for k, (*_, x, y) in enumerate(drawn):
        assert (x, y) == pytest.approx(centers[k % 4, k // 4])


@pytest.mark.parametrize("members", [2, 3, 40])
def test_an_ellipse_holds_two_standard_deviations_of_three_centers_or_more(members):
    draws = np.random.default_rng(3).normal(size=(members, 1, 2)) * [0.05, 0.02] + 0.5
    figure = viz.show_centers(IMAGES[:1], draws, draws.mean(axis=0))
    ellipses = figure.axes[0].patches
    assert len(ellipses) == (members > 2)
    for ellipse in ellipses:
        panel = figure.axes[0].images[0].get_extent()
        side = panel[1] - panel[0]
        variances = np.linalg.eigvalsh(np.cov(draws[:, 0].T))
        assert sorted((ellipse.width, ellipse.height)) == pytest.approx(
            list(4 * side * np.sqrt(variances))
        )


def test_a_map_without_a_center_has_no_dot_and_is_counted():
    centers = np.random.default_rng(2).uniform(size=(4, 5, 2))
    centers[1, 0] = np.nan
    centers[:, 2] = np.nan
    figure = viz.show_centers(IMAGES, centers[:3], centers[3], captions=CAPTIONS)
    assert [image for _, image, *_ in dots(figure)] == [0] * 3 + [1] * 4 + [3] * 4 + [4] * 4
    shown = texts(figure)
    assert "image 0\n2 of 3 members have a center" in shown
    assert "image 1" in shown
    assert shown.count("no map has a center") == 1  # on image 2


def test_the_spread_is_visible_next_to_maps_of_a_shared_scale(maps):
    maps = maps * 1e-3 + 1  # members that agree
    images = np.full((5, 8, 8, 3), 100, np.uint8)
    figures = [
        viz.show_members(images, maps, scale=scale, signed=True) for scale in ("own", "shared")
    ]
    own, shared = (panels(figure)[5] for figure in figures)
    np.testing.assert_array_equal(shared, own)
    assert np.ptp(shared.astype(int), axis=-1).max() > 50
    assert any("the spread has a scale of its own" in t.get_text() for t in figures[1].texts)


def test_one_member_has_one_map_and_neither_mean_nor_spread(maps):
    figure = viz.show_members(IMAGES, maps[:1], captions=CAPTIONS, signed=True)
    assert len(panels(figure)) == 5 * 2
    words = " ".join(texts(figure))
    assert "map" in words
    assert not any(word in words for word in ("mean", "spread", "member"))


def test_what_people_marked_is_yellow_on_the_image(maps):
    masks = np.zeros((5, 8, 8), bool)
    masks[0, 2:5, 2:5] = True
    points = np.full((5, 2), np.nan)
    points[1] = 0.5
    centers = np.full((3, 5, 2), np.nan)
    dark = np.zeros_like(IMAGES)
    for figure in (
        viz.show_members(dark, maps, masks=masks, points=points, signed=True),
        viz.show_centers(dark, centers, centers[0], masks=masks, points=points),
    ):
        drawn = figure.axes[0].collections
        assert len(drawn) == 1
        np.testing.assert_allclose(drawn[0].get_edgecolor()[0][:3], (1, 1, 0))
        (cross,) = figure.axes[0].lines
        assert (cross.get_marker(), cross.get_color()) == ("+", "yellow")


def test_a_caption_per_image_is_required(maps):
    with pytest.raises(ValueError, match="2 captions for 5 images"):
        viz.show_members(IMAGES, maps, captions=["one", "two"], signed=True)


def test_texts_do_not_overlap_and_nothing_is_cut(maps):
    line = "a name of thirty letters, long"
    captions = [f"{line}\nclass, 0.50\nrather than another\n3 of 3 members agree"] * 5
    title = "Grad-CAM of the label\nby each of 3 members, and a second line " + "that is long " * 9
    centers = np.full((4, 5, 2), 0.5)
    for figure in (
        viz.show_members(IMAGES, maps, title=title, captions=captions, signed=True),
        viz.show_centers(IMAGES, centers[:3], centers[3], title=title, captions=captions),
        viz.show_comparison(IMAGES, maps, title=title, captions=captions, signed=True),
    ):
        figure.draw_without_rendering()
        boxes = [
            text.get_window_extent()
            for text in [*figure.axes[0].texts, *figure.texts]
            if text.get_text()
        ]
        for k, box in enumerate(boxes):
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y0 >= 0
            assert box.y1 <= figure.bbox.y1
            assert not any(box.overlaps(other) for other in boxes[:k])
