"""Names from files are drawn in figures as they are, also with markup or control characters."""

import textwrap
from xml.etree import ElementTree

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib import font_manager, ft2font, get_data_path, rcParams
from matplotlib.text import Text

from jaxens import viz
from jaxens.viz import fonts
from jaxens.viz.texts import drawable, wrapped
from tests.viz.helpers import all_texts, pixels

IMAGES = np.zeros((1, 4, 4, 3), np.uint8)
MAPS = np.ones((2, 1, 4, 4))
CURVES = np.full((1, 1, 2), 0.5)


def annotated(name):
    points = {name: np.full((1, 2), 0.5)}
    return viz.annotated_images(IMAGES, points=points, captions=[name], title=name)


FIGURES = {
    "show": lambda name: viz.show(IMAGES[0], MAPS[0, 0], title=name, signed=True),
    "show_maps": lambda name: viz.show_maps(
        IMAGES, {name: MAPS[0]}, signed=True, title=name, row_titles=[name]
    ),
    "show_members": lambda name: viz.show_members(
        IMAGES, MAPS, signed=True, title=name, captions=[name]
    ),
    "show_centers": lambda name: viz.show_centers(
        IMAGES, np.full((2, 1, 2), 0.5), np.full((1, 2), 0.5), title=name, captions=[name]
    ),
    "show_comparison": lambda name: viz.show_comparison(
        IMAGES, MAPS, signed=True, title=name, captions=[name]
    ),
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


@pytest.mark.slow
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


@pytest.fixture
def own_fonts(monkeypatch):
    """Only Matplotlib's own fonts, even if others are installed."""
    own = [font for font in font_manager.fontManager.ttflist if get_data_path() in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    fonts._others.cache_clear()
    fonts._warn.cache_clear()
    yield
    fonts._others.cache_clear()


@pytest.fixture
def bird_font(tmp_path, own_fonts):
    """A font with one letter, a filled square, in addition to Matplotlib's fonts."""
    pen = TTGlyphPen(None)
    for k, place in enumerate(((0, 0), (0, 1000), (1000, 1000), (1000, 0))):
        (pen.lineTo if k else pen.moveTo)(place)
    pen.closePath()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "bird"])
    font.setupCharacterMap({ord("鸟"): "bird"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "bird": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (1000, 0), "bird": (1000, 0)})
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": "One Bird", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / "bird.ttf")
    font_manager.fontManager.addfont(tmp_path / "bird.ttf")
    return "One Bird"


def test_letters_that_the_usual_font_lacks_are_drawn_by_an_installed_one(bird_font):
    assert fonts.families("plain") == rcParams["font.family"]
    assert fonts.families("a 鸟") == [*rcParams["font.family"], bird_font]
    assert drawable("a 鸟") == "a 鸟"
    black = [
        (pixels(viz.show_labeled_arrows(IMAGES[0] + 255, [viz.Arrow((0.5, 0.5), name)])) < 99).sum()
        for name in ("鸟", "鸟鸟")
    ]
    assert black[1] > black[0]  # a font's box for missing letters is hollow


@pytest.mark.usefixtures("own_fonts")
def test_letters_that_no_installed_font_has_are_shown_as_escapes(caplog):
    assert drawable("a 鸟\nab") == "a \\u9e1f\nab"
    assert drawable("🐦") == r"\U0001f426"
    assert len(caplog.messages) == 1
    assert "install a font" in caplog.text


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


def test_a_line_is_never_broken_within_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxens.viz.texts.undrawable", lambda text: frozenset("鳥"))
    lines = ["a long word", r"\u9ce5\u9ce5", r"\u9ce5\u9ce5", r"\u9ce5 end"]
    assert wrapped("a long word 鳥鳥鳥鳥鳥 end", 13) == lines
    assert wrapped("abcdefgh ij", 5) == ["abcde", "fgh", "ij"]
    assert wrapped("", 5) == []
    plain = "the quick brown fox jumps over the lazy dog " * 3
    assert wrapped(plain, 18) == textwrap.wrap(plain, 18)


def test_an_arrow_without_a_label_says_so() -> None:
    figure = viz.show_labeled_arrows(np.zeros((8, 8, 3), np.uint8), [viz.Arrow((0.5, 0.5), "")])
    assert "(no label)" in all_texts(figure)


def ink_of(figure, label):
    """The columns of the pixels of a label that are dark, in runs: left and right of each."""
    (text,) = (each for each in figure.findobj(Text) if each.get_text() == label)
    drawn, box = pixels(figure)[::-1], text.get_window_extent()
    rows, columns = (slice(round(a), round(b)) for a, b in (box.intervaly, box.intervalx))
    dark = (drawn[rows, columns] < 128).all(axis=-1).any(axis=0).astype(int)
    edges = np.flatnonzero(np.diff(dark, prepend=0, append=0))
    return edges.reshape(-1, 2)


@pytest.mark.usefixtures("own_fonts")
@pytest.mark.parametrize("name", ["וש", "וש bill"])
def test_hebrew_is_written_from_right_to_left(name):
    """Matplotlib draws Hebrew from right to left since version 3.11, and from left to right before.

    The first letter is narrow and the second one is wide, so the picture shows the order.
    """
    figure = viz.show_labeled_arrows(IMAGES[0] + 255, [viz.Arrow((0.9, 0.5), name)])
    one, other = ink_of(figure, name)[:2]
    knows_order = hasattr(ft2font, "__libraqm_version__")
    assert (np.diff(one) > np.diff(other)).all() == knows_order


@pytest.mark.usefixtures("own_fonts")
@pytest.mark.parametrize(
    "name",
    ["'a' \"b\"", "<b>&amp;</b>", "--><script>", "[red]a[/red]", "אבג", "سلام", "鳥", "🐦"],
)  # fmt: skip
def test_a_label_of_any_signs_is_seen_and_is_no_markup_in_png_and_svg(name, tmp_path):
    figure = viz.show_labeled_arrows(IMAGES[0] + 255, [viz.Arrow((0.9, 0.5), name)])
    assert np.ptp(ink_of(figure, drawable(name))) > 10
    root = ElementTree.parse(viz.save(figure, tmp_path / "label.svg")).getroot()
    plain = viz.show_labeled_arrows(IMAGES[0] + 255, [viz.Arrow((0.9, 0.5), "bill")])
    other = ElementTree.parse(viz.save(plain, tmp_path / "plain.svg")).getroot()
    assert {element.tag for element in root.iter()} == {element.tag for element in other.iter()}
    (label,) = (group for group in root.iter() if group.get("id", "").startswith("text_"))
    assert [each for each in label.iter() if each.tag.endswith("use")]  # an outline of a letter
