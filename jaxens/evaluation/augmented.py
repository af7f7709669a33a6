"""Changes the images of a split at random, and moves masks and key points along."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxens.data import augment
from jaxens.data.source import Split

PURPOSE = 0xA46  # keeps these draws apart from those of the methods, which use the same seed


def augmented(split: Split, seed: int, *, flip: bool, zoom: float, color: float) -> Split:
    """Changes every image of a split at random once; masks and key points move along.

    Args:
        split: Images and truth.
        seed: Of the changes.
        flip: Whether to mirror half of the images.
        zoom: Largest fraction of a side that a crop leaves out.
        color: Largest change of brightness and contrast.

    Returns:
        The changed split. Its boxes are NaN.
    """
    change = augment.draw(
        jax.random.fold_in(jax.random.key(seed), PURPOSE),
        len(split),
        flip=flip,
        zoom=zoom,
        color=color,
    )
    images = np.concatenate(
        [
            augment.images(_part(change, rows), jnp.asarray(split.images[rows])) * 255
            for rows in _chunks(len(split))
        ]
    )
    points = [augment.points(change, p) for p in jnp.moveaxis(jnp.asarray(split.points), 1, 0)]
    return Split(
        info=split.info,
        ids=split.ids,
        images=np.round(images).astype(np.uint8),
        masks=None if split.masks is None else _moved_bits(change, split.masks),
        points=np.stack(points, axis=1) if points else split.points,
        boxes=np.full_like(split.boxes, np.nan),  # a moved box is no longer tight; none is scored
        labels=split.labels,
    )


def _chunks(images: int, at_once: int = 256) -> list[slice]:
    return [slice(start, start + at_once) for start in range(0, images, at_once)]


def _part(change: augment.Change, rows: slice) -> augment.Change:
    return jax.tree.map(lambda leaf: leaf[rows], change)


def _moved_bits(change: augment.Change, bits: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(bits)
    for rows in _chunks(len(bits)):
        for byte, bit in np.ndindex(bits.shape[-1], 8):
            part = (bits[rows, ..., byte] >> bit & 1).astype(bool)
            if part.any():
                mask = augment.masks(_part(change, rows), jnp.asarray(part))
                moved[rows, ..., byte] |= np.asarray(mask, np.uint8) << bit
    return moved
