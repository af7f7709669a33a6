"""3x3 convolutions by Winograd's F(2x2, 3x3): 16 products in place of 36 for four pixels.

The result is cut into tiles of 2x2 pixels, each of which depends on 4x4 pixels of the images.
Pixels and weights are transformed, so that one product at each of 16 places gives the four results
(Lavin and Gray, 2016, https://arxiv.org/abs/1509.09308):

    tile = A' [(G kernel G') * (B' pixels B)] A        where ' transposes

For all tiles and channels, each place is a matrix product. The gradients are the transposes.
How many times as fast as XLA's convolution, outside of loops (`python -m jaxens.bench convolutions
--images 16`, two cores, JAX 0.10.2; XLA's weight gradient is far slower inside):

| 16 images                | forward | input gradient | weight gradient |
| ------------------------ | ------: | -------------: | --------------: |
|  64 ->  64, 224x224      |     1.2 |            1.0 |             2.7 |
|  64 ->  64,  56x56       |     1.5 |            1.3 |             1.2 |
| 128 -> 128, 112x112      |     1.5 |            1.5 |             6.3 |
| 128 -> 128,  28x28       |     1.6 |            1.5 |             1.7 |
| 256 -> 256,  14x14       |     1.8 |            1.9 |             1.7 |
| 512 -> 512,  28x28       |     1.9 |            2.1 |             2.6 |
| 512 -> 512,   7x7        |     1.6 |            1.9 |             1.4 |

Rounding is 1.6 times that of a direct convolution: 4e-7 of the largest value, for 256 channels in
float32. F(4x4, 3x3) has 36 products for sixteen pixels, but 6 to 30 times the rounding, and it is
not faster here: its larger transforms take what the products save.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jaxens.ops.cpu import windows
from jaxens.ops.geometry import Geometry

Grid = list[list[Array]]  # arrays by row and column

# The least multiply-adds of a place. Layers of ResNet-18 have 26 million for 8 images of 224 px,
# whose saliency then takes three quarters of the time. They have 17 million for 16 images of 128
# px, and 4 million for 16 of 64 px: in a training, the other forms are as fast there.
WORK = 24 * 2**20
CHANNELS = 64  # of images and result: with fewer, moving pixels takes what the products save
TILES = 64  # with fewer, transforming the weights does
ROOM = 64 * 2**20  # bytes of the transformed pixels that are in memory at once
_NOT_HIGHER = (None, (lax.Precision.DEFAULT, lax.Precision.DEFAULT))


def pays(geometry: Geometry, images: Any, kernel: tuple[int, ...]) -> bool:
    """Returns whether this form computes all three parts of a convolution, and faster."""
    n, *space = windows.out_size(geometry, images, kernel)
    tiles = n * math.prod(map(_tiles, space))
    return (
        kernel[:2] == (3, 3)
        and geometry.strides == (1, 1)
        and max(pad for pads in geometry.padding for pad in pads) <= 2
        and geometry.precision in _NOT_HIGHER
        and images.dtype.itemsize >= 4
        and min(kernel[2:]) >= CHANNELS
        and tiles >= TILES
        and tiles * math.prod(kernel[2:]) >= WORK
    )


def forward(geometry: Geometry, images: Array, kernel: Array) -> Array:
    """Returns the convolution of images with a kernel."""
    _, *space = windows.out_size(geometry, images, kernel.shape)
    return _convolve(images, _of_kernel(kernel), _lows(geometry), space)


def input_gradient(
    geometry: Geometry, shape: tuple[int, ...], cotangent: Array, kernel: Array
) -> Array:
    """Returns the gradient with respect to images of `shape`."""
    weights = [[place.T for place in row] for row in _of_kernel(kernel[::-1, ::-1])]
    return _convolve(cotangent, weights, [2 - low for low in _lows(geometry)], shape[1:3])


def weight_gradient(geometry: Geometry, images: Array, cotangent: Array) -> Array:
    """Returns the gradient with respect to the kernel, [3, 3, channel, out]."""
    space = cotangent.shape[1:3]
    count = _at_once(images, space)

    def products(first: int | Array) -> Grid:
        some_images, some = (lax.dynamic_slice_in_dim(x, first, count) for x in (images, cotangent))
        pixels = _of_pixels(some_images, _lows(geometry), space)
        return _each(lambda p, r: jnp.matmul(_rows(p).T, _rows(r)), pixels, _of_results(some))

    total = products(0)
    if others := range(count, len(images), count):
        total, _ = lax.scan(
            lambda total, first: (_each(jnp.add, total, products(first)), None),
            total,
            jnp.asarray(others),
        )
    return jnp.stack([jnp.stack(row) for row in _both_ways(_weights, total)])


def _convolve(images: Array, weights: Grid, lows: Sequence[int], space: Sequence[int]) -> Array:
    """Returns the convolution with transformed weights.

    Args:
        images: The images.
        weights: The transformed kernel, each place [channel, out].
        lows: The padding at the top and at the left.
        space: Height and width of the result.
    """
    count = _at_once(images, space)

    def of_some(images: Array) -> Array:
        pixels = _of_pixels(images, lows, space)
        products = _each(lambda p, w: jnp.matmul(_rows(p), w), pixels, weights)
        sizes = (len(images), *map(_tiles, space))
        tiles = _both_ways(
            _results, [[place.reshape(*sizes, -1) for place in row] for row in products]
        )
        lines = jnp.stack([jnp.stack(row, axis=3) for row in tiles], axis=2)
        whole = lines.reshape(len(images), 2 * sizes[1], 2 * sizes[2], -1)
        return whole[:, : space[0], : space[1]]

    if count == len(images):
        return of_some(images)
    parts = lax.map(of_some, images.reshape(-1, count, *images.shape[1:]))
    return parts.reshape(-1, *parts.shape[2:])


def _of_pixels(images: Array, lows: Sequence[int], space: Sequence[int]) -> Grid:
    """Returns the transformed pixels of all tiles, each place [image, row, column, channel]."""
    padding = [
        (low, 2 * _tiles(out) + 2 - size - low)
        for low, out, size in zip(lows, space, images.shape[1:3], strict=True)
    ]
    return _both_ways(_places_of_pixels, _views(jnp.pad(images, [(0, 0), *padding, (0, 0)]), 4))


def _of_results(cotangent: Array) -> Grid:
    """Returns the transformed gradient of all tiles, each place [image, row, column, out]."""
    padding = [(0, out % 2) for out in cotangent.shape[1:3]]
    return _both_ways(_places_of_results, _views(jnp.pad(cotangent, [(0, 0), *padding, (0, 0)]), 2))


def _of_kernel(kernel: Array) -> Grid:
    """Returns the transformed kernel, each place [channel, out]."""
    return _both_ways(_places_of_weights, [list(row) for row in kernel])


def _views(images: Array, size: int) -> Grid:
    """Returns each pixel of all tiles of `size` by `size`; a tile begins at every other pixel."""
    starts = range(size)
    ends = [images.shape[axis] - size + 1 for axis in (1, 2)]
    return [[images[:, i : i + ends[0] : 2, j : j + ends[1] : 2] for j in starts] for i in starts]


# The matrices of the formula and their transposes, applied to a list.
def _places_of_pixels(a: Array, b: Array, c: Array, d: Array) -> list[Array]:  # B'
    return [a - c, b + c, c - b, b - d]


def _places_of_weights(a: Array, b: Array, c: Array) -> list[Array]:  # G
    return [a, (a + b + c) / 2, (a - b + c) / 2, c]


def _results(a: Array, b: Array, c: Array, d: Array) -> list[Array]:  # A'
    return [a + b + c, b - c - d]


def _places_of_results(a: Array, b: Array) -> list[Array]:  # A
    return [a, a + b, a - b, -b]


def _weights(a: Array, b: Array, c: Array, d: Array) -> list[Array]:  # G'
    return [a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d]


def _both_ways(transform: Callable[..., list[Array]], grid: Grid) -> Grid:
    """Transforms the arrays of each column of the grid, then those of each row."""
    columns = [transform(*column) for column in zip(*grid, strict=True)]
    return [transform(*row) for row in zip(*columns, strict=True)]


def _each(function: Callable[[Array, Array], Array], first: Grid, second: Grid) -> Grid:
    return [list(map(function, *rows)) for rows in zip(first, second, strict=True)]


def _rows(array: Array) -> Array:
    """[image, row, column, channel] -> [tile, channel]."""
    return array.reshape(-1, array.shape[-1])


def _lows(geometry: Geometry) -> list[int]:
    return [low for low, _ in geometry.padding]


def _tiles(pixels: int) -> int:
    return -(-pixels // 2)


def _at_once(images: Array, space: Sequence[int]) -> int:
    """Returns the number of images that are transformed at once: the most that have room."""
    size = 16 * math.prod(map(_tiles, space)) * images.shape[-1] * images.dtype.itemsize
    return max(n for n in windows.divisors(len(images)) if n * size <= ROOM or n == 1)
