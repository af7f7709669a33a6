from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cases, cnn

IMAGES = cnn.sample_images(3)
WEIGHTS = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)


def check_model(logits_fn: Model, images: np.ndarray) -> None:
    attr.check_network(attr.Network(logits_fn), images)


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
        check_model(model, IMAGES)
        check_model(jax.jit(model), IMAGES[:1])


def test_rounding_is_no_dependence_on_the_batch() -> None:
    """A sum in another order in another place, in bfloat16."""

    def coarse(images: jax.Array) -> jax.Array:
        pixels = jnp.asarray(images, jnp.bfloat16)
        pixels = pixels.at[0].set(pixels[0, ::-1])
        return jnp.cumsum(pixels, axis=1)[:, -1].mean(axis=1) @ WEIGHTS.astype(jnp.bfloat16)

    assert (coarse(IMAGES)[2] != coarse(IMAGES[::-1])[0]).any()
    check_model(coarse, IMAGES)


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
@pytest.mark.parametrize("function", [check_model, lambda f, x: attr.saliency(f, x, 0)])
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
        (
            lambda x: {"species": logits(x)},
            r"returned a dict for .* images: return the array of the logits",
        ),
        (lambda x: (logits(x), {}), "returned a tuple for .* images: return the array"),
        (lambda x: logits(x)[:, :0], "raw logits of at least one class"),
        (lambda x: logits(x).argmax(1, keepdims=True), "type int32, .* floating-point"),
        (lambda x: logits(x) * jnp.log(x[:, :1, 0, 0]), r"logits of image \d are NaN or infinite"),
        (lambda x: logits(x) / 0, r"image 0 are NaN or infinite \(3 of 3 images have such\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_logit_is_refused(model: Model, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(model, IMAGES)


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
        check_model(model, images)


@pytest.mark.parametrize("count", [1, 3])
def test_logits_that_chance_changes_are_refused(count: int) -> None:
    dropout = nnx.Dropout(0.3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"called again .* dropout .*model\.eval\(\)"):
        check_model(lambda images: logits(dropout(images)), IMAGES[:count])
    dropout.eval()
    check_model(lambda images: logits(dropout(images)), IMAGES[:count])


def test_a_model_in_order_runs_three_times() -> None:
    calls = []

    def watched(images: jax.Array) -> jax.Array:
        if not isinstance(images, jax.core.Tracer):
            calls.append(len(images))
        return logits(images)

    check_model(watched, IMAGES)
    assert calls == [3, 3, 3]


def capped(images: jax.Array, act: Model = jax.nn.relu6) -> jax.Array:
    """Features of a network whose activation has a cap."""
    return act(cnn.convolve(images, 3 * cnn.random_params()["kernel1"], 2))


def pooled(features: jax.Array) -> jax.Array:
    return features.mean(axis=(1, 2)) @ jnp.asarray(np.ones((6, 2), np.float32))


def guided_with_its_cap(x: jax.Array) -> jax.Array:
    return jnp.minimum(attr.guided_relu(x), 6)


def of_act(act: Model) -> Model:
    return lambda images: pooled(capped(images, act))


CAPPED = attr.Network(of_act(jax.nn.relu6), capped, pooled, of_act(guided_with_its_cap))


def test_a_network_whose_functions_agree_passes() -> None:
    for network in (
        CAPPED,
        CAPPED._replace(logits_fn=None),
        attr.Network(guided_logits_fn=CAPPED.guided_logits_fn),
        cases.network(cases.MEMBERS[0]),
    ):
        attr.check_network(network, IMAGES)
        attr.check_network(network, IMAGES[:1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"head_fn": lambda f: 7 - 3 * pooled(f)}, r"head_fn\(features_fn.* another function than"),
        ({"head_fn": lambda f: 1.1 * pooled(f)}, "cut the same model in two"),
        ({"head_fn": lambda f: pooled(f)[:, :1]}, "returns 1 logits, and logits_fn 2"),
        ({"features_fn": lambda x: capped(x, jax.nn.relu)}, "cut the same model in two"),
        ({"features_fn": lambda x: capped(x)[:, 0]}, r"features_fn returned shape \(3, 7, 6\)"),
        ({"head_fn": None}, "one of features_fn and head_fn: give both"),
        ({"guided_logits_fn": of_act(attr.guided_relu)}, "guided_logits_fn is another function"),
        ({"guided_logits_fn": of_act(jax.nn.relu6)}, "guided_logits_fn contains no guided_relu"),
        ({"logits_fn": CAPPED.guided_logits_fn}, "logits_fn contains guided_relu"),
        ({"head_fn": lambda f: pooled(attr.guided_relu(f))}, "head_fn contains guided_relu"),
        (dict.fromkeys(attr.Network._fields), "no function: give at least logits_fn"),
    ],
)
def test_functions_that_do_not_belong_together_are_refused(
    wrong: dict[str, Model | None], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        attr.check_network(CAPPED._replace(**wrong), 3 * IMAGES)


def test_images_with_channels_first_are_a_warning() -> None:
    def channels_first(images: jax.Array) -> jax.Array:
        return logits(jnp.moveaxis(images, 1, -1))

    with pytest.warns(UserWarning, match=r"\(3, 3, 10, 14\), which looks like channels first"):
        check_model(channels_first, np.moveaxis(IMAGES, -1, 1))


@pytest.mark.parametrize("shape", [(35, 1), (1, 35), (3, 12), (36, 2)])
def test_features_of_another_shape_than_the_image_are_a_warning(shape: tuple[int, int]) -> None:
    network = attr.Network(
        features_fn=lambda images: jnp.resize(capped(images), (len(images), *shape, 6)),
        head_fn=lambda features: pooled(jnp.resize(features, (len(features), 5, 7, 6))),
        logits_fn=None,
    )
    with pytest.warns(UserWarning, match="lay the patches out as they lie in the image"):
        attr.check_network(network, IMAGES)


def test_features_with_channels_first_are_a_warning() -> None:
    network = attr.Network(
        features_fn=lambda images: jnp.moveaxis(jnp.tile(capped(images), 8), -1, 1),
        head_fn=lambda features: pooled(jnp.moveaxis(features, 1, -1)[..., :6]),
    )
    with pytest.warns(UserWarning, match=r"moveaxis\(features, 1, -1\)"):
        attr.check_network(network, IMAGES)


@pytest.mark.parametrize("features", [(1, 1), (2, 1), (1, 2), (7, 7), (5, 8), (14, 21)])
def test_features_that_are_smaller_images_give_no_warning(features: tuple[int, int]) -> None:
    network = attr.Network(
        features_fn=lambda images: jax.image.resize(images, (len(images), *features, 3), "linear"),
        head_fn=lambda features: features.mean((1, 2)),
    )
    attr.check_network(network, np.ones((2, 10, 14, 3), np.float32))


def test_a_spectrogram_of_one_row_is_no_column_of_tokens() -> None:
    network = attr.Network(features_fn=lambda images: images, head_fn=logits)
    attr.check_network(network, np.ones((2, 1, 20, 3), np.float32))
