"""Changes the images of a split at random, and moves masks and key points along."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxens.chunks import in_chunks_to_host
from jaxens.data import augment
from jaxens.data.split import Split

PURPOSE = 0xA46  # keeps these draws apart from those of the methods, which use the same seed
AT_ONCE = 256  # images


def augmented(split: Split, seed: int, *, flip: bool, zoom: float, color: float) -> Split:
    """Changes every image of a split at random once; masks and key points move along.

    Args:
        split: Images and truth.
        seed: The seed of the changes.
        flip: Whether to mirror half of the images.
        zoom: Largest fraction of a side that a crop leaves out.
        color: Largest change of brightness and contrast.

    Returns:
        The changed split, which says so in `sample`. Its boxes are NaN.
    """
    change = augment.draw(
        jax.random.fold_in(jax.random.key(seed), PURPOSE),
        len(split),
        flip=flip,
        zoom=zoom,
        color=color,
    )
    images = in_chunks_to_host(
        lambda rows: augment.images(_part(change, rows), jnp.asarray(split.images[rows])) * 255,
        AT_ONCE,
        len(split),
    )
    points = [augment.points(change, p) for p in jnp.moveaxis(jnp.asarray(split.points), 1, 0)]
    images_of = split.sample or f"all {len(split)} images"
    changes = f"{'mirrored or not, ' if flip else ''}zoom up to {zoom:g}, color up to {color:g}"
    return replace(
        split,
        sample=f"{images_of}, each changed at random once ({changes}, seed {seed})",
        images=np.round(images).astype(np.uint8),
        masks=None if split.masks is None else _moved_bits(change, split.masks),
        points=np.stack(points, axis=1) if points else split.points,
        boxes=np.full_like(split.boxes, np.nan),  # a moved box is no longer tight; none is scored
    )


def _part(change: augment.Change, rows: Int[np.ndarray, "row"]) -> augment.Change:
    return jax.tree.map(lambda leaf: leaf[rows], change)


def _moved_bits(change: augment.Change, bits: np.ndarray) -> np.ndarray:
    def moved(rows: Int[np.ndarray, "row"]) -> np.ndarray:
        result = np.zeros_like(bits[rows])
        for byte, bit in np.ndindex(bits.shape[-1], 8):
            part = (bits[rows, ..., byte] >> bit & 1).astype(bool)
            if part.any():
                mask = augment.masks(_part(change, rows), jnp.asarray(part))
                result[..., byte] |= np.asarray(mask, np.uint8) << bit
        return result

    return in_chunks_to_host(moved, AT_ONCE, len(bits))
