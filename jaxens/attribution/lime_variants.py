"""How the reference implementations of LIME for images differ, as data.

| variant  | samples | fill               | weight of a sample     | regression        |
| -------- | ------- | ------------------ | ---------------------- | ----------------- |
| marcotcr | 1000    | the segment's mean | exp(-d^2 / 2 / 0.25^2) | ridge, alpha 1    |
| captum   | 25      | 0                  | exp(-d^2 / 2)          | lasso, alpha 0.01 |

d is a cosine distance: between the mask and a mask of ones ("marcotcr"), or between the perturbed
image and the image ("captum"). Both keep a segment with probability 1/2. "marcotcr" explains a
probability, "captum" a logit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Integer, Real

from jaxens.arrays import broadcast_to_images
from jaxens.attribution.regression import lasso, ridge
from jaxens.errors import remedy
from jaxens.sharding import shard_as

# The mean color of the segment or of the image, or a constant that broadcasts to the images.
Fill = Literal["segment", "image"] | Real[ArrayLike, "..."]


@dataclass(frozen=True)
class Variant:
    """The settings of one implementation of LIME.

    Attributes:
        name: The name of the variant.
        samples: Per image.
        fill: Replaces the segments that are not kept.
        distance: Whether masks or perturbed images are compared with the whole.
        kernel_width: A sample at cosine distance d weighs exp(-d^2 / (2 kernel_width^2)).
        fit: The regression, from features [sample, segment], values [sample, output] and weights
            [sample] to coefficients [segment, output].
        explains: A probability or a logit.
        whole_first: Whether the first sample keeps all segments.
        source: The reference implementation.
    """

    name: str
    samples: int
    fill: Literal["segment", "image"] | float
    distance: Literal["masks", "images"]
    kernel_width: float
    fit: Callable[[Array, Array, Array], Array]
    explains: Literal["probability", "logit"]
    whole_first: bool
    source: str


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            name="marcotcr",
            samples=1000,
            fill="segment",
            distance="masks",
            kernel_width=0.25,
            fit=partial(ridge, alpha=1.0),
            explains="probability",
            whole_first=True,
            source="LimeImageExplainer of marcotcr/lime 0.2, all segments kept in the surrogate",
        ),
        Variant(
            name="captum",
            samples=25,
            fill=0.0,
            distance="images",
            kernel_width=1.0,
            fit=partial(lasso, alpha=0.01),
            explains="logit",
            whole_first=False,
            source="Lime of Captum 0.9 with its defaults, and its lasso solved exactly",
        ),
    )
}


def variant_named(name: str) -> Variant:
    """Returns the variant; ValueError for an unknown name."""
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}: {remedy(name, VARIANTS)}")
    return VARIANTS[name]


def fill_images(
    fill: Fill,
    images: Float[Array, "image height width channel"],
    segments: Integer[Array, "image height width"],
    count: int,
) -> Float[Array, "image height width channel"]:
    """Returns the images with every segment replaced.

    Args:
        fill: What replaces it, see `lime`.
        images: Floats.
        segments: Labels of the pixels.
        count: The number of labels.

    Raises:
        ValueError: For an unknown name, or a constant that does not broadcast or is not finite.
    """
    if isinstance(fill, str):
        if fill == "image":
            return jnp.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
        if fill == "segment":
            sizes = sum_segments(jnp.ones_like(images[..., :1]), segments, count)
            means = sum_segments(images, segments, count) / jnp.maximum(sizes, 1)
            take = jax.vmap(lambda means, labels: jnp.take(means, labels, axis=0, mode="clip"))
            return take(means, segments)
        raise ValueError(f"unknown fill {fill!r}: choose segment, image, or give a color")
    return broadcast_to_images(fill, images, "fill")


def sample_weights(
    variant: Variant,
    images: Float[Array, "image height width channel"],
    filled: Float[Array, "image height width channel"],
    segments: Integer[Array, "image height width"],
    features: Float[Array, "image sample segment"],
) -> Float[Array, "image sample"]:
    """Returns the weight of each sample, from its cosine distance.

    Scalar products of images are sums over segments, so that no perturbed image is needed.

    Args:
        variant: The distance and the kernel width.
        images: Floats.
        filled: The images with every segment replaced.
        segments: Labels of the pixels.
        features: 1 for each segment that a sample keeps.
    """
    count = features.shape[2]
    if variant.distance == "masks":
        of_image = jnp.minimum(sum_segments(jnp.ones_like(images[..., 0]), segments, count), 1)
        of_fill = mixed = jnp.zeros_like(of_image)
    else:
        products = images**2, filled**2, images * filled
        of_image, of_fill, mixed = (
            sum_segments(each.sum(axis=-1), segments, count) for each in products
        )

    def total(if_kept: Array, if_replaced: Array) -> Array:
        return jnp.where(features > 0, if_kept[:, None], if_replaced[:, None]).sum(axis=2)

    lengths = jnp.sqrt(total(of_image, of_fill) * of_image.sum(axis=1, keepdims=True))
    cosine = total(of_image, mixed) / jnp.where(lengths > 0, lengths, 1)
    return jnp.exp(-((1 - cosine) ** 2) / (2 * variant.kernel_width**2))


def sum_segments(
    numbers: Float[Array, "image height width *rest"],
    segments: Integer[Array, "image height width"],
    count: int,
) -> Float[Array, "image segment *rest"]:
    """Returns the sum over the pixels of each segment."""
    # Some versions of JAX make `ones_like` of a part of sharded images on one device.
    flat = shard_as(numbers.reshape(len(numbers), -1, *numbers.shape[3:]), segments)
    return jax.vmap(partial(jax.ops.segment_sum, num_segments=count))(
        flat, segments.reshape(len(segments), -1)
    )
