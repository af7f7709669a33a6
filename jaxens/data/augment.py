"""Random augmentation on the device: flips, crops, contrast and brightness.

Training augments images only. An evaluation on augmented images applies the same `Change` to
their masks and key points.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Key, UInt8


class Change(NamedTuple):
    """One change per image. The crop is a square in fractions of the image."""

    flip: Bool[Array, "image"]
    left: Float[Array, "image"]
    top: Float[Array, "image"]
    side: Float[Array, "image"]
    gain: Float[Array, "image"]  # factor of the contrast around mid-gray
    lift: Float[Array, "image"]  # added to the brightness, in fractions of its range


def draw(key: Key[Array, ""], images: int, flip: bool, zoom: float, color: float) -> Change:
    """Draws a random change for each image.

    Args:
        key: The key of the random numbers.
        images: The number of images.
        flip: Mirror half of the images.
        zoom: Largest fraction of a side that a crop leaves out.
        color: Largest change of contrast and brightness, in fractions of their range.
    """
    keys = jax.random.split(key, 6)
    uniform = [jax.random.uniform(k, (images,)) for k in keys]
    side = 1 - zoom * uniform[0]
    return Change(
        flip=uniform[1] < (0.5 if flip else 0.0),
        left=(1 - side) * uniform[2],
        top=(1 - side) * uniform[3],
        side=side,
        gain=1 + color * (2 * uniform[4] - 1),
        lift=color * (uniform[5] - 0.5),
    )


def images(
    change: Change, pixels: UInt8[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    """Augments images, with bilinear resampling; the result is float32 in 0 to 1."""
    unit = _resample(change, pixels.astype(jnp.float32) / 255)
    gain, lift = (x[:, None, None, None] for x in (change.gain, change.lift))
    return jnp.clip((unit - 0.5) * gain + 0.5 + lift, 0, 1)


def masks(
    change: Change, parts: Bool[Array, "image height width"]
) -> Bool[Array, "image height width"]:
    """Applies the flips and crops to masks; a pixel is in a part if at least half is covered."""
    return _resample(change, parts.astype(jnp.float32)[..., None])[..., 0] >= 0.5


def points(change: Change, parts: Float[Array, "image 2"]) -> Float[Array, "image 2"]:
    """Applies the flips and crops to key points (x, y in fractions); NaN if outside the crop."""
    x = jnp.where(change.flip, 1 - parts[:, 0], parts[:, 0])
    x = (x - change.left) / change.side
    y = (parts[:, 1] - change.top) / change.side
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    return jnp.where(inside[:, None], jnp.stack([x, y], -1), jnp.nan)


def _resample(
    change: Change, pixels: Float[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    """Flips, then enlarges the crop to the size of the image."""
    pixels = jnp.where(change.flip[:, None, None, None], pixels[:, :, ::-1], pixels)
    size = jnp.array(pixels.shape[1:3], jnp.float32)

    def enlarge(image: Array, left: Array, top: Array, side: Array) -> Array:
        scale = jnp.broadcast_to(1 / side, (2,))
        shift = -jnp.stack([top, left]) * size / side
        return jax.image.scale_and_translate(
            image, image.shape, (0, 1), scale, shift, "linear", antialias=False
        )

    return jax.vmap(enlarge)(pixels, change.left, change.top, change.side)
