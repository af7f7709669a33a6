"""The forward pass and the input gradient of a plain convolution on a CPU, in the fastest form.

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

- Windows cost memory: while they stay in the caches, or serve many channels, the product wins.
- Windows of the pictures themselves are larger than those, but often all members' own: taken
  out of a loop over members, they are made once (7x7, 3 -> 64, 64 px: 1.2 ms for 1.9).
- XLA splits a direct convolution over cores only if its rows are long or its kernel is large
  (`SPLIT`): folding makes rows long.
- Every convolution here has channels last, in each part. XLA:CPU brings others into that form
  only outside of loops, and runs them a hundred times slower inside.

The weight gradient has forms of its own: see `jaxens.ops.cpu.weights`.
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxens.ops.cpu import windows
from jaxens.ops.geometry import Geometry

SPLIT = 2**19  # bytes of a kernel that XLA divides between cores by itself
ROW = 256  # pixels of a row that it does


def has_work(geometry: Geometry, images: Any, kernel: Any) -> bool:
    """Whether there are images, channels, and places for the window."""
    return min(*images.shape, *kernel.shape, *windows.out_size(geometry, images, kernel.shape)) > 0


def forward(geometry: Geometry, images: Array, kernel: Array) -> Array:
    if windows.fit(geometry, images, kernel.shape):
        return jnp.matmul(
            windows.unrolled(geometry, images, kernel.shape),
            kernel.reshape(-1, kernel.shape[-1]),
            precision=geometry.precision,
        ).reshape(*windows.out_size(geometry, images, kernel.shape), kernel.shape[-1])
    return _direct(geometry, images, kernel)


def input_gradient(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    images = jax.ShapeDtypeStruct(shape, cotangent.dtype)
    # What lies apart makes a direct convolution slow (4x4 from 2x2: 4 GFLOP/s; so, 404).
    if windows.fit(geometry, images, kernel.shape, part=1 if max(geometry.strides) == 1 else 12):
        by_window = jnp.matmul(
            cotangent.reshape(-1, cotangent.shape[-1]),
            kernel.reshape(-1, kernel.shape[-1]).T,
            precision=geometry.precision,
            preferred_element_type=jnp.promote_types(jnp.float32, cotangent.dtype),
        )
        by_place = by_window.reshape(*cotangent.shape[:3], *kernel.shape[:3])
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


def _direct(geometry: Geometry, images: Array, kernel: Array) -> Array:
    """XLA's convolution, of several images side by side where that fills the cores."""
    width, window, stride = images.shape[2], kernel.shape[1], geometry.strides[1]
    low = geometry.padding[1][0]
    unusual = geometry.lhs_dilation != (1, 1) or min(geometry.padding[1]) < 0
    if unusual or kernel.size * kernel.dtype.itemsize >= SPLIT or len(images) == 1:
        return geometry.dense(images, kernel)
    columns = windows.out_size(geometry, images, kernel.shape)[2]
    # A multiple of the stride, so that each image's windows begin where the image does.
    room = -(-max(width + low, (columns - 1) * stride + window) // stride) * stride
    if room >= ROW:
        return geometry.dense(images, kernel)
    side = min(n for n in windows.divisors(len(images)) if n * room >= ROW or n == len(images))
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


def _put_back(geometry: Geometry, shape: tuple[int, ...], by_place: Array) -> Array:
    """What lies in windows [image, h, w, window height, window width, channel], added where it
    came from: the transpose of `windows.unrolled`.

    Pixels that are a stride apart are summed as a picture of their own, and interleaved in the
    end: XLA:CPU takes twice as long for windows with gaps between their pixels.
    """
    n, height, width, channels = shape
    _, h, w, *window, _ = by_place.shape
    (down, across), ((top, _), (left, _)) = geometry.strides, geometry.padding
    rows, columns = -(-(height + top) // down), -(-(width + left) // across)
    nothing = jnp.zeros((n, rows, columns, channels), by_place.dtype)

    def moved(i: int, j: int) -> Array:
        below, right = i // down, j // across
        around = [(0, 0), (below, rows - below - h), (right, columns - right - w), (0, 0)]
        return lax.pad(by_place[:, :, :, i, j], nothing[0, 0, 0, 0], [(*s, 0) for s in around])

    def phase(i: int, j: int) -> Array:
        places = itertools.product(range(i, window[0], down), range(j, window[1], across))
        return functools.reduce(jnp.add, itertools.starmap(moved, places), nothing)

    lines = [jnp.stack([phase(i, j) for j in range(across)], axis=3) for i in range(down)]
    whole = jnp.stack(lines, axis=2).reshape(n, rows * down, columns * across, channels)
    return whole[:, top : top + height, left : left + width]
