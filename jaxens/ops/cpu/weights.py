"""The weight gradient of a plain convolution on a CPU: a product, summed over parts of the images.

For each place in the window, what lies there is multiplied with the cotangent. Where the forward
pass has unrolled its windows they serve again; otherwise one of two forms takes some images after
others, measured on two cores (XLA:CPU of JAX 0.10.2, float32, 16 images, 3x3; the matrix
product's ceiling is 470 GFLOP/s) beside XLA's convolution ("direct"): the product of all nine
shifted views ("windows"), or that of three shifted along the rows with three cotangents shifted
along the columns ("shifts"):

| GFLOP/s                        | direct | windows | shifts |
| ------------------------------ | -----: | ------: | -----: |
|  64 ->  64, 64x64              |    103 |     197 |    245 |
|  64 ->  64, 32x32              |    113 |     214 |    237 |
|  64 -> 128, 32x32              |        |     286 |    318 |
| 128 -> 128, 32x32              |        |     277 |    348 |
| 256 -> 256, 16x16              |        |     344 |    345 |
|  32 ->  32, 16x16              |        |     106 |    165 |
|  16 ->  16, 64x64              |        |      81 |     66 |

| forward and weight gradient, GFLOP/s | with windows of its own | with those of the forward pass |
| ------------------------------------ | ----------------------: | -----------------------------: |
| 512 -> 512, 8x8                      |                     366 |                            400 |
| 512 -> 512, 4x4                      |                     374 |                            399 |
| 256 -> 256, 4x4                      |                     267 |                            317 |
| 128 -> 256, 8x8 by a stride of 2     |                     236 |                            295 |
|  32 ->  32, 8x8                      |                     128 |                             83 |

What is lost to the ceiling goes into copies. Shifts copy six views for nine, and multiply the
padding of each row as well, which small maps have much of; many channels hide the copies.
"""

import itertools
import math
from collections.abc import Callable, Iterable

import jax.numpy as jnp
from jax import Array, lax

from jaxens.ops.cpu import windows
from jaxens.ops.geometry import Geometry

OUTPUTS = 256  # channels, from whose number on windows may take more room
UNROLLED_CHANNELS = 128  # of results, from whose number on a product of transposed windows pays
SHIFTS = 7 * 2**20  # bytes of shifted views at once, where more than one image fits,
SHIFTS_OF_ONE = 12 * 2**20  # and those of a single image
SHIFTED_COLUMNS = 8  # from which on the padding is not too much of a row
SHIFTED_CHANNELS = range(32, 257)  # of images and results


