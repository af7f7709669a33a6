"""Windows of images as rows of a matrix (im2col), and back: a convolution becomes a product.

1.2 to 80 times as fast as XLA:CPU's convolution on maps of 8x8 pixels and smaller (see the table
in `jaxens.ops.cpu.conv`).
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jaxens.ops.geometry import Geometry

# The most bytes of all windows: `ROOM` for up to `OUTPUTS` output channels, and in proportion for
# more channels. Windows of images, which have at most `IMAGE_CHANNELS` channels, have more room.
ROOM = 5 * 2**20
OUTPUTS = 128
IMAGE_ROOM = 40 * 2**20
IMAGE_CHANNELS = 4
# Results of at most so many pixels always use windows: a direct convolution takes 10 times as long.
FEW_PIXELS = 4


def out_size(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> tuple[int, int, int]:
    """Returns the result's number of images, height and width."""
    height, width = (
        (size + low + high - k) // stride + 1
        for size, k, stride, (low, high) in zip(
            images.shape[1:3], kernel[:2], geometry.strides, geometry.padding, strict=True
        )
    )
    return images.shape[0], height, width


def pad_widths(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> list[tuple[int, int]]:
    """Returns the padding at top, bottom, left and right that puts all windows inside the image."""
    _, *space = out_size(geometry, images, kernel)
    return [
        (low, max(0, (out - 1) * stride + k - size - low))
        for size, k, stride, (low, _), out in zip(
            images.shape[1:3], kernel[:2], geometry.strides, geometry.padding, space, strict=True
        )
    ]


def window_views(
    geometry: Geometry,
    padded: Array,
    kernel: tuple[int, ...],
    space: Sequence[int],
    leading_axes: int,
) -> list[Array]:
    """For each place in the window, the pixels at that place of all windows."""
    (rows, columns), (down, across) = space, geometry.strides
    return [
        padded[
            (slice(None),) * leading_axes
            + (
                slice(i, i + (rows - 1) * down + 1, down),
                slice(j, j + (columns - 1) * across + 1, across),
            )
        ]
        for i, j in itertools.product(range(kernel[0]), range(kernel[1]))
    ]


def to_rows(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> Array:
    """Returns one row per window, [image * h * w, window height * window width * channel]."""
    n, *space = out_size(geometry, images, kernel)
    padded = jnp.pad(images, [(0, 0), *pad_widths(geometry, images, kernel), (0, 0)])
    views = window_views(geometry, padded, kernel, space, leading_axes=1)
    return jnp.concatenate(views, axis=-1).reshape(math.prod((n, *space)), -1)


def to_images(geometry: Geometry, shape: tuple[int, ...], values: Array) -> Array:
    """Returns the transpose of `to_rows`: adds values of windows to their pixels (col2im).

    `values` is [image, h, w, window height, window width, channel]. With strides, pixels of the
    same phase are summed first and the phases are interleaved last: XLA:CPU takes twice as long
    for windows with gaps between their pixels.
    """
    n, height, width, channels = shape
    _, h, w, *window, _ = values.shape
    (down, across), ((top, _), (left, _)) = geometry.strides, geometry.padding
    rows, columns = -(-(height + top) // down), -(-(width + left) // across)
    zeros = jnp.zeros((n, rows, columns, channels), values.dtype)

    def shifted(i: int, j: int) -> Array:
        below, right = i // down, j // across
        widths = [(0, 0), (below, rows - below - h), (right, columns - right - w), (0, 0)]
        return lax.pad(values[:, :, :, i, j], zeros[0, 0, 0, 0], [(*w, 0) for w in widths])

    def phase(i: int, j: int) -> Array:
        places = itertools.product(range(i, window[0], down), range(j, window[1], across))
        return functools.reduce(jnp.add, itertools.starmap(shifted, places), zeros)

    lines = [jnp.stack([phase(i, j) for j in range(across)], axis=3) for i in range(down)]
    padded = jnp.stack(lines, axis=2).reshape(n, rows * down, columns * across, channels)
    return padded[:, top : top + height, left : left + width]


def fit(geometry: Geometry, images: Any, kernel: tuple[int, ...], parts: int = 1) -> bool:
    """Returns whether the windows of one of `parts` equal parts of the images fit the caches."""
    _, rows, columns = out_size(geometry, images, kernel)
    *window, channels, out = kernel
    if math.prod(window) == 1 or rows * columns <= FEW_PIXELS:  # 1x1 windows need no copy
        return True
    room = IMAGE_ROOM if channels <= IMAGE_CHANNELS else ROOM * max(1, out / OUTPUTS)
    return size_in_bytes(geometry, images, kernel) <= parts * room


def size_in_bytes(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> int:
    """Returns the size of all windows of all images."""
    window_bytes = math.prod(kernel[:3]) * images.dtype.itemsize
    return math.prod(out_size(geometry, images, kernel)) * window_bytes


def sum_type(dtype: Any) -> Any:
    """Returns the type of sums of values of this type: float32 at least."""
    return jnp.float32 if dtype.itemsize < 4 else dtype


def divisors(n: int) -> list[int]:
    """All divisors of `n`, smallest first."""
    return [d for d in range(1, n + 1) if n % d == 0]
