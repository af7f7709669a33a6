"""Learning curves show every member's numbers."""

import numpy as np

from jaxens import viz


def test_a_panel_has_the_curves_of_members_ensemble_baseline_and_chance():
    loss = np.array([[3.0, 4.0], [1.0, 2.0]])
    accuracy = np.array([[0.1, 0.2], [0.5, 0.6]])
    figure = viz.learning_curves(
        [1, 2],
        {"loss": loss, "<$>: accuracy": accuracy},
        ensemble={"<$>: accuracy": np.array([0.3, 0.9])},
        baseline={"loss": np.array([5.0, 6.0])},
        chance={"<$>: accuracy": 0.25},
    )
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["loss", "<$>: accuracy"]
    curves = [line.get_ydata() for line in panels["loss"].lines]
    np.testing.assert_array_equal(curves, [loss[:, 0], loss[:, 1], [5.0, 6.0]])
    curves = [line.get_ydata() for line in panels["<$>: accuracy"].lines]
    np.testing.assert_array_equal(curves[:3], [accuracy[:, 0], accuracy[:, 1], [0.3, 0.9]])
    assert set(curves[3]) == {0.25}
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["each member", "trained on all data", "ensemble", "chance"]


def test_many_panels_are_rows_of_four():
    curve = np.zeros((1, 2))
    figure = viz.learning_curves([1], {f"task {k}": curve for k in range(5)})
    assert [axes.get_title() for axes in figure.axes if axes.axison] == [
        f"task {k}" for k in range(5)
    ]
    assert len(figure.axes) == 8
