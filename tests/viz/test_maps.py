"""One map or a grid of maps: where color is, how strong it is, and what is labeled."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import viz
from tests.viz.helpers import panel_pixels, panels, texts

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
GRAY = np.full((6, 9, 3), 100, np.uint8)


def one_map(*values):
    map = np.zeros((6, 9))
    map.flat[: len(values)] = values
    return map


def chroma(panel):
    return np.ptp(panel.astype(int), axis=-1)


def test_an_overlay_is_colored_where_the_map_is_not_zero_and_gray_elsewhere():
    map = np.random.default_rng(1).normal(size=(6, 9)) * (np.arange(9) < 4)
    (panel,) = panels(viz.show(IMAGE, map, percentile=100, signed=True))
    strong = np.abs(map) > 0.1 * np.abs(map).max()
    assert (chroma(panel)[strong] > 0).all()
    assert (chroma(panel)[map == 0] == 0).all()


def test_positive_values_are_warm_and_negative_ones_cold():
    (panel,) = panels(viz.show(GRAY, one_map(2.0, -2.0), signed=True))
    red, _, blue = np.moveaxis(panel.astype(int), -1, 0)
    assert red[0, 0] > blue[0, 0] + 100
    assert blue[0, 1] > red[0, 1] + 100


def test_an_unsigned_map_shows_nothing_of_negative_values():
    (panel,) = panels(viz.show(GRAY, one_map(-1.0, 0.5, 1.0), signed=False))
    assert chroma(panel)[0, 0] == 0
    assert 0 < chroma(panel)[0, 1] < chroma(panel)[0, 2]


def test_a_heatmap_does_not_depend_on_the_image():
    map = one_map(1.0, -1.0, 0.3)
    (a,), (b,) = (
        panels(viz.show(image, map, kind="heatmap", signed=True)) for image in (IMAGE, GRAY)
    )
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a[1:], 255)


@pytest.mark.parametrize(("kind", "background"), [("masked", 0), ("alpha", 255)])
def test_masked_and_alpha_keep_the_image_where_the_map_is_large(kind, background):
    map = one_map(1.0, -1.0, 0.5)
    (panel,) = panels(viz.show(IMAGE, map, kind=kind, signed=True))
    np.testing.assert_array_equal(panel[0, 0], IMAGE[0, 0])
    np.testing.assert_array_equal(panel[0, 1], background)
    np.testing.assert_array_equal(panel[1:], background)
    np.testing.assert_allclose(panel[0, 2], (IMAGE[0, 2].astype(float) + background) / 2, atol=1)


@pytest.mark.parametrize(
    ("map", "signed", "label"),
    [
        (one_map(), True, "zero"),
        (one_map(np.nan, 1.0), True, "not finite"),
        (one_map(np.inf), False, "not finite"),
        (np.full((6, 9), 3.0), True, "constant"),
        (np.full((6, 9), -3.0), False, "no positive value"),
        (one_map(-1.0, -2.0), False, "no positive value"),
        (one_map(-1.0, -2.0), True, ""),
        (one_map(1.0), False, ""),
    ],
)
@pytest.mark.parametrize("kind", ["overlay", "heatmap"])
def test_a_map_without_structure_is_labeled(map, signed, label, kind):
    assert texts(viz.show(IMAGE, map, signed=signed, kind=kind))[0] == label


def test_one_outlier_does_not_hide_the_rest():
    map = np.full((20, 20), 0.1)
    map[0, 0] = 100.0
    (panel,) = panels(viz.show(np.full((20, 20, 3), 100, np.uint8), map, signed=True))
    np.testing.assert_array_equal(panel[5, 5], panel[0, 0])


def test_the_color_bar_states_the_value_of_the_full_color():
    map = np.zeros((20, 20))
    map[3, 4] = 0.5  # the percentile is zero: the maximum counts
    assert texts(viz.show(np.zeros((20, 20, 3)), map, signed=True))[1:] == ["-0.5", "0.5"]
    assert texts(viz.show(np.zeros((20, 20, 3)), map, signed=False))[1:] == ["0", "0.5"]


def test_images_may_be_gray_or_floats_or_jax_arrays():
    map = one_map(1.0, -0.5)
    gray = IMAGE[..., :1]
    expected = panels(viz.show(np.repeat(gray, 3, axis=-1), map, signed=True))
    for image in (gray, gray / 255, jnp.asarray(gray), jnp.asarray(gray / 255, jnp.float32)):
        np.testing.assert_array_equal(
            panels(viz.show(image, jnp.asarray(map), signed=True)), expected
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": IMAGE / 100}, r"values from 0.* to 2.*floats in \[0, 1\]"),
        ({"image": IMAGE[..., 0]}, r"shape \(1, 6, 9\): give \[image, height, width, channel\]"),
        ({"map": np.zeros((3, 3))}, r"map of shape \(1, 3, 3\) do not fit"),
        ({"kind": "contour"}, "unknown kind 'contour'"),
        ({"percentile": 0}, "percentile is 0"),
    ],
)
def test_a_wrong_argument_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        viz.show(**{"image": IMAGE, "map": one_map(1.0), "signed": True, **changes})


@pytest.mark.parametrize("figure", ["show", "show_maps", "show_members", "show_comparison"])
def test_signed_can_not_be_forgotten(figure):
    signed = inspect.signature(getattr(viz, figure)).parameters["signed"]
    assert signed.kind is signed.KEYWORD_ONLY
    assert signed.default is signed.empty


def pair():
    """Two methods' maps of one image; both have the value 1 at pixel (0, 1)."""
    return {"a": one_map(1.0, 1.0)[None], "b": one_map(10.0, 1.0)[None]}


