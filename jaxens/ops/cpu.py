"""The three parts of a plain convolution on a CPU, each in the form that is fastest there.

Measured on two cores of 1 MiB L2 each (XLA:CPU of JAX 0.10.2, float32, 16 images; the matrix
product's ceiling is 400 GFLOP/s). "Direct" is XLA's convolution, "matmul" the product of all
windows (im2col) with the kernel, "folded" the direct one with several images side by side.

| forward, GFLOP/s              | direct | matmul | folded |
| ----------------------------- | -----: | -----: | -----: |
| 3x3,  64 ->  64, 32x32        |    184 |    100 |    318 |
| 3x3,  64 ->  64, 16x16        |    192 |    150 |    288 |
| 3x3,  64 ->  64, 8x8          |    184 |    241 |    207 |
| 3x3, 128 -> 128, 16x16        |    370 |    155 |        |
| 3x3, 256 -> 256, 4x4          |    287 |    336 |        |
| 3x3, 512 -> 512, 2x2          |      3 |    239 |        |

| weight gradient, GFLOP/s       | direct | matmul of channels last | of pixels last |
| ------------------------------ | -----: | ----------------------: | -------------: |
| 3x3,  64 ->  64, 64x64         |    103 |                     100 |            161 |
| 3x3,  64 ->  64, 32x32         |    113 |                     122 |            173 |
| 3x3, 256 -> 256, 8x8           |    256 |                     232 |            267 |

- Windows cost memory: while they stay in the caches, or serve many channels, the product wins.
  A weight gradient, a sum over images and rows, is taken of as many as stay there.
- Windows of the pictures themselves are larger than those, but often all members' own: taken
  out of a loop over members, they are made once (7x7, 3 -> 64, 64 px: 1.2 ms for 1.9).
- XLA splits a direct convolution over cores only if its rows are long or its kernel is large
  (`SPLIT`): folding makes rows long.
- Every convolution here has channels last, in each part. XLA:CPU brings others into that form
  only outside of loops, and runs them a hundred times slower inside.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxens.ops.geometry import Geometry

WINDOWS = 5 * 2**20  # bytes of windows at once, for up to `OUTPUTS` channels made of them
OUTPUTS = 128  # (a weight gradient, whose sum is as large as its kernel: for twice as many)
WINDOWS_OF_PICTURES = 40 * 2**20  # the same, of at most `COLOURS` channels
COLOURS = 4
FEW_PIXELS = 4  # of a result, for which a direct convolution is no choice
SPLIT = 2**19  # bytes of a kernel that XLA divides between cores by itself
ROW = 256  # pixels of a row that it does


def has_work(geometry: Geometry, images: Array, kernel: Array) -> bool:
    """Whether there are images, channels, and places for the window."""
    return min(*images.shape, *kernel.shape, *_out(geometry, images, kernel.shape)) > 0


def forward(geometry: Geometry, images: Array, kernel: Array) -> Array:
    if _fit(geometry, images, kernel.shape):
        windows = _windows(geometry, images, kernel.shape)
        return jnp.matmul(
            windows, kernel.reshape(-1, kernel.shape[-1]), precision=geometry.precision
        ).reshape(*_out(geometry, images, kernel.shape), kernel.shape[-1])
    return _direct(geometry, images, kernel)


def input_gradient(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    images = jax.ShapeDtypeStruct(shape, cotangent.dtype)
    # What lies apart makes a direct convolution slow (4x4 from 2x2: 4 GFLOP/s; so, 404).
    if _fit(geometry, images, kernel.shape, part=1 if max(geometry.strides) == 1 else 12):
        windows = jnp.matmul(
            cotangent.reshape(-1, cotangent.shape[-1]),
            kernel.reshape(-1, kernel.shape[-1]).T,
            precision=geometry.precision,
            preferred_element_type=jnp.promote_types(jnp.float32, cotangent.dtype),
        )
        by_place = windows.reshape(*cotangent.shape[:3], *kernel.shape[:3])
        return _put_back(geometry, shape, by_place).astype(cotangent.dtype)
    padding = tuple(
        _padding_back(size, k, stride, low, out)
        for size, k, stride, (low, _), out in zip(
            shape[1:3],
            kernel.shape[:2],
            geometry.strides,
            geometry.padding,
            cotangent.shape[1:3],
            strict=True,
        )
    )
    back = geometry._replace(strides=(1, 1), padding=padding, lhs_dilation=geometry.strides)
    return _direct(back, cotangent, kernel[::-1, ::-1].swapaxes(2, 3))


def _padding_back(size: int, window: int, stride: int, low: int, out: int) -> tuple[int, int]:
    """What is put around a cotangent, whose pixels lie `stride` apart, to get `size` pixels."""
    before = window - 1 - low
    return before, size + window - 1 - ((out - 1) * stride + 1) - before


def weight_gradient(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> Array:
    *_, channels, out = shape
    at_once, rows = _part(geometry, images, shape)
    columns = cotangent.shape[2]
    # Pixels last, in windows too: XLA:CPU multiplies what it need not transpose half as fast again.
    padded = jnp.pad(images, _sides(geometry, images, shape)).transpose(3, 0, 1, 2)
    height = (rows - 1) * geometry.strides[0] + shape[0]

    def of_part(image: int | Array, row: int | Array) -> Array:
        corner = (0, image, row * geometry.strides[0], 0)
        some = lax.dynamic_slice(padded, corner, (channels, at_once, height, padded.shape[3]))
        windows = jnp.stack(_taps(geometry, some, shape, (rows, columns), first=2))
        towards = lax.dynamic_slice(cotangent, (image, row, 0, 0), (at_once, rows, columns, out))
        return jnp.matmul(
            windows.reshape(-1, at_once * rows * columns),
            towards.reshape(-1, out),
            precision=geometry.precision,
            preferred_element_type=jnp.promote_types(jnp.float32, cotangent.dtype),
        )

    total = of_part(0, 0)
    corners = itertools.product(range(0, len(images), at_once), range(0, cotangent.shape[1], rows))
    if others := list(corners)[1:]:
        total, _ = lax.scan(
            lambda total, corner: (total + of_part(*corner), None), total, jnp.asarray(others)
        )
    return total.reshape(shape).astype(cotangent.dtype)


def _direct(geometry: Geometry, images: Array, kernel: Array) -> Array:
    """XLA's convolution, of several images side by side where that fills the cores."""
    width, window, stride = images.shape[2], kernel.shape[1], geometry.strides[1]
    low = geometry.padding[1][0]
    unusual = geometry.lhs_dilation != (1, 1) or min(geometry.padding[1]) < 0
    if unusual or kernel.size * kernel.dtype.itemsize >= SPLIT or len(images) == 1:
        return geometry.dense(images, kernel)
    columns = _out(geometry, images, kernel.shape)[2]
    # A multiple of the stride, so that each image's windows begin where the image does.
    room = -(-max(width + low, (columns - 1) * stride + window) // stride) * stride
    if room >= ROW:
        return geometry.dense(images, kernel)
    side = min(n for n in _divisors(len(images)) if n * room >= ROW or n == len(images))
    padded = jnp.pad(images, [(0, 0), (0, 0), (low, room - width - low), (0, 0)])
    rows = _side_by_side(padded, side)
    across = (0, max(0, window - stride))
    out = geometry._replace(padding=(geometry.padding[0], across)).dense(rows, kernel)
    return _apart(out, side)[:, :, :columns]


def _side_by_side(images: Array, side: int) -> Array:
    """[image, height, width, channel] -> [image / side, height, side * width, channel]."""
    n, height, width, channels = images.shape
    groups = images.reshape(n // side, side, height, width, channels).swapaxes(1, 2)
    return groups.reshape(n // side, height, side * width, channels)


def _apart(rows: Array, side: int) -> Array:
    n, height, width, channels = rows.shape
    groups = rows.reshape(n, height, side, width // side, channels).swapaxes(1, 2)
    return groups.reshape(n * side, height, width // side, channels)


def _windows(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> Array:
    """Every window as a row, [image * h * w, window height * window width * channel]."""
    n, *space = _out(geometry, images, kernel)
    padded = jnp.pad(images, _sides(geometry, images, kernel))
    taps = _taps(geometry, padded, kernel, space, first=1)
    return jnp.concatenate(taps, axis=-1).reshape(math.prod((n, *space)), -1)


def _put_back(geometry: Geometry, shape: tuple[int, ...], windows: Array) -> Array:
    """What lies in windows [image, h, w, window height, window width, channel], added where it
    came from: the transpose of `_windows`.

    Pixels that are a stride apart are summed as a picture of their own, and interleaved in the
    end: XLA:CPU takes twice as long for windows with gaps between their pixels.
    """
    n, height, width, channels = shape
    _, h, w, *window, _ = windows.shape
    (down, across), ((top, _), (left, _)) = geometry.strides, geometry.padding
    rows, columns = -(-(height + top) // down), -(-(width + left) // across)
    nothing = jnp.zeros((n, rows, columns, channels), windows.dtype)

    def moved(i: int, j: int) -> Array:
        below, right = i // down, j // across
        sides = [(0, 0), (below, rows - below - h), (right, columns - right - w), (0, 0)]
        return lax.pad(windows[:, :, :, i, j], nothing[0, 0, 0, 0], [(*side, 0) for side in sides])

    def phase(i: int, j: int) -> Array:
        places = itertools.product(range(i, window[0], down), range(j, window[1], across))
        return functools.reduce(jnp.add, itertools.starmap(moved, places), nothing)

    lines = [jnp.stack([phase(i, j) for j in range(across)], axis=3) for i in range(down)]
    whole = jnp.stack(lines, axis=2).reshape(n, rows * down, columns * across, channels)
    return whole[:, top : top + height, left : left + width]


def _sides(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> list[tuple[int, int]]:
    """What is put around images, so that every window lies inside."""
    sides = []
    for size, k, stride, (low, _), out in zip(
        images.shape[1:3], kernel[:2], geometry.strides, geometry.padding,
        _out(geometry, images, kernel)[1:], strict=True,
    ):  # fmt: skip
        sides.append((low, max(0, (out - 1) * stride + k - size - low)))
    return [(0, 0), *sides, (0, 0)]


def _taps(
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


def _out(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> tuple[int, int, int]:
    """Images, and the result's height and width."""
    height, width = (
        (size + low + high - k) // stride + 1
        for size, k, stride, (low, high) in zip(
            images.shape[1:3], kernel[:2], geometry.strides, geometry.padding, strict=True
        )
    )
    return images.shape[0], height, width


def _bytes_of_windows(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> int:
    each = math.prod(kernel[:3]) * images.dtype.itemsize
    return math.prod(_out(geometry, images, kernel)) * each


def _fit(geometry: Geometry, images: Any, kernel: tuple[int, ...], part: int = 1) -> bool:
    """Whether the windows of one of so many parts of the images are to be taken."""
    _, rows, columns = _out(geometry, images, kernel)
    *window, channels, out = kernel
    if math.prod(window) == 1 or rows * columns <= FEW_PIXELS:  # the first are no copy
        return True
    room = WINDOWS_OF_PICTURES if channels <= COLOURS else WINDOWS * max(1, out / OUTPUTS)
    return _bytes_of_windows(geometry, images, kernel) <= part * room


def _part(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> tuple[int, int]:
    """The images, and the rows of their results, of which a weight gradient takes windows at once.

    All of the pictures' own where they fit, which may then be taken out of a loop over members.
    """
    n, rows, _ = _out(geometry, images, kernel)
    *_, channels, out = kernel
    all_windows = _bytes_of_windows(geometry, images, kernel)
    if channels <= COLOURS and all_windows <= WINDOWS_OF_PICTURES:
        return n, rows
    room = WINDOWS * max(1, out / (2 * OUTPUTS))
    parts = [(n // p, rows) for p in _divisors(n)] + [(1, rows // p) for p in _divisors(rows)]
    fitting = (part for part in parts if all_windows * math.prod(part) <= room * n * rows)
    return next(fitting, (1, 1))


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
