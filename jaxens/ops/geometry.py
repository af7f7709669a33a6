"""All of a convolution but its operands."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

CHANNELS_LAST = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


class Geometry(NamedTuple):
    """Strides, padding and the rest: hashable, so that each rule is made once."""

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
        images: Sequence[int],
        kernel: Sequence[int],
        strides: Sequence[int],
        padding: str | Sequence[tuple[int, int]],
        lhs_dilation: Sequence[int] | None,
        rhs_dilation: Sequence[int] | None,
        dimension_numbers: Any,
        groups: int,
        precision: Any,
    ) -> "Geometry":
        """Of the arguments of `lax.conv_general_dilated`, for operands of these shapes."""
        numbers = lax.conv_dimension_numbers(tuple(images), tuple(kernel), dimension_numbers)
        lhs_dilation = tuple(lhs_dilation or (1,) * len(strides))
        rhs_dilation = tuple(rhs_dilation or (1,) * len(strides))
        if isinstance(padding, str):
            inputs = _dilated(images, numbers.lhs_spec, lhs_dilation)
            window = _dilated(kernel, numbers.rhs_spec, rhs_dilation)
            padding = lax.padtype_to_pads(inputs, window, strides, padding)
        pads = tuple((low, high) for low, high in padding)
        return cls(tuple(strides), pads, lhs_dilation, rhs_dilation, numbers, groups, precision)

    @property
    def plain(self) -> bool:
        """Whether it is what classifiers are made of: two-dimensional, channels last, one
        group, nothing dilated, nothing cropped."""
        return (
            self.dimension_numbers == CHANNELS_LAST
            and self.groups == 1
            and {*self.lhs_dilation, *self.rhs_dilation} == {1}
            and min(pad for pads in self.padding for pad in pads) >= 0
        )

    @property
    def batch_axes(self) -> tuple[int, int]:
        """Of the images, and of the result."""
        return self.dimension_numbers.lhs_spec[0], self.dimension_numbers.out_spec[0]

    def dense(self, images: Array, kernel: Array) -> Array:
        """One convolution, as XLA has it."""
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

    def dense_input_gradient(
        self, shape: tuple[int, ...], cotangent: Array, kernel: Array
    ) -> Array:
        return transposed(lambda x: self.dense(x, kernel), shape, cotangent)

    def dense_weight_gradient(
        self, shape: tuple[int, ...], images: Array, cotangent: Array
    ) -> Array:
        return transposed(lambda k: self.dense(images, k), shape, cotangent)


def _dilated(shape: Sequence[int], spec: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """The spatial sizes of an operand once its elements are `dilation` apart."""
    return [(shape[d] - 1) * k + 1 for d, k in zip(spec[2:], dilation, strict=True)]


def transposed(linear: Callable[[Array], Array], shape: tuple[int, ...], cotangent: Array) -> Array:
    """The transpose of a linear function of an array of this shape, at a cotangent."""
    # Any values will do, and none is computed; inside `shard_map` they vary as the cotangent does.
    somewhere = jnp.broadcast_to(cotangent.ravel()[:1].sum(), shape)
    return jax.vjp(linear, somewhere)[1](cotangent)[0]
