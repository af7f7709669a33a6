"""The convolutions of networks that people use: each part by jaxens, next to XLA."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxens import ops
from jaxens.benchmarks.options import Convolutions
from jaxens.benchmarks.results import JAXENS, Results, Row, times_as_fast
from jaxens.benchmarks.rounds import in_turn
from jaxens.errors import UserError

PARTS = ("forward", "input gradient", "weight gradient")


class Layer(NamedTuple):
    """A convolution of square images [image, size, size, channels] with square windows.

    The padding is that of PyTorch's models: half a window, and none if windows don't overlap.
    """

    network: str
    size: int
    channels: int
    outputs: int
    window: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1  # of the window
    spread: int = 1  # dilation of the images; a transposed convolution has 2 or more

    def describe(self) -> str:
        """Names the network, the window, the channels, the size, and strides and groups if any."""
        extras = {
            f"stride {self.stride}": self.stride,
            "depthwise" if self.groups == self.channels else f"{self.groups} groups": self.groups,
            f"dilation {self.dilation}": self.dilation,
            "transposed": self.spread,
        }
        words = [
            f"{self.network}: {self.window}x{self.window}",
            f"{self.channels} to {self.outputs}",
            f"{self.size} px",
        ]
        return ", ".join(words + [word for word, value in extras.items() if value > 1])

    def apply(self, conv: Callable[..., Array], images: Array, kernel: Array) -> Array:
        """Returns `conv` of the images and the kernel.

        Args:
            conv: Takes the arguments of `lax.conv_general_dilated`.
        """
        width = self.dilation * (self.window - 1) + 1
        padding = 0 if self.stride == self.window else width // 2
        return conv(
            images,
            kernel,
            (self.stride, self.stride),
            [(padding, padding)] * 2,
            lhs_dilation=(self.spread, self.spread),
            rhs_dilation=(self.dilation, self.dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )


LAYERS = (
    Layer("ResNet", 224, 3, 64, 7, stride=2),
    Layer("ResNet", 56, 64, 64, 3),
    Layer("ResNet", 56, 64, 128, 3, stride=2),
    Layer("ResNet", 28, 128, 128, 3),
    Layer("ResNet", 14, 256, 256, 3),
    Layer("ResNet", 7, 512, 512, 3),
    Layer("ResNet of 64 px", 2, 512, 512, 3),
    Layer("ResNet-50", 56, 256, 64, 1),
    Layer("ResNet-50", 56, 256, 512, 1, stride=2),
    Layer("ResNet-50", 7, 2048, 512, 1),
    Layer("VGG", 224, 64, 64, 3),
    Layer("VGG", 112, 128, 128, 3),
    Layer("VGG", 28, 512, 512, 3),
    Layer("U-Net", 512, 16, 16, 3),
    Layer("small network", 32, 32, 32, 3),
    Layer("EfficientNet", 112, 32, 32, 3, groups=32),
    Layer("EfficientNet", 56, 144, 144, 5, stride=2, groups=144),
    Layer("ConvNeXt", 28, 192, 192, 7, groups=192),
    Layer("ResNeXt", 28, 256, 256, 3, groups=32),
    Layer("DeepLab", 28, 256, 256, 3, dilation=2),
    Layer("generator", 14, 128, 64, 4, spread=2),
    Layer("ViT", 224, 3, 384, 16, stride=16),
)


def convolutions(options: Convolutions) -> list[Results]:
    """Times the forward pass and both gradients of each layer.

    Raises:
        UserError: No layer has `options.only` in its name.
    """
    layers = [layer for layer in LAYERS if options.only.lower() in layer.describe().lower()]
    if not layers:
        names = sorted({layer.network for layer in LAYERS})
        raise UserError(f"`only` {options.only!r}: no layer is named so: {', '.join(names)}")
    dtype = jnp.dtype("float32" if options.dtype == "auto" else options.dtype)
    return [
        Results(
            f"Convolutions of {count} {'image' if count == 1 else 'images'}, {dtype.name}",
            "images",
            "how many times as fast as XLA's convolution",
            [row for layer in layers for row in _rows(layer, count, dtype, options.rounds)],
        )
        for count in options.images
    ]


def _rows(layer: Layer, count: int, dtype: jnp.dtype, rounds: int) -> Iterator[Row]:
    for part in PARTS:
        sides = {
            JAXENS: _side(layer, part, ops.conv_general_dilated, count, dtype),
            "XLA": _side(layer, part, lax.conv_general_dilated, count, dtype),
        }
        timed = in_turn(sides, rounds)
        ratio = times_as_fast(timed, JAXENS)
        yield Row(layer.describe(), part, timed[JAXENS], dtype=dtype.name, ratio=ratio)


def _side(
    layer: Layer, part: str, conv: Callable[..., Array], count: int, dtype: jnp.dtype
) -> Callable[[], Array]:
    """Returns a function that computes one part of a layer, for random images and kernels."""
    keys = jax.random.split(jax.random.key(0), 3)
    images = jax.random.normal(keys[0], (count, layer.size, layer.size, layer.channels), dtype)
    shape = (layer.window, layer.window, layer.channels // layer.groups, layer.outputs)
    kernel = jax.random.normal(keys[1], shape, dtype)
    result = jax.eval_shape(partial(layer.apply, lax.conv_general_dilated), images, kernel)
    cotangent = jax.random.normal(keys[2], result.shape, dtype)
    forward = partial(layer.apply, conv)
    if part == "forward":
        return partial(jax.jit(forward), images, kernel)
    of = PARTS.index(part) - 1

    @jax.jit
    def gradient(images: Array, kernel: Array, cotangent: Array) -> Array:
        return jax.vjp(forward, images, kernel)[1](cotangent)[of]

    return partial(gradient, images, kernel, cotangent)
