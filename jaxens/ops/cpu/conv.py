"""The forward pass and the input gradient of a plain convolution, as products or convolutions.

Each is computed in the faster form. Measured on two cores of 1 MiB L2 each (XLA:CPU of JAX
0.10.2, float32; a large matrix product runs at 490 GFLOP/s; the last column joins rows to 512
pixels):

| forward, GFLOP/s                   | images | XLA's convolution | product | side by side |
| ---------------------------------- | -----: | ----------------: | ------: | -----------: |
| 3x3,  64 ->  64, 112x112           |     16 |               382 |     165 |          377 |
| 3x3,  64 ->  64, 56x56             |     16 |               223 |     180 |          360 |
| 3x3,  32 ->  32, 32x32             |     16 |               219 |     127 |          327 |
| 3x3,  16 ->  16, 64x64             |     16 |               199 |      61 |          172 |
| 3x3,  64 ->  64, 8x8               |     16 |               225 |     263 |          215 |
| 3x3, 512 -> 512, 7x7               |      1 |               188 |     363 |              |
| 3x3, 512 -> 512, 2x2               |     16 |                 3 |     239 |              |
| 3x3,  64 -> 128, 56x56, stride 2   |      1 |               222 |     260 |              |
| 7x7,   3 ->  64, 224x224, stride 2 |      1 |               238 |     145 |              |
| 3x3,   3 ->  32, 64x64, stride 2   |     16 |                31 |     116 |           27 |

- 3x3 windows with many channels have a faster form (`jaxens.ops.cpu.winograd`). For all others:
- The product wins for small results and strided windows, while its windows stay in the caches.
- Windows of the input images may be larger: XLA moves them out of a loop over members that
  share the images, and computes them once.
- Inside a loop, XLA:CPU runs convolutions 100 times slower unless channels are last. All
  convolutions here have channels last.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxens.ops.cpu import side_by_side, windows, winograd
from jaxens.ops.geometry import Geometry

SMALL = 8 * 8  # pixels of a result
FEW_OUTPUTS = 32  # channels of the result of a layer on the input images
STRIDED_PARTS = 12  # a strided convolution's input gradient may use windows 12 times as large


def is_empty(geometry: Geometry, images: Any, kernel: Any) -> bool:
    """Returns whether an operand or the result has no elements."""
    return min(*images.shape, *kernel.shape, *windows.out_size(geometry, images, kernel.shape)) <= 0


def forward(geometry: Geometry, images: Array, kernel: Array) -> Array:
    """Returns the convolution of images with a kernel."""
    if winograd.pays(geometry, images, kernel.shape):
        return winograd.forward(geometry, images, kernel)
    if _multiplies(geometry, images, kernel.shape):
        return jnp.matmul(
            windows.to_rows(geometry, images, kernel.shape),
            kernel.reshape(-1, kernel.shape[-1]),
            precision=geometry.precision,
        ).reshape(*windows.out_size(geometry, images, kernel.shape), kernel.shape[-1])
    return side_by_side.conv(geometry, images, kernel)


def _multiplies(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> bool:
    """Returns whether to compute the forward pass as a product of windows (see the table)."""
    *window, channels, outputs = kernel
    _, *space = windows.out_size(geometry, images, kernel)
    if math.prod(window) == 1:
        pays = True  # nothing is copied
    elif channels <= windows.IMAGE_CHANNELS:
        pays = outputs <= FEW_OUTPUTS
    else:
        pays = math.prod(space) <= SMALL or max(geometry.strides) > 1
    return pays and windows.fit(geometry, images, kernel)


def input_gradient(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    """Returns the gradient with respect to images of `shape`, in the cotangent's type."""
    images = jax.ShapeDtypeStruct(shape, cotangent.dtype)
    if winograd.pays(geometry, images, kernel.shape):
        return winograd.input_gradient(geometry, shape, cotangent, kernel)
    # A dilated convolution runs at 4 GFLOP/s here (4x4 from 2x2); the matmul form at 404.
    parts = 1 if max(geometry.strides) == 1 else STRIDED_PARTS
    if windows.fit(geometry, images, kernel.shape, parts):
        values = jnp.matmul(
            cotangent.reshape(-1, cotangent.shape[-1]),
            kernel.reshape(-1, kernel.shape[-1]).T,
            precision=geometry.precision,
            preferred_element_type=windows.sum_type(cotangent.dtype),
        )
        values = values.reshape(*cotangent.shape[:3], *kernel.shape[:3])
        return windows.to_images(geometry, shape, values).astype(cotangent.dtype)
    padding = tuple(
        _transposed_padding(size, k, stride, low, out)
        for size, k, stride, (low, _), out in zip(
            shape[1:3],
            kernel.shape[:2],
            geometry.strides,
            geometry.padding,
            cotangent.shape[1:3],
            strict=True,
        )
    )
    transposed = geometry._replace(strides=(1, 1), padding=padding, lhs_dilation=geometry.strides)
    return side_by_side.conv(transposed, cotangent, kernel[::-1, ::-1].swapaxes(2, 3))


def _transposed_padding(size: int, window: int, stride: int, low: int, out: int) -> tuple[int, int]:
    """Returns the padding of a cotangent, dilated by `stride`, for a result of `size` pixels."""
    before = window - 1 - low
    return before, size + window - 1 - ((out - 1) * stride + 1) - before
