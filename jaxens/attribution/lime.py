"""LIME for images (Ribeiro et al. 2016): a simple surrogate of the model around an image.

Segments of the image are hidden at random, the model sees what is left, and a regression tells
how much each segment speaks for the explained number. `VARIANTS` has what the known
implementations do differently. What is random is drawn by `lime_draws`; all else is
deterministic.

Under `vmap` over members, with images, segments and masks that all of them share, perturbed
images are made and normal equations factored once for all.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Integer

from jaxens.attribution.gradient import Model, as_logits, cast_inputs
@@as_images, to_float32@@from jaxens.attribution.keys import Keys, keys_of_samples
from jaxens.attribution.lime_variants import (
    VARIANTS,
    Fill,
    fill_images,
    form_named,
    sample_weights,
    sum_segments,
)
from jaxens.attribution.segments import as_segments, segments_to_map
##after, slices##from jaxens.attribution.targets import Targets, select


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
    """Maps in which each pixel has its segment's weight in the surrogate.

    `segments` holds labels 0, 1, ... (see `superpixels`, `grid`); where it is traced,
    `segment_count` is how many labels there is room for. `samples` None stands for the
    variant's number; `key` and the draws: see `lime_draws`.

    `variant` is one of `VARIANTS`. `fill` None stands for the variant's colour of what is fill:
    "segment" for its mean, "image" for the image's mean, or a constant that broadcasts to the
    images. A variant that explains a probability explains `targets` of `probabilities(logits)`,
    the others of the logits. `probabilities` None stands for a softmax over all classes: give
    your own where the model has several tasks; ValueError where the variant explains logits.
    Weights are signed, in the explained number's unit, but for the "matlab"
    variant's importances, which are not negative.

    `chunk` is how many samples of an image go through the model at once (all, if None),
    which bounds memory and changes the result by no more than rounding. An image
    costs `samples` forward passes and no backward pass.
    """
    images = as_images(images)
    if samples is None:
        samples = form_named(variant).samples
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
    """Which segments each sample keeps: each one with probability 1/2.

    With one key, image i takes `jax.random.fold_in(key, i)`; otherwise each image has its
    own. Whether sample s keeps segment l depends on the image's key, on s and on l: not on
    the number of samples or of segments, nor on the other images (with JAX's default
    Threefry keys).
    """
    if samples < 2:
        raise ValueError(f"samples is {samples}: give at least 2, or there is nothing to compare")
    labels, count = as_segments(segments, None, segment_count)
    keys = keys_of_samples(key, len(labels), samples)
    masks = jax.vmap(jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (count,))))(keys)
    return masks.at[:, 0].set(True) if form_named(variant).whole_first else masks


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
    """LIME for given draws."""

    def target_alone(values: Array) -> Array:
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
        outputs=target_alone,
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
    """Each segment's weight for every class, from the forward passes that one class takes.

    `segments_to_map(weights[..., label], segments)` is `lime_from_draws`' map for that class.
    `outputs` makes of the probabilities or logits [image, sample, class] what is explained
    [image, sample, output]: all classes, unless told otherwise.
    """
    images, masks, row = as_images(images), jnp.asarray(masks, bool), form_named(variant)
    if probabilities is not None and row.explains != "probability":
        raise ValueError(
            f"the variant {variant!r} explains logits: leave probabilities out, or choose one of "
            f"{', '.join(f.name for f in VARIANTS.values() if f.explains == 'probability')}"
        )
    if masks.ndim != 3 or len(masks) != len(images) or not masks.shape[1]:
        raise ValueError(
            f"masks has shape {masks.shape} for {len(images)} images: give [image, sample, segment]"
        )
    labels, count = as_segments(segments, images.shape[:3], masks.shape[2])
    exact = to_float32(images)
    start = fill_images(row.fill if fill is None else fill, exact, labels, count)

    def model(points: Array) -> Array:
        logits = as_logits(cast_inputs(images, logits_fn)(points), len(points)).astype(exact.dtype)
        return logits if row.explains == "logit" else (probabilities or jax.nn.softmax)(logits)

    values = _values(model, exact, start, labels, masks, chunk)
    # A label without pixels must not count for the distance, nor for the regression.
    present = sum_segments(jnp.ones_like(exact[..., 0]), labels, count) > 0
    features = (masks & present[:, None]).astype(exact.dtype)
    weights = sample_weights(row, exact, start, labels, features)
    return jax.vmap(row.fit)(features, outputs(values), weights)


def _values(
    model: Model,
    images: Float[Array, "image height width channel"],
    fill: Float[Array, "image height width channel"],
    segments: Integer[Array, "image height width"],
    masks: Bool[Array, "image sample segment"],
    chunk: int | None,
) -> Float[Array, "image sample label"]:
    """The model on each image with the segments hidden that its masks leave out.

    Unrolled and in sequence, for the reasons that `sum_in_chunks` has.
    """
    by_pixel = jax.vmap(lambda masks, labels: jnp.take(masks, labels, axis=1, mode="clip"))
    parts: list[Array] = []
    for some in slices(masks.shape[1], chunk):
        if parts:
            images = after(parts[-1], images)
        kept = by_pixel(masks[:, some], segments)
        points = jnp.where(kept[..., None], images[:, None], fill[:, None])
        values = model(points.reshape(-1, *images.shape[1:]))
        parts.append(values.reshape(*kept.shape[:2], -1))
    return jnp.concatenate(parts, axis=1)