def test_with_a_shared_scale_equal_values_have_equal_colors():
    _, a, b = panels(viz.show_maps(GRAY[None], pair(), scale="shared", percentile=100, signed=True))
    np.testing.assert_array_equal(a[0, 1], b[0, 1])
    assert chroma(b)[0, 0] > chroma(b)[0, 1] + 100


def test_with_their_own_scales_the_largest_values_have_equal_colors():
    _, a, b = panels(viz.show_maps(GRAY[None], pair(), percentile=100, signed=True))
    np.testing.assert_array_equal(a[0, 0], b[0, 0])
    assert chroma(a)[0, 1] > chroma(b)[0, 1] + 100


def test_a_map_that_is_not_finite_does_not_change_the_shared_scale():
    maps = pair() | {"c": one_map(np.nan, 1000.0)[None]}
    without = panels(viz.show_maps(GRAY[None], pair(), scale="shared", signed=True))
    np.testing.assert_array_equal(
        panels(viz.show_maps(GRAY[None], maps, scale="shared", signed=True))[:3], without
    )


def test_each_column_may_have_its_own_sign():
    maps = {"signed": one_map(-1.0)[None], "unsigned": one_map(-1.0)[None]}
    signs = {"signed": True, "unsigned": False}
    figure = viz.show_maps(GRAY[None], maps, signed=signs)
    _, signed, unsigned = panels(figure)
    assert chroma(signed)[0, 0] > 100
    assert (chroma(unsigned) == 0).all()
    assert {"image", "signed", "unsigned"} <= set(texts(figure))
    with pytest.raises(ValueError, match="signed lacks unsigned"):
        viz.show_maps(GRAY[None], maps, signed={"signed": True})


def yellow(panel):
    return (panel[..., 0] > 150) & (panel[..., 1] > 150) & (panel[..., 2] < 100)


def ink(panel, row_scale, column_scale):
    """Returns the position of the yellow pixels, in pixels from the top left corner."""
    rows, columns = np.nonzero(yellow(panel))
    return (rows + 0.5) / row_scale, (columns + 0.5) / column_scale


@pytest.mark.parametrize("box", [(4, 10, 6, 15), (0, 7, 0, 20), (0, 16, 0, 24)])
def test_an_outline_lies_on_the_border_of_the_mask(box):
    top, bottom, left, right = box
    mask = np.zeros((1, 16, 24), bool)
    mask[:, top:bottom, left:right] = True
    images, maps = np.zeros((1, 16, 24, 3), np.uint8), {"map": np.zeros((1, 16, 24))}
    panel = panel_pixels(viz.show_maps(images, maps, masks=mask, signed=True), 0)
    rows, columns = ink(panel, len(panel) / 16, panel.shape[1] / 24)
    assert len(rows)
    inside = np.minimum.reduce([rows - top, bottom - rows, columns - left, right - columns])
    assert np.abs(inside).max() < 0.6  # of a pixel of the image
    assert rows.min() == pytest.approx(top, abs=0.4)
    assert columns.max() == pytest.approx(right, abs=0.4)


def test_a_key_point_is_crossed_where_it_is():
    images, maps = np.zeros((2, 16, 24, 3), np.uint8), {"map": np.zeros((2, 16, 24))}
    points = np.array([[0.25, 0.75], [np.nan, 0.5]])
    figure = viz.show_maps(images, maps, points=points, signed=True)
    panel = panel_pixels(figure, 0)
    rows, columns = ink(panel, len(panel), panel.shape[1])
    assert (columns.min() + columns.max()) / 2 == pytest.approx(0.25, abs=0.02)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(0.75, abs=0.02)
    assert not yellow(panel_pixels(figure, 1)).any()
    assert not yellow(panel_pixels(figure, 2)).any()
    assert yellow(
        panel_pixels(viz.show_maps(images, maps, points=points, mark_maps=True, signed=True), 1)
    ).any()


def test_images_keep_their_proportions():
    panel = panel_pixels(viz.show(IMAGE, one_map(1.0), signed=True), 0)
    assert len(panel) / panel.shape[1] == pytest.approx(6 / 9, abs=0.01)
