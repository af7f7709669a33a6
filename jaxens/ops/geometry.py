"""The static arguments of a convolution, and XLA's convolution with its two gradients."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

CHANNELS_LAST = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


class Geometry(NamedTuple):
    """Strides, padding, dilation and layout; hashable, so that batching rules can be cached."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    lhs_dilation: tuple[int, ...]
    rhs_dilation: tuple[int, ...]
    dimension_numbers: lax.ConvDimensionNumbers
    groups: int
    precision: Any

    @classmethod
    def of(
        cls,
        image_shape: Sequence[int],
        kernel_shape: Sequence[int],
        strides: Sequence[int],
        padding: str | Sequence[tuple[int, int]],
        lhs_dilation: Sequence[int] | None,
        rhs_dilation: Sequence[int] | None,
        dimension_numbers: Any,
        groups: int,
        precision: Any,
    ) -> "Geometry":
        """Normalizes the arguments of `lax.conv_general_dilated` for operands of these shapes."""
        numbers = lax.conv_dimension_numbers(
            tuple(image_shape), tuple(kernel_shape), dimension_numbers
        )
        lhs_dilation = tuple(lhs_dilation or (1,) * len(strides))
        rhs_dilation = tuple(rhs_dilation or (1,) * len(strides))
        if isinstance(padding, str):
            sizes = _dilated_sizes(image_shape, numbers.lhs_spec, lhs_dilation)
            window = _dilated_sizes(kernel_shape, numbers.rhs_spec, rhs_dilation)
            padding = lax.padtype_to_pads(sizes, window, strides, padding)
        pads = tuple((low, high) for low, high in padding)
        return cls(tuple(strides), pads, lhs_dilation, rhs_dilation, numbers, groups, precision)

    @property
    def plain(self) -> bool:
        """Whether this is an NHWC convolution with one group, no dilation and no cropping."""
        return self.direct and self.groups == 1

    @property
    def direct(self) -> bool:
        """Whether this is an NHWC convolution with no dilation and no cropping."""
        return (
            self.dimension_numbers == CHANNELS_LAST
            and {*self.lhs_dilation, *self.rhs_dilation} == {1}
            and min(pad for pads in self.padding for pad in pads) >= 0
        )

    @property
    def batch_axes(self) -> tuple[int, int]:
        """The batch axis of the images, and that of the result."""
        return self.dimension_numbers.lhs_spec[0], self.dimension_numbers.out_spec[0]

    def conv(self, images: Array, kernel: Array) -> Array:
        """XLA's convolution."""
        return lax.conv_general_dilated(
            images,
            kernel,
            window_strides=self.strides,
            padding=self.padding,
            lhs_dilation=self.lhs_dilation,
            rhs_dilation=self.rhs_dilation,
            dimension_numbers=self.dimension_numbers,
            feature_group_count=self.groups,
            precision=self.precision,
        )

    def conv_input_grad(self, shape: tuple[int, ...], cotangent: Array, kernel: Array) -> Array:
        """Returns the gradient of `conv` with respect to images of this shape."""
        return _transpose(lambda images: self.conv(images, kernel), shape, cotangent)

    def conv_weight_grad(self, shape: tuple[int, ...], images: Array, cotangent: Array) -> Array:
        """Returns the gradient of `conv` with respect to a kernel of this shape."""
        return _transpose(lambda kernel: self.conv(images, kernel), shape, cotangent)


def _dilated_sizes(shape: Sequence[int], spec: Sequence[int], dilation: Sequence[int]) -> list[int]:
    return [(shape[d] - 1) * k + 1 for d, k in zip(spec[2:], dilation, strict=True)]


def _transpose(linear: Callable[[Array], Array], shape: tuple[int, ...], cotangent: Array) -> Array:
    """Returns the transpose of a linear function of such an array, applied to a cotangent."""
    # The primal's values are not used, but inside `shard_map` it has to vary as the cotangent does.
    primal = jnp.broadcast_to(cotangent.ravel()[:1].sum(), shape)
    return jax.vjp(linear, primal)[1](cotangent)[0]
