"""A split randomly changed, with its masks and key points: do explanations move along?"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxens.config import Augment
from jaxens.data import augment
from jaxens.data.source import Split


def augmented(split: Split, changes: Augment, seed: int) -> Split:
    """The split after one random change of every picture, drawn from `seed`."""
    change = augment.draw(
        jax.random.key(seed),
        len(split),
        flip=changes.flip,
        zoom=changes.zoom,
        colour=changes.colour,
    )
    images = augment.images(change, jnp.asarray(split.images))
    points = [augment.points(change, p) for p in jnp.moveaxis(jnp.asarray(split.points), 1, 0)]
    return Split(
        info=split.info,
        ids=split.ids,
        images=np.asarray(jnp.round(images * 255), np.uint8),
        masks=None if split.masks is None else _moved_bits(change, split.masks),
        points=np.stack(points, axis=1) if points else split.points,
        boxes=np.full_like(split.boxes, np.nan),  # a moved box is no longer tight; none is scored
        labels=split.labels,
    )


def _moved_bits(change: augment.Change, bits: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(bits)
    for bit in range(8):
        part = (bits >> bit & 1).astype(bool)
        if part.any():
            moved |= np.asarray(augment.masks(change, jnp.asarray(part)), np.uint8) << bit
    return moved
