"""The color that a PNG says is transparent is white, at every depth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens.data.decoding import decode, decode_gray, open_photo
from tests.data.pngs import png

WIDTH, HEIGHT = 5, 3


@st.composite
def grays(draw: st.DrawFn) -> tuple[int, list[int], int]:
    depth = draw(st.sampled_from([1, 2, 4, 8, 16]))
    value = st.integers(0, 2**depth - 1)
    values = draw(st.lists(value, min_size=WIDTH * HEIGHT, max_size=WIDTH * HEIGHT))
    return depth, values, draw(st.sampled_from(values) | value)


@given(grays())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_gray_that_is_transparent_is_white_and_black_in_a_mask(
    drawn: tuple[int, list[int], int],
) -> None:
    depth, values, hidden = drawn
    content = png(depth, 0, values, (WIDTH, HEIGHT), [hidden])
    shown = np.array(values).reshape(HEIGHT, WIDTH)
    gray = np.round(shown * 255 / (2**depth - 1))
    pixels = np.asarray(decode(open_photo(content))[0])
    np.testing.assert_array_equal(pixels[..., 0], np.where(shown == hidden, 255, gray))
    if depth < 16:
        mask = decode_gray(content)
        np.testing.assert_array_equal(mask, np.where(shown == hidden, 0, gray))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_color_that_is_transparent_is_white(depth: int) -> None:
    unit = (2**depth - 1) // 255
    colors = np.array([[10, 20, 30], [10, 20, 31], [255, 255, 254], [0, 0, 0]])
    for hidden in colors:
        content = png(depth, 2, (colors * unit).ravel().tolist(), (4, 1), hidden * unit)
        shown = np.where((colors == hidden).all(axis=1, keepdims=True), 255, colors)
        np.testing.assert_array_equal(np.asarray(decode(open_photo(content))[0])[0], shown)
