"""Several methods in one program: each one's own maps, and nothing computed twice."""

import jax
import numpy as np
import pytest

from jaxens import attribution as attr
from tests.attribution import cases
from tests.attribution.cases import IMAGES, KEYS, MEMBERS, TARGETS
from tests.reference import networks

pytestmark = pytest.mark.slow

VGG = networks.vgg(3)
NETWORK = attr.Network(
    VGG.logits_fn(), VGG.features_fn(), VGG.head_fn(), VGG.logits_fn(attr.guided_relu)
)


def test_several_methods_give_each_ones_own_maps() -> None:
    methods = {
        "integrated_gradients": {"steps": 3, "reduce": "sum_abs"},
        "grad_cam": {},
        "smooth_grad": {"key": KEYS, "samples": 2},
    }
    network = cases.network(MEMBERS[0])

    @jax.jit
    def alone(images: jax.Array) -> dict[str, jax.Array]:
        return {
            method: attr.attribute(method, network, images, TARGETS, **settings)
            for method, settings in methods.items()
        }

    maps = attr.explain(methods, network, IMAGES, TARGETS)
    assert maps.keys() == methods.keys()
    for method, own in alone(IMAGES).items():
        np.testing.assert_allclose(maps[method], own, atol=1e-5 * np.abs(own).max())


def test_a_mistake_in_one_of_several_is_named() -> None:
    methods = {"saliency": {}, "lime": {"key": KEYS}}
    with pytest.raises(ValueError, match="lime needs segments"):
        attr.explain(methods, cases.network(MEMBERS[0]), IMAGES, TARGETS)


THERE, BACK = 3, 3  # the convolutions of one pass through the network, and of one back


@pytest.mark.parametrize(
    ("methods", "convolutions"),
    [
        (["saliency"], THERE + BACK),
        (["saliency", "input_x_gradient"], THERE + BACK),
        (["guided_backprop", "guided_grad_cam"], THERE + BACK),
        (["grad_cam", "guided_grad_cam"], THERE + BACK),
        (["saliency", "grad_cam"], THERE + BACK),
        (["saliency", "guided_backprop"], THERE + 2 * BACK),
        (
            ["saliency", "input_x_gradient", "grad_cam", "guided_backprop", "guided_grad_cam"],
            THERE + 2 * BACK,
        ),
    ],
)
def test_what_methods_have_in_common_is_computed_once(
    methods: list[str], convolutions: int
) -> None:
    settings: dict[str, dict] = {method: {} for method in methods}
    explain = jax.jit(lambda images: attr.explain(settings, NETWORK, images, 1))
    program = explain.lower(IMAGES).compile().as_text()
    assert program.count(" convolution(") == convolutions
