"""Arrows at points that lie close together."""

import numpy as np
from jaxtyping import Float


def tails(heads: Float[np.ndarray, "arrow 2"], length: float = 0.2) -> Float[np.ndarray, "arrow 2"]:
    """Where arrows to these points begin, so that one can be told from another.

    Each comes from a direction of its own: they are spread evenly around, in the order in
    which the heads lie about their middle, so that arrows point inwards and none crosses
    another. Coordinates are fractions of a picture's sides; an arrow that would begin outside
    is shortened.
    """
    offsets = heads - heads.mean(axis=0)
    angles = np.arctan2(offsets[:, 1], offsets[:, 0])
    slots = np.empty(len(heads))
    slots[np.argsort(angles)] = np.linspace(0, 2 * np.pi, len(heads), endpoint=False)
    slots += np.angle(np.exp(1j * (angles - slots)).mean())  # turned to where the heads lie
    directions = np.stack([np.cos(slots), np.sin(slots)], axis=-1)
    to_edge = np.where(directions > 0, 1 - heads, heads)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.nanmin(to_edge / np.abs(directions), axis=-1, keepdims=True)
    return heads + directions * np.minimum(length, room)
