"""LIME for images (Ribeiro et al. 2016): a linear model of what each segment contributes.

Each sample replaces a random half of an image's segments by a fill color. A weighted regression
of the model's outputs on the segments that are kept gives a weight to each segment. `VARIANTS`
lists how the reference implementations differ. `lime_draws` draws the segments; the other
functions are deterministic.

Under `vmap` over members that share images, segments and masks, the perturbed images and the
regression's matrix are computed once for all members.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Integer

from jaxens.arrays import as_images, as_whole, check_one_logit, to_float32
from jaxens.attribution.gradient import cast_inputs
from jaxens.attribution.keys import Keys, keys_of_samples
from jaxens.attribution.lime_variants import (
    VARIANTS,
    Fill,
    fill_images,
    sample_weights,
    sum_segments,
    variant_named,
)
from jaxens.attribution.segments import as_segments, segments_to_map
from jaxens.chunks import in_chunks
from jaxens.sharding import shard_as, with_auto_axes
from jaxens.targets import Model, Targets, as_logits, select


def lime(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    *,
    segments: Integer[ArrayLike, "image height width"],
    key: Keys,
    samples: int | None = None,
    variant: str = "marcotcr",
    fill: Fill | None = None,
    probabilities: Model | None = None,
    segment_count: int | None = None,
    chunk: int | None = None,
) -> Float[Array, "image height width"]:
    """Returns maps in which each pixel has the weight of its segment.

    An image costs `samples` forward passes and no backward pass.

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, see `select`. If the variant explains a probability, it is
            selected from the probabilities.
        segments: Labels 0, 1, ... of the pixels, see `superpixels` and `grid`.
        key: One key, or one for each image, see `lime_draws`.
        samples: Per image (None: the variant's number).
        variant: A name of `VARIANTS`.
        fill: Replaces the segments that are not kept: "segment" (its mean color), "image" (the
            image's mean color), or a constant that broadcasts to the images. None: the variant's.
        probabilities: From logits to probabilities, for variants that explain a probability
            (None: a softmax over all classes).
        segment_count: The largest number of labels. It is required if `segments` is traced.
        chunk: Samples of an image that go through the model at once (None: all). It bounds
            memory and changes the result by rounding only.

    Returns:
        Signed attributions, in the unit of the explained number.

    Raises:
        ValueError: If an argument does not fit, for `probabilities` of a variant that explains
            logits, or if the model has one logit and its probability is 1 for every image.
    """
    images = as_images(images)
    if samples is None:
        samples = variant_named(variant).samples
    _, count = as_segments(segments, images.shape[:3], segment_count)
    masks = lime_draws(key, segments, samples, variant, count)
    return lime_from_draws(
        logits_fn,
        images,
        targets,
        segments,
        masks,
        variant=variant,
        fill=fill,
        probabilities=probabilities,
        chunk=chunk,
    )


def lime_draws(
    key: Keys,
    segments: Integer[ArrayLike, "image height width"],
    samples: int,
    variant: str = "marcotcr",
    segment_count: int | None = None,
) -> Bool[Array, "image sample segment"]:
    """Draws which segments each sample keeps: each one with probability 1/2.

    Whether sample s keeps segment l depends only on the key of the image, on s and on l: not on
    the other images, or the numbers of samples and segments (with JAX's default Threefry keys).

    Args:
        key: One key, of which image i gets `jax.random.fold_in(key, i)`, or one for each image.
        segments: Labels of the pixels.
        samples: Per image, at least 2.
        variant: A name of `VARIANTS`.
        segment_count: The largest number of labels. It is required if `segments` is traced.

    Raises:
        ValueError: If an argument does not fit.
    """
    samples = as_whole(samples, "samples", least=2)  # with one there is nothing to compare
    labels, count = as_segments(segments, None, segment_count)
    keys = keys_of_samples(key, len(labels), samples)
    half = jnp.float32(0.5)  # the type decides what is drawn, and 0.5 is float64 in x64 mode
    masks = jax.vmap(jax.vmap(lambda key: jax.random.bernoulli(key, half, (count,))))(keys)
    return masks.at[:, 0].set(True) if variant_named(variant).whole_first else masks


def lime_from_draws(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    targets: Targets,
    segments: Integer[ArrayLike, "image height width"],
    masks: Bool[ArrayLike, "image sample segment"],
    *,
    variant: str = "marcotcr",
    fill: Fill | None = None,
    probabilities: Model | None = None,
    chunk: int | None = None,
) -> Float[Array, "image height width"]:
    """Returns the maps of `lime` for masks that were drawn before, by `lime_draws`.

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        targets: What to explain, as for `lime`.
        segments: Labels of the pixels.
        masks: Whether each sample keeps each segment, see `lime_draws`.
        variant: A name of `VARIANTS`.
        fill: As for `lime`.
        probabilities: As for `lime`.
        chunk: As for `lime`.

    Returns:
        Signed attributions, in the unit of the explained number.

    Raises:
        ValueError: As `lime`.
    """

    def of_target(values: Array) -> Array:
        by_sample = jax.vmap(lambda values: select(values, targets), in_axes=1, out_axes=1)
        return by_sample(values)[..., None]

    weights = lime_weights(
        logits_fn,
        images,
        segments,
        masks,
        variant=variant,
        fill=fill,
        probabilities=probabilities,
        outputs=of_target,
        chunk=chunk,
    )
    return segments_to_map(weights[..., 0], segments)


def lime_weights(
    logits_fn: Model,
    images: Float[ArrayLike, "image height width channel"],
    segments: Integer[ArrayLike, "image height width"],
    masks: Bool[ArrayLike, "image sample segment"],
    *,
    variant: str = "marcotcr",
    fill: Fill | None = None,
    probabilities: Model | None = None,
    outputs: Callable[[Array], Array] = lambda values: values,
    chunk: int | None = None,
) -> Float[Array, "image segment output"]:
    """Returns the weight of each segment for every class.

    All classes cost as many forward passes as one. `segments_to_map(weights[..., k], segments)`
    is the map of `lime_from_draws` for class k.

    Args:
        logits_fn: From images to logits [image, class].
        images: Floats, as the model takes them.
        segments: Labels of the pixels.
        masks: Whether each sample keeps each segment, see `lime_draws`.
        variant: A name of `VARIANTS`.
        fill: As for `lime`.
        probabilities: As for `lime`.
        outputs: From probabilities or logits [image, sample, class] to the numbers to explain
            [image, sample, output]. The default explains every class.
        chunk: As for `lime`.

    Returns:
        Signed weights, in the unit of the explained number. A label without pixels gets 0.

    Raises:
        ValueError: As `lime`.
    """
    images, masks, settings = as_images(images), jnp.asarray(masks, bool), variant_named(variant)
    if probabilities is not None and settings.explains != "probability":
        raise ValueError(
            f"the variant {variant!r} explains logits: leave probabilities out, or choose one of "
            f"{', '.join(v.name for v in VARIANTS.values() if v.explains == 'probability')}"
        )
    if masks.ndim != 3 or len(masks) != len(images) or not masks.shape[1]:
        raise ValueError(
            f"masks has shape {masks.shape} for {len(images)} images: give [image, sample, segment]"
        )
    labels, count = as_segments(segments, images.shape[:3], masks.shape[2])
    labels, masks = shard_as(labels, images), shard_as(masks, images)
    logits_of = cast_inputs(logits_fn, images.dtype)
    images = to_float32(images)
    filled = fill_images(settings.fill if fill is None else fill, images, labels, count)

    def model(points: Array) -> Array:
        logits = as_logits(logits_of(points), len(points)).astype(images.dtype)
        if settings.explains == "logit":
            return logits
        to_probabilities = probabilities or jax.nn.softmax
        if logits.shape[1] == 1:
            check_one_logit(
                to_probabilities,
                "probabilities=jax.nn.sigmoid, or variant='captum', which explains the logit",
            )
        return to_probabilities(logits)

    values = _values(model, images, filled, labels, masks, chunk)
    # A label without pixels must not count for the distance, nor for the regression.
    present = sum_segments(jnp.ones_like(images[..., 0]), labels, count) > 0
    features = (masks & present[:, None]).astype(images.dtype)
    weights = sample_weights(settings, images, filled, labels, features)
    fit = with_auto_axes(jax.vmap(settings.fit))
    return shard_as(fit(features, outputs(values), weights), images)


def _values(
    model: Model,
    images: Float[Array, "image height width channel"],
    filled: Float[Array, "image height width channel"],
    segments: Integer[Array, "image height width"],
    masks: Bool[Array, "image sample segment"],
    chunk: int | None,
) -> Float[Array, "image sample class"]:
    """Returns what the model returns for each perturbed image."""
    by_pixel = jax.vmap(lambda masks, labels: jnp.take(masks, labels, axis=1, mode="clip"))

    def part(masks: Array) -> Array:
        kept = by_pixel(masks, segments)
        points = jnp.where(kept[..., None], images[:, None], filled[:, None])
        values = model(points.reshape(-1, *images.shape[1:]))
        return values.reshape(*kept.shape[:2], -1)

    return in_chunks(part, chunk, masks, axis=1, out_axis=1)
