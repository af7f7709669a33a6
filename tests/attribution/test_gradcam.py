import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.targets import Model

FEATURES = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)


def pooled(features: jax.Array) -> jax.Array:
    return features.mean(axis=(1, 2)) @ WEIGHTS


def test_behind_global_pooling_it_is_the_class_activation_map() -> None:
    """CAM (Zhou et al. 2016), divided by the number of places: theirs sums, ours averages."""
    maps = attr.grad_cam(lambda images: images, pooled, FEATURES, np.array([4, 1]))
    cam = np.stack([FEATURES[0] @ WEIGHTS[:, 4], FEATURES[1] @ WEIGHTS[:, 1]])
    np.testing.assert_allclose(maps, cam / 12, atol=1e-6)
    np.testing.assert_allclose(maps.sum((1, 2))[0], pooled(FEATURES)[0, 4], rtol=1e-5)


def test_the_trunk_is_not_differentiated() -> None:
    @jax.custom_vjp
    def trunk(images: jax.Array) -> jax.Array:
        return images

    def fail(*_: jax.Array) -> None:
        raise AssertionError("the gradient stops at the features")

    trunk.defvjp(fail, fail)
    maps = attr.grad_cam(trunk, pooled, FEATURES, 0)
    assert maps.shape == (2, 3, 4)


def test_sums_keep_the_images_precision_where_features_are_bfloat16() -> None:
    coarse = jnp.asarray(FEATURES, jnp.bfloat16)
    maps = attr.grad_cam(
        lambda images: images.astype(jnp.bfloat16),
        lambda features: features.mean(axis=(1, 2)) @ jnp.asarray(WEIGHTS, jnp.bfloat16),
        FEATURES,
        1,
    )
    assert maps.dtype == jnp.float32
    slope = jnp.asarray(WEIGHTS[:, 1], jnp.bfloat16) / jnp.bfloat16(12)
    expected = np.asarray(coarse, np.float64) @ np.asarray(slope, np.float64)
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("features_fn", "message"),
    [
        (lambda x: x.mean(axis=(1, 2)), r"shape \(2, 6\), .* Grad-CAM needs a feature map"),
        (lambda x: x.astype(int), "type int32: Grad-CAM needs a feature map of floats"),
        (lambda x: x[:1], r"returned 1 feature maps for 2 images, shape \(1, 3, 4, 6\)"),
        (lambda x: jnp.concatenate([x, x]), "returned 4 feature maps for 2 images"),
        (
            lambda x: (x, {}),
            r"returned a tuple: return the array .* \(2, height, width, features\)",
        ),
        (lambda x: None, "returned a NoneType: return the array"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_feature_map_for_each_image_is_refused(features_fn: Model, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attr.grad_cam(features_fn, pooled, FEATURES, 0)
