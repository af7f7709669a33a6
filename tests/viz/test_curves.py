"""Curves show the scores, and their texts do not overlap."""

import numpy as np
import pytest

from jaxens import viz

SCORES = np.random.default_rng(0).uniform(size=(4, 2, 3, 11))  # mean, low, high, other


def sizes(methods, title=""):
    mean, low, high, _ = SCORES[:, :, :methods]
    names = [f"method {m}" for m in range(methods)]
    return viz.size_curves(
        mean, low, high, mean[..., 0], metrics=["IoU", "distance"], methods=names, title=title
    )


def test_a_panel_shows_the_scores_of_its_metric_and_method():
    figure = sizes(3)
    for cell, axes in zip(np.ndindex(2, 3), figure.axes, strict=True):
        curve, individual = axes.lines
        np.testing.assert_array_equal(curve.get_xdata(), np.arange(1, 12))
        np.testing.assert_array_equal(curve.get_ydata(), SCORES[0][cell])
        np.testing.assert_array_equal(individual.get_ydata(), [SCORES[0][cell][0]] * 2)
        (band,) = axes.collections
        corners = {tuple(point) for point in band.get_paths()[0].vertices}
        assert {(k + 1, SCORES[1][cell][k]) for k in range(11)} <= corners
        assert {(k + 1, SCORES[2][cell][k]) for k in range(11)} <= corners
    assert [axes.get_title() for axes in figure.axes[:3]] == ["method 0", "method 1", "method 2"]
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["IoU", "distance"]


def test_threshold_curves_show_ensemble_and_individuals():
    thresholds = np.linspace(0, 1, 11)
    figure = viz.threshold_curves(
        thresholds, SCORES[0], SCORES[3], metrics=["IoU", "recall"], methods=["a", "b", "c"]
    )
    for cell, axes in zip(np.ndindex(2, 3), figure.axes, strict=True):
        for line, scores in zip(axes.lines, (SCORES[0], SCORES[3]), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), thresholds)
            np.testing.assert_array_equal(line.get_ydata(), scores[cell])


@pytest.mark.parametrize("methods", [1, 3])
def test_a_long_title_fits_above_the_panels(methods):
    figure = sizes(methods, "wing_pattern of the bird: score of the mean map by members " * 2)
    title = figure.texts[0].get_window_extent()
    panels = [axes.title.get_window_extent() for axes in figure.axes]
    assert title.x1 <= figure.bbox.x1
    assert title.y1 <= figure.bbox.y1
    assert title.y0 >= max(panel.y1 for panel in panels)
