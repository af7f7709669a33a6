"""Names from files are drawn in figures as they are, also with markup or control characters."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from jaxens import viz
from tests.viz.helpers import pixels

IMAGES = np.zeros((1, 4, 4, 3), np.uint8)
MAPS = np.ones((2, 1, 4, 4))
CURVES = np.full((1, 1, 2), 0.5)


def annotated(name):
    points = {name: np.full((1, 2), 0.5)}
    return viz.annotated_images(IMAGES, points=points, captions=[name], title=name)


FIGURES = {
    "show": lambda name: viz.show(IMAGES[0], MAPS[0, 0], title=name),
    "show_maps": lambda name: viz.show_maps(IMAGES, {name: MAPS[0]}, title=name, row_titles=[name]),
    "show_members": lambda name: viz.show_members(IMAGES, MAPS, title=name, captions=[name]),
    "show_centers": lambda name: viz.show_centers(
        IMAGES, np.full((2, 1, 2), 0.5), np.full((1, 2), 0.5), title=name, captions=[name]
    ),
    "show_comparison": lambda name: viz.show_comparison(IMAGES, MAPS, title=name, captions=[name]),
    "annotated_images": annotated,
    "show_labeled_arrows": lambda name: viz.show_labeled_arrows(
        IMAGES[0], [viz.Arrow((0.5, 0.5), name)], title=name
    ),
    "learning_curves": lambda name: viz.learning_curves([1, 2], {name: np.ones((2, 3))}),
    "size_curves": lambda name: viz.size_curves(
        CURVES, CURVES, CURVES, CURVES[..., 0], metrics=[name], methods=[name], title=name,
        chance={name: CURVES[0, 0, :1]},
    ),
    "threshold_curves": lambda name: viz.threshold_curves(
        [0.3, 0.6], CURVES, CURVES, metrics=[name], methods=[name], title=name,
        chance={name: CURVES[0]},
    ),
}  # fmt: skip


def test_every_figure_is_tried():
    assert set(FIGURES) == set(viz.__all__) - {"save", "Arrow"}


@pytest.mark.parametrize("figure", FIGURES)
@given(name=st.text(st.characters(), max_size=20))
@example(name="$x_{$ \\frac $")
@example(name="_hidden")
@example(name="\udcff\x1b[2J\u202e")
@settings(max_examples=5, deadline=None, derandomize=True)
def test_a_name_is_drawn_as_it_is(figure, name, tmp_path_factory):
    drawn = FIGURES[figure](name)
    viz.save(drawn, tmp_path_factory.mktemp("figures") / "figure.svg")
    for text in drawn.findobj(Text):
        shown = text.get_text()
        assert not any(c < " " or "\ud800" <= c <= "\udfff" or c == "\u202e" for c in
                       shown.replace("\n", ""))  # fmt: skip
        if "$" in shown and "mathdefault" not in shown:  # that is of Matplotlib's own numbers
            assert not text.get_parse_math()


def test_a_part_whose_name_begins_with_an_underscore_is_in_the_legend():
    (legend,) = annotated("_hidden $x$").legends
    assert [text.get_text() for text in legend.get_texts()] == ["_hidden $x$"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_name_of_a_megabyte_is_cut_and_fits_the_figure(figure):
    drawn = FIGURES[figure]("w" * 1_000_000)
    assert pixels(drawn).size < 50_000_000
    assert max(len(text.get_text()) for text in drawn.findobj(Text)) < 1000


@pytest.mark.parametrize("images", [1, 7])
def test_the_names_of_many_parts_do_not_overlap_and_fit_the_page(images):
    points = {f"a part of a long name {p}": np.full((images, 2), 0.5) for p in range(30)}
    figure = viz.annotated_images(np.repeat(IMAGES, images, axis=0), points=points)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    for k, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:k])
    panels = [image.get_window_extent() for image in figure.axes[0].images]
    assert min(panel.y0 for panel in panels) > legend.get_window_extent().y1 - 5
