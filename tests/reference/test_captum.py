"""Attributions equal Captum's on the same network, for the same draws."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import pytest
import torch
from captum import attr as captum
from captum.attr._utils.approximation_methods import approximation_parameters

from jaxens import attribution as attr
from tests.reference import twins

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")

TARGETS = {
    "one class": 2,
    "a class for each image": np.array([4, 0, 1]),
    "a contrast": attr.Contrast(3, 1),
}


class Pair:
    """The network on both sides, images for it, and what to explain."""

    def __init__(self, channels: int, targets: object) -> None:
        self.images = twins.sample_images(3, channels)
        self.torch_images = twins.to_torch(self.images)
        self.targets = targets
        self.net = twins.TorchNet(channels).eval()
        params = twins.params_of(self.net)
        self.features_fn = partial(twins.features, params)
        self.head_fn = partial(twins.head, params)
        self.logits_fn = partial(twins.logits, params)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits; or a contrast as the only logit."""
        logits = self.net(images)
        if isinstance(self.targets, attr.Contrast):
            return (logits[:, self.targets.target] - logits[:, self.targets.against])[:, None]
        return logits

    def ours(self, method: Callable[..., jax.Array], **settings: object) -> jax.Array:
        explain = partial(method, self.logits_fn, **settings)
        return jax.jit(explain)(self.images, self.targets)

    @property
    def torch_target(self) -> int | torch.Tensor:
        if isinstance(self.targets, attr.Contrast):
            return 0
        return torch.as_tensor(self.targets)


@pytest.fixture(
    params=[(3, name) for name in TARGETS] + [(1, "one class"), (4, "one class")],
    ids=lambda case: f"{case[0]} channels, {case[1]}",
    scope="module",
)
def pair(request: pytest.FixtureRequest) -> Pair:
    channels, targets = request.param
    return Pair(channels, TARGETS[targets])


def assert_equal(ours: jax.Array, captums: torch.Tensor) -> None:
    """Relative to the largest attribution."""
    theirs = twins.from_torch(captums)
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 1e-3
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_the_twins_give_the_same_logits(pair: Pair) -> None:
    ours = pair.logits_fn(pair.images)
    np.testing.assert_allclose(ours, pair.net(pair.torch_images).detach(), atol=1e-5)


def test_saliency(pair: Pair) -> None:
    theirs = captum.Saliency(pair.forward).attribute(pair.torch_images, pair.torch_target)
    assert_equal(pair.ours(attr.saliency), theirs)


def test_input_x_gradient(pair: Pair) -> None:
    theirs = captum.InputXGradient(pair.forward).attribute(pair.torch_images, pair.torch_target)
    assert_equal(pair.ours(attr.input_x_gradient), theirs)


def test_integrated_gradients_with_the_defaults(pair: Pair) -> None:
    theirs, delta = captum.IntegratedGradients(pair.forward).attribute(
        pair.torch_images, target=pair.torch_target, return_convergence_delta=True
    )
    ours = pair.ours(attr.integrated_gradients)
    assert_equal(ours, theirs)
    our_delta = attr.convergence_delta(pair.logits_fn, ours, pair.images, pair.targets)
    np.testing.assert_allclose(our_delta, delta, atol=1e-5)


@pytest.mark.parametrize("quadrature", attr.QUADRATURES)
def test_integrated_gradients_with_each_quadrature_from_own_baselines(quadrature: str) -> None:
    pair = Pair(3, TARGETS["a class for each image"])
    baselines, steps = twins.sample_images(3, seed=1), 7
    theirs = captum.IntegratedGradients(pair.forward).attribute(
        pair.torch_images,
        twins.to_torch(baselines),
        target=pair.torch_target,
        n_steps=steps,
        method=quadrature,
    )
    if quadrature == "riemann_trapezoid":  # Captum's weights sum to (steps - 1) / steps
        theirs = theirs * steps / (steps - 1)
    ours = pair.ours(
        attr.integrated_gradients, baselines=baselines, steps=steps, quadrature=quadrature
    )
    assert_equal(ours, theirs)


@pytest.mark.parametrize("steps", [2, 3, 50])
@pytest.mark.parametrize("quadrature", attr.QUADRATURES)
def test_quadratures_are_captums_with_weights_that_sum_to_one(quadrature: str, steps: int) -> None:
    their_weights, their_nodes = approximation_parameters(quadrature)
    nodes, weights = attr.QUADRATURES[quadrature](steps)
    # PyTorch's linspace computes nodes in float32.
    np.testing.assert_allclose(nodes, their_nodes(steps), atol=1e-7)
    too_small = (steps - 1) / steps if quadrature == "riemann_trapezoid" else 1
    np.testing.assert_allclose(weights * too_small, their_weights(steps), rtol=1e-12)


@pytest.mark.parametrize("stdev", [0.0, 0.3])
def test_gradient_shap(pair: Pair, stdev: float, monkeypatch: pytest.MonkeyPatch) -> None:
    baselines = twins.sample_images(4, pair.images.shape[-1], seed=1)
    generator, rows = np.random.default_rng(2), (len(pair.images), 5)
    draws = attr.Draws(
        baseline=generator.integers(0, len(baselines), rows),
        alpha=generator.uniform(size=rows).astype(np.float32),
        noise=generator.normal(0, stdev, rows + pair.images.shape[1:]).astype(np.float32),
    )
    inject(draws, monkeypatch)
    theirs = captum.GradientShap(pair.forward).attribute(
        pair.torch_images,
        twins.to_torch(baselines),
        n_samples=5,
        stdevs=stdev,
        target=pair.torch_target,
    )
    assert_equal(pair.ours(attr.shap_from_draws, baselines=baselines, draws=draws), theirs)


def inject(draws: attr.Draws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Captum's generators return our draws; both sides go sample by sample, image by image."""

    def choice(count: int, size: int) -> np.ndarray:
        assert size == draws.baseline.size
        assert draws.baseline.max() < count
        return np.ravel(draws.baseline)

    def uniform(low: float, high: float, size: int) -> np.ndarray:
        assert (low, high, size) == (0, 1, draws.alpha.size)
        return np.ravel(draws.alpha)

    def normal(mean: float, std: torch.Tensor) -> torch.Tensor:
        noise = twins.to_torch(draws.noise).flatten(0, 1)
        assert noise.shape == std.shape
        return noise

    monkeypatch.setattr(np.random, "choice", choice)
    monkeypatch.setattr(np.random, "uniform", uniform)
    monkeypatch.setattr(torch, "normal", normal)


def test_grad_cam(pair: Pair) -> None:
    theirs = captum.LayerGradCam(pair.forward, pair.net.relu2).attribute(
        pair.torch_images, pair.torch_target
    )
    ours = attr.grad_cam(pair.features_fn, pair.head_fn, pair.images, pair.targets)
    assert_equal(ours[..., None], theirs)
    assert ours.min() < 0  # no ReLU


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(10, 14), (3, 4), (7, 5), (2, 3), (1, 9), (98, 98)])
def test_resize(method: str, size: tuple[int, int]) -> None:
    maps = twins.sample_images(2, 1)[:, :3, :4]
    theirs = captum.LayerAttribution.interpolate(twins.to_torch(maps), size, method)
    ours = attr.resize(maps[..., 0], size, method)
    np.testing.assert_allclose(ours, theirs[:, 0], atol=1e-6)
