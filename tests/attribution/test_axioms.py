"""What the literature asks of attributions; a method that joins the table is enrolled.

Completeness of integrated gradients and the methods' reductions to one another stand next to
each method.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cases, cnn
from tests.attribution.cases import IMAGES, KEYS, MEMBERS, TARGETS, of_members

pytestmark = pytest.mark.slow


def of_network(method: str, network: attr.Network) -> jax.Array:
    """As `cases.explain`, for another network."""
    settings = cases.settings(method, KEYS, len(IMAGES))
    explain = partial(attr.attribute, method, network, targets=TARGETS, **settings)
    return jax.jit(explain)(images=IMAGES)


def assert_same(maps: jax.Array, expected: jax.Array, tolerance: float = 1e-5) -> None:
    """Relative to the largest attribution."""
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(maps, expected, atol=tolerance * np.abs(expected).max())


def methods_where(holds: Callable[[attr.Method], bool]) -> pytest.MarkDecorator:
    names = [name for name, row in attr.METHODS.items() if holds(row)]
    assert names
    return pytest.mark.parametrize("method", names)


def guided(row: attr.Method) -> bool:
    """Whether the ReLUs of a model count, and not its function alone."""
    return "guided_logits_fn" in row.needs


every_method = methods_where(lambda row: True)


@every_method
def test_identical_members_have_equal_maps(method: str) -> None:
    maps = np.asarray(of_members(method, [MEMBERS[0]] * 3))
    assert np.ptp(maps, axis=0).max() <= 1e-6 * np.abs(maps).max()


@every_method
def test_permuted_members_have_permuted_maps(method: str) -> None:
    order = [2, 0, 1]
    maps = of_members(method, MEMBERS)
    permuted = of_members(method, [MEMBERS[member] for member in order])
    assert_same(permuted, maps[np.array(order)], 1e-6)
    assert np.abs(maps[0] - maps[1]).max() > 0.01 * np.abs(maps).max()


@methods_where(lambda row: not guided(row))
def test_models_that_are_the_same_function_have_the_same_maps(method: str) -> None:
    """Implementation invariance (Sundararajan et al. 2017)."""
    assert_same(of_network(method, rewritten(MEMBERS[0])), cases.explain(method, MEMBERS[0]))


def rewritten(params: cnn.Params) -> attr.Network:
    """The network without a convolution, a window, or `jax.nn.relu`."""

    def relu(x: jax.Array) -> jax.Array:
        return jnp.where(x > 0, x, 0)

    def convolve(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
        rows, columns = x.shape[1:3]
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        shifted = [
            x[:, i : i + rows : stride, j : j + columns : stride] @ kernel[i, j]
            for i in range(3)
            for j in range(3)
        ]
        return sum(shifted[1:], shifted[0])

    def features(images: jax.Array) -> jax.Array:
        x = relu(convolve(images, params["kernel1"], 1) + cnn.per_channel(params["bias1"]))
        x = x.reshape(len(x), 5, 2, 7, 2, -1).max(axis=(2, 4))
        return relu(convolve(x, params["kernel2"], 2) + cnn.per_channel(params["bias2"]))

    def head(features: jax.Array) -> jax.Array:
        kernel = params["kernel3"].reshape(*features.shape[1:], cnn.CLASSES)
        return jnp.einsum("nhwc,hwck->nk", features, kernel) + params["bias3"][None]

    return attr.Network(lambda images: head(features(images)), features, head)


@methods_where(lambda row: not row.regions)
def test_pixels_that_the_model_does_not_see_have_none(method: str) -> None:
    """Dummy, or sensitivity (b) (Sundararajan et al. 2017)."""
    seen = np.zeros(IMAGES.shape[1:], np.float32)
    seen[2:9, 3:8] = 1

    def masked(model: Model) -> Model:
        return lambda images: model(images * seen[None])

    whole = cases.network(MEMBERS[0])
    blind = whole._replace(
        logits_fn=masked(whole.logits_fn),
        features_fn=masked(whole.features_fn),
        guided_logits_fn=masked(whole.guided_logits_fn),
    )
    maps = of_network(method, blind)
    assert not maps[:, seen[..., 0] == 0].any()
    assert np.mean(maps[:, seen[..., 0] == 1] != 0) > 0.3


@pytest.mark.parametrize("targets", [1, TARGETS, attr.Contrast(TARGETS, 1)])
def test_without_biases_input_x_gradient_is_complete_and_the_integrated_gradient(
    targets: attr.Targets,
) -> None:
    """Such a network is homogeneous: its gradient is the same on all of the line from zero."""
    unbiased = {name: leaf * 0 if "bias" in name else leaf for name, leaf in MEMBERS[0].items()}
    model = partial(cnn.logits, unbiased)

    @jax.jit
    def maps(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        return (
            attr.input_x_gradient(model, images, targets),
            attr.integrated_gradients(model, images, targets, steps=3),
        )

    plain, integrated = maps(IMAGES)
    explained = attr.select(model(IMAGES), targets)
    np.testing.assert_allclose(plain.sum((1, 2, 3)), explained, rtol=1e-4, atol=1e-6)
    assert_same(integrated, plain)


def test_a_unit_that_is_saturated_counts_for_integrated_gradients_alone() -> None:
    """Sensitivity (a): 1 - relu(1 - x), from 0 to 2 (Sundararajan et al. 2017, section 2.1)."""

    def saturated(images: jax.Array) -> jax.Array:
        return 1 - jax.nn.relu(1 - images[:, 0, 0])

    image = np.full((1, 1, 1, 1), 2, np.float32)
    assert not attr.saliency(saturated, image, 0).any()
    assert not attr.input_x_gradient(saturated, image, 0).any()
    integrated = jax.jit(partial(attr.integrated_gradients, saturated))(image, 0)
    np.testing.assert_allclose(integrated, 1, atol=0.02)


@pytest.mark.parametrize(
    ("method", "most"),
    [("grad_cam", 2), ("saliency", 6), ("integrated_gradients", 6)],
)
def test_a_trunk_that_members_share_is_computed_once(method: str, most: float) -> None:
    """Eight members: Grad-CAM adds their heads, a gradient their way back through the trunk."""
    trunk = MEMBERS[0]

    def one(kernel: jax.Array, images: jax.Array) -> jax.Array:
        network = cases.network(trunk | {"kernel3": kernel})
        settings = cases.settings(method, KEYS, len(IMAGES))
        return attr.attribute(method, network, images, TARGETS, **settings)

    def work(members: int) -> float:
        ensemble = jax.jit(jax.vmap(one, (0, None)))
        kernels = jnp.stack([trunk["kernel3"]] * members)
        return ensemble.lower(kernels, IMAGES).compile().cost_analysis()["flops"]

    assert work(8) < most * work(1)
