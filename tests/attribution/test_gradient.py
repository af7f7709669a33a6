import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cases, cnn

IMAGES = cnn.sample_images(3, 2)
WEIGHTS = np.random.default_rng(1).normal(size=(10, 14, 2, 4)).astype(np.float32)


def linear(images: jax.Array) -> jax.Array:
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS) + 7


def test_saliency_of_a_linear_model_is_its_absolute_weights() -> None:
    maps = attr.saliency(linear, IMAGES, np.array([0, 3, 3]))
    expected = np.abs(np.moveaxis(WEIGHTS[..., [0, 3, 3]], -1, 0))
    np.testing.assert_allclose(maps, expected, rtol=1e-6)


def test_input_x_gradient_of_a_linear_model_is_each_inputs_part_of_the_logit() -> None:
    maps = attr.input_x_gradient(linear, IMAGES, 1)
    np.testing.assert_allclose(maps, IMAGES * WEIGHTS[..., 1], rtol=1e-6)
    np.testing.assert_allclose(maps.sum((1, 2, 3)) + 7, linear(IMAGES)[:, 1], rtol=1e-5)


@pytest.mark.slow
def test_an_image_is_explained_alike_alone_and_among_others(network: Model) -> None:
    images = cnn.sample_images(3)
    together = attr.saliency(network, images, np.array([0, 1, 2]))
    alone = attr.saliency(network, images[1:2], 1)
    np.testing.assert_allclose(together[1:2], alone, atol=1e-6)


def test_a_model_that_gives_nan_for_an_image_gives_it_a_map_of_nan() -> None:
    def diverged(images: jax.Array) -> jax.Array:
        # Its units are off, so that its gradient would be 0.
        return jax.nn.relu(images - 100).sum((1, 2)) + jnp.array([[0.0], [jnp.nan], [0.0]])

    maps = attr.saliency(diverged, IMAGES, 0)
    assert jnp.isnan(maps[1]).all()
    assert not maps[::2].any()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[0], r"shape \(10, 14, 2\): give \[image, height, width, channel\]"),
        (np.zeros((1, 10, 14, 2), np.uint8), "type uint8: give the floating-point images"),
    ],
)
@pytest.mark.parametrize("method", attr.METHODS)
@pytest.mark.usefixtures("unchecked")
def test_images_that_are_none_are_refused(method: str, images: np.ndarray, message: str) -> None:
    settings = cases.settings(method, jax.random.key(0), 1)
    with pytest.raises(ValueError, match=message):
        attr.attribute(method, attr.Network(*(linear,) * 4), images, 0, **settings)


@pytest.mark.parametrize(
    ("model", "shape"),
    [(lambda images: images.sum((1, 2, 3)), r"\(3,\)"), (lambda images: images, r"\(3, 10,")],
)
def test_a_model_that_gives_no_logits_is_refused(model: Model, shape: str) -> None:
    with pytest.raises(ValueError, match=f"shape {shape}.* return logits of shape"):
        attr.saliency(model, IMAGES, 0)
