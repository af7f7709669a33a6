"""Figures of explanations: what is averaged, what points where, what is said of broken maps."""

import numpy as np
import pytest
from matplotlib.text import Annotation

from jaxens.viz.display import Display
from jaxens.viz.explained import FIGURES, Explained, centres, centres_of_mass, comparison, members
from jaxens.viz.overlay import full_at, overlay

SIGNED = Display("signed")


@pytest.fixture
def maps():
    return np.random.default_rng(0).normal(size=(3, 5, 8, 8)).astype(np.float32)


def explained(maps):
    pictures = maps.shape[1]
    images = np.random.default_rng(1).integers(0, 256, (pictures, 8, 8, 3), dtype=np.uint8)
    return Explained("Grad-CAM", [f"picture {i}" for i in range(pictures)], images, maps)


def panels(montage):
    """The pictures of a figure by (row, column) as they stand, left to right."""
    return [np.asarray(image.get_array()) for image in montage.axes.images]


def words(montage):
    return [text.get_text() for text in montage.axes.texts]


def test_mean_and_spread_are_over_members(maps):
    shown = explained(maps)
    np.testing.assert_allclose(shown.mean, maps.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(shown.spread, maps.std(axis=0), atol=1e-6)


def test_a_map_that_is_not_finite_is_left_out_of_its_picture_alone(maps):
    broken = maps.copy()
    broken[1, 2, 0, 0] = np.inf
    shown = explained(broken)
    np.testing.assert_allclose(shown.mean[2], maps[[0, 2], 2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(shown.spread[2], maps[[0, 2], 2].std(axis=0), atol=1e-6)
    np.testing.assert_allclose(shown.mean[3], maps[:, 3].mean(axis=0), atol=1e-6)
    assert shown.caption(2) == "picture 2\nmean of 2 of 3"
    assert shown.caption(3) == "picture 3"
    assert words(members(shown, SIGNED)).count("not finite") == 1
    assert "mean of 2 of 3" in words(comparison(shown, SIGNED))


def test_a_picture_whose_maps_are_all_broken_still_has_figures(maps):
    maps[:, 0] = np.nan
    shown = explained(maps)
    assert np.isnan(shown.mean[0]).all()
    assert np.isnan(centres_of_mass(shown)[:, 0]).all()
    for figure in FIGURES.values():
        figure(shown, SIGNED)
    assert words(members(shown, SIGNED)).count("not finite") == 5  # three, their mean and spread
    assert len(arrows(centres(shown, SIGNED))) == 4 * 4


def test_a_row_holds_the_picture_each_member_mean_and_spread(maps):
    shown = explained(maps)
    row = panels(members(shown, SIGNED))[6:12]
    image = shown.images[1]
    np.testing.assert_array_equal(row[0], image)
    for m in range(3):
        np.testing.assert_array_equal(row[1 + m], overlay(image, maps[m, 1], full_at(maps[m, 1])))
    mean, spread = shown.mean[1], shown.spread[1]
    np.testing.assert_array_equal(row[4], overlay(image, mean, full_at(mean)))
    np.testing.assert_array_equal(row[5], overlay(image, spread, full_at(spread), "spread"))


def test_a_shared_scale_shows_the_mean_as_the_fainter_one_it_is(maps):
    shown = explained(maps)
    own, shared = (
        panels(members(shown, Display("signed", scale)))[4].astype(int)
        for scale in ("own", "shared")
    )
    strength = [np.abs(p[..., 0] - p[..., 2]).mean() for p in (own, shared)]
    assert strength[1] < 0.8 * strength[0]


def test_one_network_stands_left_of_the_ensemble(maps):
    shown = explained(maps)
    drawn = panels(comparison(shown, SIGNED))
    assert len(drawn) == 10
    for i, image in enumerate(shown.images):
        alone, mean = maps[0, i], shown.mean[i]
        np.testing.assert_array_equal(drawn[2 * i], overlay(image, alone, full_at(alone)))
        np.testing.assert_array_equal(drawn[2 * i + 1], overlay(image, mean, full_at(mean)))


def arrows(montage):
    """Head and colour of every arrow."""
    drawn = [text for text in montage.axes.texts if isinstance(text, Annotation)]
    return [(a.xy, a.arrow_patch.get_edgecolor()[:3]) for a in drawn]


def test_arrows_point_at_centres_of_mass_red_for_the_ensemble(maps):
    """The centre by hand: positive values weigh, a pixel's mass sits at its middle."""
    shown = explained(maps)
    montage = centres(shown, SIGNED)
    drawn = arrows(montage)
    assert len(drawn) == 5 * 4
    middles = (np.arange(8) + 0.5) / 8
    for i in range(5):
        of_picture = drawn[4 * i : 4 * i + 4]
        for (head, _), map in zip(of_picture, [*maps[:, i], shown.mean[i]], strict=True):
            weights = np.maximum(map, 0) / np.maximum(map, 0).sum()
            point = (weights.sum(axis=0) @ middles, weights.sum(axis=1) @ middles)
            assert head == pytest.approx(montage.place(i // 4, i % 4, point), abs=1e-5)
        assert [colour for _, colour in of_picture] == [(0, 0, 0)] * 3 + [(1, 0, 0)]


def test_a_map_without_positive_evidence_has_no_arrow(maps):
    maps[1, 0] = -1.0
    assert len(arrows(centres(explained(maps), SIGNED))) == 5 * 4 - 1


def test_texts_do_not_overlap_and_nothing_is_cut(maps):
    long = "a name of thirty letters, long"
    shown = explained(maps)
    captions = [f"{long}\nclass, 0.50\nrather than another\n3 of 3 members agree"] * 5
    shown = Explained(shown.title, captions, shown.images, shown.maps)
    for figure in FIGURES.values():
        montage = figure(shown, SIGNED)
        montage.figure.draw_without_rendering()
        texts = [*montage.axes.texts, *montage.figure.texts]
        boxes = [
            text.get_window_extent()
            for text in texts
            if text.get_text() and not isinstance(text, Annotation)
        ]
        paper = montage.figure.bbox
        for k, box in enumerate(boxes):
            assert box.x0 >= paper.x0
            assert box.x1 <= paper.x1
            assert box.y0 >= paper.y0
            assert box.y1 <= paper.y1
            assert not any(box.overlaps(other) for other in boxes[:k])
