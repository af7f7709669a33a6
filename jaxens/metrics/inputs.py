"""What the metrics take, and the checks and casts that they share."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Integer, Num

ArrayLike = Array | np.ndarray
Images = Float[ArrayLike, "image height width channel"]

# An underscore tells jaxtyping not to compare the sizes: `paired` does, and says the remedy.
Mask = (
    Bool[ArrayLike, "*#lead _height _width"] | Integer[ArrayLike, "*#lead _height _width"]
)  # any number but zero marks a pixel

WIDEST = 4095  # pixels whose number times 4096, and once more, is a whole number of float32


def as_float(map: Num[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
    """At least float32: sums over a bfloat16 map lose its last pixels."""
    map = jnp.asarray(map)
    # Not `promote_types`: JAX may have been told to promote nothing by itself.
    return map.astype(jnp.float64 if map.dtype == jnp.float64 else jnp.float32)


def paired(
    map: Num[ArrayLike, "... height width"], mask: Mask
) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
    """A float map and a boolean mask with the same number of axes.

    **Raises:** `ValueError` if their heights and widths differ, or the mask holds fractions.
    """
    if map.shape[-2:] != mask.shape[-2:]:
        raise ValueError(
            f"a map of shape {map.shape} and a mask of shape {mask.shape} differ in height and "
            "width: resize the map to the size of its mask first"
        )
    check_mask_dtype(mask.dtype)
    axes = max(map.ndim, mask.ndim)
    return with_axes(as_float(map), axes), with_axes(jnp.asarray(mask).astype(bool), axes)


def check_mask_dtype(dtype: np.dtype) -> None:
    if not (jnp.issubdtype(dtype, jnp.bool_) or jnp.issubdtype(dtype, jnp.integer)):
        raise ValueError(
            f"a mask is boolean or whole numbers, not {dtype}: compare it with a level first, "
            "such as mask > 0.5"
        )


def count(pixels: Bool[Array, "*lead height width"]) -> Float[Array, "*lead"]:
    """How many pixels are marked; exact up to 16 million.

    XLA:CPU takes a sum of floats in a third of the time of one of booleans.
    """
    return jnp.sum(pixels.astype(jnp.float32), axis=(-2, -1))


def count_within(
    pixels: Bool[Array, "*#lead height width"], within: Bool[Array, "*#lead height width"]
) -> tuple[Float[Array, "*#lead"], Float[Array, "*#lead"]]:
    """How many pixels are marked, and how many of them lie within others; exact as `count` is.

    Both in one sum: a row holds fewer pixels than `base`, so its sum's multiples of `base` count
    one thing and what is left counts the other. Two sums took XLA:CPU nearly twice as long.
    """
    width = pixels.shape[-1]
    if width > WIDEST:
        return count(pixels), count(pixels & within)
    base = 1 << width.bit_length()
    each = jnp.where(within, jnp.float32(base + 1), jnp.float32(1))
    rows = jnp.sum(jnp.where(pixels, each, jnp.float32(0)), axis=-1)
    inside = jnp.floor(rows / base)
    return jnp.sum(rows - base * inside, axis=-1), jnp.sum(inside, axis=-1)


def with_axes(array: Array, axes: int) -> Array:
    """Leading axes of length one, so that broadcasting promotes no rank behind our back."""
    return array.reshape((1,) * (axes - array.ndim) + array.shape)


def as_images(images: Images) -> Float[Array, "image height width channel"]:
    """The images that a model takes, as a JAX array.

    **Raises:** `ValueError` unless they are floats [image, height, width, channel], at least one,
    and finite; of traced ones no value is known.
    """
    array = jnp.asarray(images)
    if array.ndim != 4 or not array.size or not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"images has shape {array.shape} and type {array.dtype}: give the floating-point "
            "images that the model takes, [image, height, width, channel], at least one"
        )
    if not isinstance(images, jax.core.Tracer):
        with jax.ensure_compile_time_eval():  # a constant inside of `jit` has values too
            finite = np.asarray(jnp.isfinite(images).all(axis=(1, 2, 3)))
        if not finite.all():
            raise ValueError(
                f"image {np.argmin(finite)} contains NaN or infinity ({np.sum(~finite)} of "
                f"{len(finite)} images do): leave it out, or mend its preprocessing"
            )
    return array
