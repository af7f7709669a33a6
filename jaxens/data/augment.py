"""Random changes of pictures on the device: mirrored, cropped, brightened.

Training changes pictures alone. An evaluation that changes pictures moves their masks and
key points along, by the same `Change`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Key, UInt8


class Change(NamedTuple):
    """One change per picture. The crop is a square in fractions of the picture."""

    flip: Bool[Array, "image"]
    left: Float[Array, "image"]
    top: Float[Array, "image"]
    side: Float[Array, "image"]
    gain: Float[Array, "image"]  # of the contrast about mid-grey
    lift: Float[Array, "image"]  # of the brightness, as a part of its range


def draw(key: Key[Array, ""], images: int, flip: bool, zoom: float, color: float) -> Change:
    """Draws a change for each of `images` pictures.

    A crop leaves out up to `zoom` of a side, from anywhere; contrast and brightness change
    by up to `color` of their range.
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
    change: Change, pictures: UInt8[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    """Changed pictures, float32 in 0 to 1, resampled bilinearly."""
    unit = _resampled(change, pictures.astype(jnp.float32) / 255)
    gain, lift = (x[:, None, None, None] for x in (change.gain, change.lift))
    return jnp.clip((unit - 0.5) * gain + 0.5 + lift, 0, 1)


def masks(
    change: Change, parts: Bool[Array, "image height width"]
) -> Bool[Array, "image height width"]:
    """Masks moved along with their pictures; a pixel belongs to a part by half or more."""
    return _resampled(change, parts.astype(jnp.float32)[..., None])[..., 0] >= 0.5


def points(change: Change, parts: Float[Array, "image 2"]) -> Float[Array, "image 2"]:
    """Key points (fractions of width and height) moved along; NaN where they left the picture."""
    x = jnp.where(change.flip, 1 - parts[:, 0], parts[:, 0])
    x = (x - change.left) / change.side
    y = (parts[:, 1] - change.top) / change.side
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    return jnp.where(inside[:, None], jnp.stack([x, y], -1), jnp.nan)


def _resampled(
    change: Change, pictures: Float[Array, "image height width channel"]
) -> Float[Array, "image height width channel"]:
    """Mirrors first, then enlarges the crop to the picture's size."""
    pictures = jnp.where(change.flip[:, None, None, None], pictures[:, :, ::-1], pictures)
    size = jnp.array(pictures.shape[1:3], jnp.float32)

    def enlarge(picture: Array, left: Array, top: Array, side: Array) -> Array:
        scale = jnp.broadcast_to(1 / side, (2,))
        shift = -jnp.stack([top, left]) * size / side
        return jax.image.scale_and_translate(
            picture, picture.shape, (0, 1), scale, shift, "linear", antialias=False
        )

    return jax.vmap(enlarge)(pictures, change.left, change.top, change.side)