def weight_gradient(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> Array:
    """What a kernel of `shape`, [height, width, channel, out], has to gain.

    Of images [image, height, width, channel] and the cotangent of the result, [image, h, w, out],
    in whose type it is; sums are taken in float32 at least.
    """
    if _forward_has_windows(geometry, shape, images):
        total = _product(
            geometry,
            windows.unrolled(geometry, images, shape).T,
            cotangent.reshape(-1, cotangent.shape[-1]),
        )
    elif at_once := _images_to_shift(geometry, shape, images, cotangent):
        total = _of_shifts(geometry, shape, images, cotangent, at_once)
    else:
        total = _of_windows(geometry, shape, images, cotangent)
    return total.reshape(shape).astype(cotangent.dtype)


def _of_windows(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> Array:
    *_, channels, out = shape
    at_once, rows = _part(geometry, images, shape)
    columns = cotangent.shape[2]
    # Pixels last, in windows too: XLA:CPU multiplies what it need not transpose half as fast again.
    around = [(0, 0), *windows.sides(geometry, images, shape), (0, 0)]
    padded = jnp.pad(images, around).transpose(3, 0, 1, 2)
    height = (rows - 1) * geometry.strides[0] + shape[0]

    def of_part(image: int | Array, row: int | Array) -> Array:
        corner = (0, image, row * geometry.strides[0], 0)
        some = lax.dynamic_slice(padded, corner, (channels, at_once, height, padded.shape[3]))
        views = jnp.stack(windows.taps(geometry, some, shape, (rows, columns), first=2))
        towards = lax.dynamic_slice(cotangent, (image, row, 0, 0), (at_once, rows, columns, out))
        return _product(
            geometry,
            views.reshape(-1, at_once * rows * columns),
            towards.reshape(-1, out),
        )

    corners = itertools.product(range(0, len(images), at_once), range(0, cotangent.shape[1], rows))
    return _sum(of_part, corners)


def _of_shifts(
    geometry: Geometry,
    shape: tuple[int, ...],
    images: Array,
    cotangent: Array,
    at_once: int,
) -> Array:
    """Of a convolution without strides: a pixel to the right of the window's corner is one for a
    cotangent to the left of it."""
    height, width, channels, out = shape
    rows = cotangent.shape[1]
    around = windows.sides(geometry, images, shape)

    def of_part(image: int | Array) -> Array:
        some = lax.dynamic_slice_in_dim(images, image, at_once)
        # Padded behind the transposition: both are then one pass, in the caches.
        padded = jnp.pad(some.transpose(3, 0, 1, 2), [(0, 0), (0, 0), *around])
        down = jnp.stack([padded[:, :, i : i + rows] for i in range(height)])
        towards = lax.dynamic_slice_in_dim(cotangent, image, at_once)
        across = [
            jnp.pad(towards, [(0, 0), (0, 0), (j, width - 1 - j), (0, 0)]) for j in range(width)
        ]
        return _product(
            geometry,
            down.reshape(height * channels, -1),
            jnp.concatenate(across, axis=-1).reshape(-1, width * out),
        )

    total = _sum(of_part, zip(range(0, len(images), at_once)))
    return total.reshape(height, channels, width, out).swapaxes(1, 2)


def _product(geometry: Geometry, views: Array, towards: Array) -> Array:
    return jnp.matmul(
        views,
        towards,
        precision=geometry.precision,
        preferred_element_type=jnp.promote_types(jnp.float32, towards.dtype),
    )


def _sum(of_part: Callable[..., Array], parts: Iterable[tuple[int, ...]]) -> Array:
    """Over all parts, one after another."""
    first, *others = parts
    total = of_part(*first)
    if others:
        total, _ = lax.scan(
            lambda total, part: (total + of_part(*part), None), total, jnp.asarray(others)
        )
    return total


def _forward_has_windows(geometry: Geometry, shape: tuple[int, ...], images: Array) -> bool:
    """Whether windows that the forward pass has unrolled can serve again.

    They are written here as there: XLA finds that the two are one.
    """
    *window, channels, out = shape
    return (
        math.prod(window) > 1
        and channels > windows.COLOURS
        and out >= UNROLLED_CHANNELS
        and windows.fit(geometry, images, shape)
    )


def _images_to_shift(
    geometry: Geometry, shape: tuple[int, ...], images: Array, cotangent: Array
) -> int:
    """How many images' views are shifted at once; 0 where windows are the better choice."""
    height, width, channels, out = shape
    n, rows, columns, _ = cotangent.shape
    if (
        geometry.strides != (1, 1)
        or height * width == 1
        or columns < SHIFTED_COLUMNS
        or channels not in SHIFTED_CHANNELS
        or out not in SHIFTED_CHANNELS
    ):
        return 0
    views = height * channels + width * out
    each = views * rows * (columns + width - 1) * images.dtype.itemsize
    fitting = [d for d in windows.divisors(n) if d * each <= SHIFTS]
    return max(fitting, default=int(each <= SHIFTS_OF_ONE))


def _part(geometry: Geometry, images: Array, kernel: tuple[int, ...]) -> tuple[int, int]:
    """The images, and the rows of their results, of which windows are taken at once.

    All of the pictures' own where they fit, which may then be taken out of a loop over members.
    """
    n, rows, _ = windows.out_size(geometry, images, kernel)
    *_, channels, out = kernel
    size = windows.size_in_bytes(geometry, images, kernel)
    if channels <= windows.COLOURS and size <= windows.WINDOWS_OF_PICTURES:
        return n, rows
    room = windows.WINDOWS * max(1, out / OUTPUTS) * n * rows
    parts = [(n // p, rows) for p in windows.divisors(n)]
    parts += [(1, rows // p) for p in windows.divisors(rows)]
    return next((part for part in parts if size * math.prod(part) <= room), (1, 1))
