"""Brings a caller's arrays to the types that the figures draw, and check their shapes."""

from typing import Any

import numpy as np
from jaxtyping import Float, Num, UInt8

# Arrays of NumPy, JAX, PyTorch on the CPU: what `numpy.asarray` takes.
Array = Any
Image = UInt8[Array, "height width channel"] | Float[Array, "height width channel"]
Images = UInt8[Array, "image height width channel"] | Float[Array, "image height width channel"]


def to_rgb(images: Images) -> UInt8[np.ndarray, "image height width 3"]:
    """Returns images as uint8 RGB.

    Raises:
        ValueError: There is no image, the axes are not [image, height, width, channel] with 1 or 3
            channels, or floats are outside [0, 1].
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(
            f"images of shape {images.shape}: give [image, height, width, channel], with 1 channel "
            "(gray) or 3 (RGB)"
        )
    if images.dtype != np.uint8:
        images = images.astype(np.float64)
        if not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(
                f"images have values from {images.min():g} to {images.max():g}: give uint8, or "
                "floats in [0, 1] (undo the model's normalization first)"
            )
        images = np.rint(images * 255).astype(np.uint8)
    return np.broadcast_to(images, (*images.shape[:-1], 3))


def to_maps(
    maps: Num[Array, "*lead image height width"],
    images: UInt8[np.ndarray, "image height width 3"],
    name: str = "maps",
) -> Float[np.ndarray, "*lead image height width"]:
    """Returns maps as float64.

    Raises:
        ValueError: The maps do not have one value for each pixel of each image.
    """
    maps = np.asarray(maps).astype(np.float64)
    if maps.shape[-3:] != images.shape[:-1]:
        raise ValueError(
            f"{name} of shape {maps.shape} do not fit images of shape {images.shape}: reduce "
            "their channels and resize them to [image, height, width] first"
        )
    return maps


def to_texts(texts: Any, count: int, name: str) -> list[str]:
    """Returns `count` texts: the texts, or empty ones if there is none.

    Raises:
        ValueError: There is another number of texts.
    """
    texts = list(texts) or [""] * count
    if len(texts) != count:
        raise ValueError(f"{len(texts)} {name} for {count} images: give one for each, or none")
    return texts
