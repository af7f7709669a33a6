"""Masks of any number of parts, eight to a byte.

Bit `p % 8` of byte `p // 8` of a pixel says whether it belongs to part `p`.
"""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image


def pack(masks: Bool[np.ndarray, "*shape part"]) -> UInt8[np.ndarray, "*shape byte"]:
    """Packs the masks of all parts into `ceil(part / 8)` bytes per pixel."""
    return np.packbits(masks, axis=-1, bitorder="little")


def union(
    bits: UInt8[np.ndarray, "*shape byte"], names: Sequence[str], parts: Sequence[str]
) -> Bool[np.ndarray, "*shape"]:
    """Returns the union of the masks of some parts.

    Args:
        bits: Packed masks of all parts.
        names: Names of all parts, in the order of the bits.
        parts: The parts to unite; those without a mask are ignored.
    """
    chosen = pack(np.isin(names, parts))
    region = np.zeros(bits.shape[:-1], bool)
    for byte in np.flatnonzero(chosen):
        region |= (bits[..., byte] & chosen[byte]) > 0
    return region


def encode(bits: UInt8[np.ndarray, "height width byte"]) -> bytes:
    """Encodes packed masks as a gray 8-bit PNG: one plane per byte, stacked from top to bottom."""
    height, width, planes = bits.shape
    file = io.BytesIO()
    tall = bits.transpose(2, 0, 1).reshape(planes * height, width)
    Image.fromarray(tall).save(file, "PNG", compress_level=1)
    return file.getvalue()


def decode(encoded: bytes, planes: int) -> list[Image.Image]:
    """Decodes what `encode` wrote: one image per byte of a pixel."""
    tall = Image.open(io.BytesIO(encoded))
    height = tall.height // planes
    return [tall.crop((0, i * height, tall.width, (i + 1) * height)) for i in range(planes)]


def outline(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "4"]:
    """Returns the bounding box of a mask in fractions; NaN if it is empty."""
    if not mask.any():
        return np.full(4, np.nan)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    left, right = columns[0] / width, (columns[-1] + 1) / width
    return np.array([left, rows[0] / height, right, (rows[-1] + 1) / height])


def center(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "1 2"]:
    """Returns the center of mass of a mask, x and y in fractions; NaN if it is empty."""
    if not mask.any():
        return np.full((1, 2), np.nan)
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    return np.array([[(columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height]])
