"""The windows of a plain convolution: how many there are, what lies in them, what they take."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxens.ops.geometry import Geometry

WINDOWS = 5 * 2**20  # bytes of windows at once, for up to `OUTPUTS` channels made of them
OUTPUTS = 128
WINDOWS_OF_PICTURES = 40 * 2**20  # the same, of at most `COLOURS` channels
COLOURS = 4
FEW_PIXELS = 4  # of a result, for which a direct convolution is no choice


def out_size(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> tuple[int, int, int]:
    """Images, and the result's height and width."""
    height, width = (
        (size + low + high - k) // stride + 1
        for size, k, stride, (low, high) in zip(
            images.shape[1:3], kernel[:2], geometry.strides, geometry.padding, strict=True
        )
    )
    return images.shape[0], height, width


def sides(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> list[tuple[int, int]]:
    """What is put around images, at top and bottom, left and right: every window lies inside."""
    _, *space = out_size(geometry, images, kernel)
    return [
        (low, max(0, (out - 1) * stride + k - size - low))
        for size, k, stride, (low, _), out in zip(
            images.shape[1:3], kernel[:2], geometry.strides, geometry.padding, space, strict=True
        )
    ]


def taps(
    geometry: Geometry, padded: Array, kernel: tuple[int, ...], space: Sequence[int], first: int
) -> list[Array]:
    """For each place in the window, what lies there; `space` follows the `first` axes."""
    (rows, columns), (down, across) = space, geometry.strides
    return [
        padded[
            (slice(None),) * first
            + (
                slice(i, i + (rows - 1) * down + 1, down),
                slice(j, j + (columns - 1) * across + 1, across),
            )
        ]
        for i, j in itertools.product(range(kernel[0]), range(kernel[1]))
    ]


def unrolled(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> Array:
    """Every window as a row, [image * h * w, window height * window width * channel]."""
    n, *space = out_size(geometry, images, kernel)
    padded = jnp.pad(images, [(0, 0), *sides(geometry, images, kernel), (0, 0)])
    views = taps(geometry, padded, kernel, space, first=1)
    return jnp.concatenate(views, axis=-1).reshape(math.prod((n, *space)), -1)


def fit(geometry: Geometry, images: Any, kernel: tuple[int, ...], part: int = 1) -> bool:
    """Whether all windows of one of so many parts of the images are to be unrolled."""
    _, rows, columns = out_size(geometry, images, kernel)
    *window, channels, out = kernel
    if math.prod(window) == 1 or rows * columns <= FEW_PIXELS:  # the first are no copy
        return True
    room = WINDOWS_OF_PICTURES if channels <= COLOURS else WINDOWS * max(1, out / OUTPUTS)
    return size_in_bytes(geometry, images, kernel) <= part * room


def size_in_bytes(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> int:
    """Of all windows of all images."""
    each = math.prod(kernel[:3]) * images.dtype.itemsize
    return math.prod(out_size(geometry, images, kernel)) * each


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
