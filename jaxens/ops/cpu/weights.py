"""The weight gradient of a plain convolution as a product of windows: 80 times XLA's in a loop.

In a loop over members, XLA:CPU runs its own weight gradient at 1 to 2 GFLOP/s. Outside of loops
the product is still twice as fast. Measured on two cores (XLA:CPU of JAX 0.10.2, float32, 16
images, 3x3; a large matrix product runs at 470 GFLOP/s):

| GFLOP/s           | XLA's, outside of a loop | product of windows |
| ----------------- | -----------------------: | -----------------: |
|  64 ->  64, 64x64 |                      103 |                197 |
|  64 ->  64, 32x32 |                      113 |                214 |
| 128 -> 128, 32x32 |                          |                277 |
| 256 -> 256, 16x16 |                          |                344 |

Copying pixels into windows takes the rest; many channels hide it.
"""

import itertools
import math

import jax.numpy as jnp
from jax import Array, lax

from jaxens.ops.cpu import windows, winograd
from jaxens.ops.geometry import Geometry

OUTPUTS = 256  # more output channels may use windows of proportionally more bytes


def weight_gradient(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> Array:
    """Returns the gradient with respect to a kernel of `shape`, [height, width, channel, out].

    Images are [image, height, width, channel] and the cotangent of the result is
    [image, h, w, out]. Sums are taken in float32 at least; the result has the cotangent's type.
    """
    if winograd.pays(geometry, images, shape):
        return winograd.weight_gradient(geometry, images, cotangent)
    *_, channels, out = shape
    count, rows = _part_size(geometry, images, shape)
    columns = cotangent.shape[2]
    # Pixels last, in windows too: XLA:CPU multiplies 1.5 times as fast without a transposition.
    widths = [(0, 0), *windows.pad_widths(geometry, images, shape), (0, 0)]
    padded = jnp.pad(images, widths).transpose(3, 0, 1, 2)
    height = (rows - 1) * geometry.strides[0] + shape[0]

    def part_gradient(image: int | Array, row: int | Array) -> Array:
        corner = (0, image, row * geometry.strides[0], 0)
        pixels = lax.dynamic_slice(padded, corner, (channels, count, height, padded.shape[3]))
        views = windows.window_views(geometry, pixels, shape, (rows, columns), leading_axes=2)
        part = lax.dynamic_slice(cotangent, (image, row, 0, 0), (count, rows, columns, out))
        return jnp.matmul(
            jnp.stack(views).reshape(-1, count * rows * columns),
            part.reshape(-1, out),
            precision=geometry.precision,
            preferred_element_type=windows.sum_type(cotangent.dtype),
        )

    first, *others = itertools.product(
        range(0, len(images), count), range(0, cotangent.shape[1], rows)
    )
    total = part_gradient(*first)
    if others:
        total, _ = lax.scan(
            lambda total, corner: (total + part_gradient(*corner), None),
            total,
            jnp.asarray(others),
        )
    return total.reshape(shape).astype(cotangent.dtype)


def _part_size(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> tuple[int, int]:
    """Returns the number of images, and of rows of their results, whose windows are copied at once.

    All windows of the input images if they fit: XLA can move those out of a loop over members.
    """
    n, rows, _ = windows.out_size(geometry, images, kernel)
    *_, channels, out = kernel
    size = windows.size_in_bytes(geometry, images, kernel)
    if channels <= windows.IMAGE_CHANNELS and size <= windows.IMAGE_ROOM:
        return n, rows
    room = windows.ROOM * max(1, out / OUTPUTS) * n * rows
    parts = [(n // p, rows) for p in windows.divisors(n)]
    parts += [(1, rows // p) for p in windows.divisors(rows)]
    return next((part for part in parts if size * math.prod(part) <= room), (1, 1))
