"""Models are built by name."""

import jax
import jax.numpy as jnp
import pytest

from jaxens.models import MODELS, VGG, build


@pytest.mark.parametrize("name", MODELS)
def test_build_threads_its_arguments(name: str) -> None:
    def convolution(*args: object, **kwargs: object) -> jax.Array:
        return jax.lax.conv_general_dilated(*args, **kwargs)

    model = build(name, [["bill", 3]], jnp.bfloat16, convolution)
    assert model.tasks == (("bill", 3),)
    assert model.dtype == jnp.bfloat16
    assert model.conv_general_dilated is convolution


def test_vgg16_is_the_light_one() -> None:
    light, full = build("vgg16", [("bill", 3)]), build("vgg16-full", [("bill", 3)])
    assert isinstance(light, VGG)
    assert isinstance(full, VGG)
    assert (light.full_classifier, full.full_classifier) == (False, True)


def test_equal_models_are_one_key_of_a_cache() -> None:
    """So `jit` compiles once for models that are built with the same settings."""
    one, other = (build("small", [("bill", 3)]) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)


def test_a_near_miss_of_an_unknown_name_is_named() -> None:
    message = r"unknown model 'resnet51': did you mean resnet50"
    with pytest.raises(ValueError, match=message):
        build("resnet51", [("bill", 3)])
