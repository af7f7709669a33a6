"""The forward pass and the input gradient of a plain convolution, as products or convolutions.

The faster of two forms, by the size of the windows. Measured on two cores of 1 MiB L2 each
(XLA:CPU of JAX 0.10.2, float32, 16 images; a large matrix product runs at 400 GFLOP/s):

| forward, GFLOP/s       | XLA's convolution | product of windows | images side by side |
| ---------------------- | ----------------: | -----------------: | ------------------: |
| 3x3,  64 ->  64, 32x32 |               184 |                100 |                 318 |
| 3x3,  64 ->  64, 16x16 |               192 |                150 |                 288 |
| 3x3,  64 ->  64, 8x8   |               184 |                241 |                 207 |
| 3x3, 128 -> 128, 16x16 |               370 |                155 |                     |
| 3x3, 256 -> 256, 4x4   |               287 |                336 |                     |
| 3x3, 512 -> 512, 2x2   |                 3 |                239 |                     |

- The product wins while its windows stay in the caches, or serve many output channels.
- Windows of the input images may be larger: XLA moves them out of a loop over members that
  share the images, and computes them once (7x7, 3 -> 64, 64 px: 1.2 instead of 1.9 ms).
- Inside a loop, XLA:CPU runs convolutions 100 times slower unless channels are last. All
  convolutions here have channels last.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxens.ops.cpu import side_by_side, windows
from jaxens.ops.geometry import Geometry

STRIDED_PARTS = 12  # a strided convolution's input gradient may use windows 12 times as large


def is_empty(geometry: Geometry, images: Any, kernel: Any) -> bool:
    """Returns whether an operand or the result has no elements."""
    return min(*images.shape, *kernel.shape, *windows.out_size(geometry, images, kernel.shape)) <= 0


def forward(geometry: Geometry, images: Array, kernel: Array) -> Array:
    """Returns the convolution of images with a kernel."""
    if windows.fit(geometry, images, kernel.shape):
        return jnp.matmul(
            windows.to_rows(geometry, images, kernel.shape),
            kernel.reshape(-1, kernel.shape[-1]),
            precision=geometry.precision,
        ).reshape(*windows.out_size(geometry, images, kernel.shape), kernel.shape[-1])
    return side_by_side.conv(geometry, images, kernel)


def input_gradient(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    """Returns the gradient with respect to images of `shape`, in the cotangent's type."""
    images = jax.ShapeDtypeStruct(shape, cotangent.dtype)
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
