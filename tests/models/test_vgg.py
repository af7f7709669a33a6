"""VGG16's head, dropout, size and smallest image."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.models import VGG
from tests.models.material import shapes_of, variables_of

pytestmark = pytest.mark.slow

TASKS = (("species", 5),)


def test_the_light_head_is_a_dense_layer_on_the_mean_feature() -> None:
    model = VGG(TASKS)
    features = np.random.default_rng(3).normal(size=(2, 3, 2, 512)).astype(np.float32)
    variables = model.init(jax.random.key(0), features, method="head")
    layer = jax.tree.map(np.asarray, variables["params"]["heads"]["species"])
    expected = features.mean(axis=(1, 2)) @ layer["kernel"] + layer["bias"]
    logits = model.apply(variables, features, method="head")["species"]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def dropout() -> Callable[[bool, int], jax.Array]:
    model = VGG(TASKS, full_classifier=True, hidden=64)
    variables, features = variables_of(model), jnp.ones((1, 2, 2, 512))
    return lambda train, seed: model.apply(
        variables, features, train, method="head", rngs={"dropout": jax.random.key(seed)}
    )["species"]


def test_dropout_acts_in_training_only() -> None:
    logits = dropout()
    np.testing.assert_array_equal(logits(False, 0), logits(False, 1))
    np.testing.assert_array_equal(logits(True, 0), logits(True, 0))
    assert np.all(logits(True, 0) != logits(True, 1))
    assert np.all(logits(True, 0) != logits(False, 0))


def test_dropout_drops_half_of_both_hidden_layers_and_doubles_the_rest() -> None:
    """Every unit of fc6 is 1; fc7 and the head are identities, so the logits show both dropouts."""
    units = 400
    model = VGG((("unit", units),), full_classifier=True, hidden=units)
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
    model = VGG((("imagenet", 1000),), full_classifier=True)
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
def test_images_below_32_pixels_raise(full: bool) -> None:
    with pytest.raises(ValueError, match="at least 32x32 pixels, got 64x31"):
        jax.eval_shape(
            VGG(TASKS, full_classifier=full).init, jax.random.key(0), jnp.zeros((1, 64, 31, 3))
        )
