"""VGG16 against PyTorch, with the same random weights."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jaxens.benchmarks.torch_models import VGG16 as TorchVGG16
from jaxens.models import VGG, from_torchvision
from jaxens.models.vgg import adaptive_average_pool
from tests.models.material import pictures, relative_error, shapes_of, to_torch
from tests.reference.randomize import randomize

TASKS = (("species", 5),)
HIDDEN = 64


@pytest.fixture(scope="module")
def theirs() -> TorchVGG16:
    model = TorchVGG16(5, HIDDEN).eval()
    randomize(model)
    return model


@pytest.fixture(scope="module")
def full(theirs: TorchVGG16) -> tuple[VGG, dict]:
    model = VGG(TASKS, full=True, hidden=HIDDEN)
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    return model, from_torchvision("vgg16-full", state, shapes_of(model))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 48)])
def test_features_and_logits_equal_pytorchs(
    full: tuple[VGG, dict], theirs: TorchVGG16, height: int, width: int
) -> None:
    model, variables = full
    images = pictures(2, height, width)
    with torch.no_grad():
        before_last_pool = theirs.features[:-1](to_torch(images)).permute(0, 2, 3, 1).numpy()
        logits = theirs(to_torch(images)).numpy()
    features = jax.jit(lambda v, x: model.apply(v, x, method="features"))(variables, images)
    assert features.shape == (2, height // 16, width // 16, 512)
    assert relative_error(features, before_last_pool) < 1e-4
    head = model.apply(variables, features, method="head")
    assert relative_error(head["species"], logits) < 1e-4


def test_the_full_head_equals_pytorchs_where_the_pool_is_uneven(
    full: tuple[VGG, dict], theirs: TorchVGG16
) -> None:
    """Features of a 272x240 image: pooled to 8x7, then averaged to 7x7."""
    model, variables = full
    features = np.random.default_rng(1).normal(size=(2, 17, 15, 512)).astype(np.float32)
    with torch.no_grad():
        pooled = theirs.avgpool(theirs.features[-1](to_torch(features)))
        logits = theirs.classifier(torch.flatten(pooled, 1)).numpy()
    head = model.apply(variables, features, method="head")
    assert relative_error(head["species"], logits) < 1e-4


@pytest.mark.parametrize("shape", [(1, 2), (7, 7), (8, 5), (13, 14), (16, 30)])
def test_adaptive_average_pool_equals_pytorchs(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(2).normal(size=(2, *shape, 3)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(to_torch(x), 7).permute(0, 2, 3, 1)
    np.testing.assert_allclose(adaptive_average_pool(x, 7), expected.numpy(), atol=1e-6)


def test_the_light_head_is_a_dense_layer_on_the_mean_feature() -> None:
    model = VGG(TASKS)
    features = np.random.default_rng(3).normal(size=(2, 3, 2, 512)).astype(np.float32)
    variables = model.init(jax.random.key(0), features, method="head")
    layer = jax.tree.map(np.asarray, variables["params"]["heads"]["species"])
    expected = features.mean(axis=(1, 2)) @ layer["kernel"] + layer["bias"]
    got = model.apply(variables, features, method="head")["species"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def dropout(full: tuple[VGG, dict]) -> Callable[[bool, int], jax.Array]:
    model, variables = full
    features = jnp.ones((1, 2, 2, 512))
    return lambda train, seed: model.apply(
        variables, features, train, method="head", rngs={"dropout": jax.random.key(seed)}
    )["species"]


def test_dropout_acts_in_training_only(full: tuple[VGG, dict]) -> None:
    logits = dropout(full)
    np.testing.assert_array_equal(logits(False, 0), logits(False, 1))
    np.testing.assert_array_equal(logits(True, 0), logits(True, 0))
    assert np.all(logits(True, 0) != logits(True, 1))
    assert np.all(logits(True, 0) != logits(False, 0))


def test_dropout_drops_half_of_both_hidden_layers_and_doubles_the_rest() -> None:
    """Every unit of fc6 is 1; fc7 and the head pass each unit on, so the logits show both."""
    units = 400
    model = VGG((("unit", units),), full=True, hidden=units)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes_of(model))["params"]
    params["neck"]["fc6"]["bias"] += 1
    params["neck"]["fc7"]["kernel"] += jnp.eye(units)
    params["heads"]["unit"]["kernel"] += jnp.eye(units)
    rngs = {"dropout": jax.random.key(0)}
    features = jnp.ones((1, 2, 2, 512))
    logits = model.apply({"params": params}, features, True, method="head", rngs=rngs)["unit"]
    assert set(np.unique(logits)) == {0, 4}
    assert np.mean(logits == 4) == pytest.approx(1 / 4, abs=0.07)


def test_it_has_torchvisions_number_of_parameters() -> None:
    model = VGG((("imagenet", 1000),), full=True)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes_of(model)["params"])) == 138_357_544


def test_features_of_224_pixels_are_14_by_14() -> None:
    model = VGG(TASKS)
    features, _ = jax.eval_shape(
        lambda key, x: model.init_with_output(key, x, method="features"),
        jax.random.key(0),
        jnp.zeros((1, 224, 224, 3)),
    )
    assert features.shape == (1, 14, 14, 512)


@pytest.mark.parametrize("full", [False, True])
def test_images_below_32_pixels_are_told(full: bool) -> None:
    with pytest.raises(ValueError, match="at least 32x32 pixels, got 64x31"):
        jax.eval_shape(VGG(TASKS, full=full).init, jax.random.key(0), jnp.zeros((1, 64, 31, 3)))
