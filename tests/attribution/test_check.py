from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxens import attribution as attr
from jaxens.attribution.gradient import Model
from tests.attribution import cnn

IMAGES = cnn.sample_images(3)
WEIGHTS = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)


def logits(images: jax.Array) -> jax.Array:
    return jnp.tanh(images).mean(axis=(1, 2)) @ WEIGHTS


class Net(nn.Module):
    """Batch normalization and dropout, as they are found in models."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = nn.Conv(8, (3, 3))(images)
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        x = nn.Dropout(0.3, deterministic=not train)(x)
        return nn.Dense(4)(x.mean(axis=(1, 2)))


VARIABLES = jax.jit(lambda: Net().init(jax.random.key(0), IMAGES, False))()


def test_a_model_in_order_passes(network: Model) -> None:
    for model in (network, lambda images: Net().apply(VARIABLES, images, False)):
        attr.check_model(model, IMAGES)
        attr.check_model(jax.jit(model), IMAGES[:1])


def test_rounding_is_no_dependence_on_the_batch() -> None:
    """A sum in another order in another place, in bfloat16."""

    def coarse(images: jax.Array) -> jax.Array:
        pixels = jnp.asarray(images, jnp.bfloat16)
        pixels = pixels.at[0].set(pixels[0, ::-1])
        return jnp.cumsum(pixels, axis=1)[:, -1].mean(axis=1) @ WEIGHTS.astype(jnp.bfloat16)

    assert (coarse(IMAGES)[2] != coarse(IMAGES[::-1])[0]).any()
    attr.check_model(coarse, IMAGES)


NAN_IN_TWO = np.where(np.arange(3)[:, None, None, None] == 0, IMAGES, np.nan)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[0], r"shape \(10, 14, 3\): give \[image, height, width, channel\]"),
        (np.zeros((2, 4, 4, 3), np.uint8), "type uint8: give the floating-point images"),
        (IMAGES[:0], r"images has shape \(0, 10, 14, 3\), no pixel: give at least one image"),
        (NAN_IN_TWO, r"image 1 contains NaN or infinity \(2 of 3 images do\): leave it out"),
        (np.full((1, 4, 4, 3), np.inf, np.float32), r"image 0 contains .* \(1 of 1 images do\)"),
    ],
)
@pytest.mark.parametrize("function", [attr.check_model, lambda f, x: attr.saliency(f, x, 0)])
@pytest.mark.usefixtures("unchecked")
def test_images_that_no_model_should_see_are_refused(
    function: Callable[..., Any], images: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(logits, images)


def test_images_of_a_jitted_function_are_looked_at_where_they_are_known() -> None:
    with pytest.raises(ValueError, match="image 1 contains NaN"):
        jax.jit(lambda: attr.saliency(logits, NAN_IN_TWO, 0))()
    traced = jax.jit(lambda images: attr.saliency(logits, images, 0))(NAN_IN_TWO)
    assert np.isfinite(traced[0]).all()
    assert np.isnan(traced[1:]).all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: logits(x)[0], r"returned shape \(4,\) for 3 images: .* \(3, classes\)"),
        (lambda x: x, r"returned shape \(3, 10, 14, 3\) for 3 images"),
        (lambda x: {"species": logits(x)}, r"returned a dict: return the array of the logits"),
        (lambda x: (logits(x), {}), "returned a tuple: return the array"),
        (lambda x: logits(x)[:, :0], "raw logits of at least one class"),
        (lambda x: logits(x).argmax(1, keepdims=True), "type int32, .* floating-point"),
        (lambda x: logits(x) * jnp.log(x[:, :1, 0, 0]), r"logits of image \d are NaN or infinite"),
        (lambda x: logits(x) / 0, r"image 0 are NaN or infinite \(3 of 3 images have such\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_logit_is_refused(model: Model, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attr.check_model(model, IMAGES)


def batch_norm_in_training(images: jax.Array) -> jax.Array:
    layer = nn.BatchNorm(use_running_average=False)
    normed, _ = layer.init_with_output(jax.random.key(0), images)
    return logits(normed**2)


def dropout_with_a_fixed_key(images: jax.Array) -> jax.Array:
    x = nn.Dropout(0.3, deterministic=False).apply({}, images, rngs={"dropout": jax.random.key(3)})
    return logits(x)


def whole_model_in_training(images: jax.Array) -> jax.Array:
    rngs = {"dropout": jax.random.key(0)}
    return Net().apply(VARIABLES, images, True, mutable=["batch_stats"], rngs=rngs)[0]


def centered_on_the_batch(images: jax.Array) -> jax.Array:
    return logits(images - images.mean(axis=0, keepdims=True))


def place_in_the_batch(images: jax.Array) -> jax.Array:
    return logits(images) + jnp.arange(len(images), dtype=jnp.float32)[:, None]


def a_hundredth_of_the_batch(images: jax.Array) -> jax.Array:
    each = logits(images)
    return each + 0.01 * each.mean(axis=0, keepdims=True)


# What a batch is made of, with which its statistics may hide.
BATCHES = {
    "one": IMAGES[:1],
    "three": IMAGES,
    "four that are identical": np.repeat(IMAGES[:1], 4, axis=0),
    "constant": np.ones_like(IMAGES),
}


@pytest.mark.parametrize("images", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize(
    "model",
    [
        a_hundredth_of_the_batch,
        batch_norm_in_training,
        dropout_with_a_fixed_key,
        whole_model_in_training,
        centered_on_the_batch,
        place_in_the_batch,
    ],
)
def test_logits_that_depend_on_the_batch_are_refused(model: Model, images: np.ndarray) -> None:
    places = f"[0-{len(images) - 1}]"
    with pytest.raises(ValueError, match=f"image {places} depend on the rest of .*BatchNorm"):
        attr.check_model(model, images)


@pytest.mark.parametrize("count", [1, 3])
def test_logits_that_chance_changes_are_refused(count: int) -> None:
    dropout = nnx.Dropout(0.3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"called again .* dropout .*model\.eval\(\)"):
        attr.check_model(lambda images: logits(dropout(images)), IMAGES[:count])
    dropout.eval()
    attr.check_model(lambda images: logits(dropout(images)), IMAGES[:count])


def test_a_model_in_order_is_called_three_times() -> None:
    calls = []

    def watched(images: jax.Array) -> jax.Array:
        calls.append(len(images))
        return logits(images)

    attr.check_model(watched, IMAGES)
    assert calls == [3, 3, 3]
