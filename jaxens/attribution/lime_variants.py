"""What the reference implementations of LIME for images do differently, as data.

| form          | samples | what is hidden becomes | a sample weighs         | surrogate         |
| ------------- | ------- | ---------------------- | ----------------------- | ----------------- |
| marcotcr      | 1000    | the segment's mean     | exp(-d^2 / 2 / 0.25^2)  | ridge, alpha 1    |
| captum        | 25      | 0                      | exp(-d^2 / 2)           | lasso, alpha 0.01 |

d is the cosine distance from the whole: of the mask to a mask of ones ("marcotcr"), or of the
perturbed image to the image ("captum"). Every segment is kept with probability 1/2. "captum"
explains the logit, the others the probability.
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

@@broadcast_to_images@@from jaxens.attribution.regression import lasso, ridge

# A segment's mean colour, its image's, or a constant that broadcasts to the images.
Fill = Literal["segment", "image"] | Real[ArrayLike, "..."]


@dataclass(frozen=True)
class Variant:
    """A way to do LIME.

    A sample at cosine distance d weighs exp(-d^2 / (2 kernel_width^2)). `fit` is the
    surrogate: from features [sample, segment], values [sample, output] and weights [sample]
    to importances [segment, output]. With `whole_first`, the first sample is the image as
    it is.
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


def form_named(name: str) -> Variant:
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}: choose from {', '.join(VARIANTS)}")
    return VARIANTS[name]


def fill_images(
    fill: Fill,
    images: Float[Array, "image height width channel"],
    segments: Integer[Array, "image height width"],
    count: int,
) -> Float[Array, "image height width channel"]:
    """The images with every segment hidden."""
    if isinstance(fill, str):
        if fill == "image":
            return jnp.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
        if fill == "segment":
            sizes = sum_segments(jnp.ones_like(images[..., :1]), segments, count)
            means = sum_segments(images, segments, count) / jnp.maximum(sizes, 1)
            take = jax.vmap(lambda means, labels: jnp.take(means, labels, axis=0, mode="clip"))
            return take(means, segments)
        raise ValueError(f"unknown fill {fill!r}: choose segment, image, or give a colour")
    return broadcast_to_images(fill, images, "fill")


def sample_weights(
    variant: Variant,
    images: Float[Array, "image height width channel"],
    fill: Float[Array, "image height width channel"],
    segments: Integer[Array, "image height width"],
    features: Float[Array, "image sample segment"],
) -> Float[Array, "image sample"]:
    """Weight of each sample, by its cosine distance from the whole.

    Products of images are sums over segments, so no perturbed image is needed.
    """
    count = features.shape[2]
    if variant.distance == "masks":
        shown = jnp.minimum(sum_segments(jnp.ones_like(images[..., 0]), segments, count), 1)
        gone = cross = jnp.zeros_like(shown)
    else:
        products = jnp.stack([images**2, fill**2, images * fill]).sum(axis=-1)
        shown, gone, cross = (sum_segments(product, segments, count) for product in products)

    def total(where_kept: Array, where_hidden: Array) -> Array:
        return jnp.where(features > 0, where_kept[:, None], where_hidden[:, None]).sum(axis=2)

    lengths = jnp.sqrt(total(shown, gone) * shown.sum(axis=1, keepdims=True))
    cosine = total(shown, cross) / jnp.where(lengths > 0, lengths, 1)
    return jnp.exp(-((1 - cosine) ** 2) / (2 * variant.kernel_width**2))


def sum_segments(
    numbers: Float[Array, "image height width *rest"],
    segments: Integer[Array, "image height width"],
    count: int,
) -> Float[Array, "image segment *rest"]:
    """Sums over each segment's pixels."""
    flat = numbers.reshape(len(numbers), -1, *numbers.shape[3:])
    return jax.vmap(partial(jax.ops.segment_sum, num_segments=count))(
        flat, segments.reshape(len(segments), -1)
    )
