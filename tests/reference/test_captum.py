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
from tests.attribution import cnn
from tests.reference import networks, twins

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")

ignore_hooks = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")

TARGETS = {
    "one class": 2,
    "a class for each image": np.array([4, 0, 1]),
    "a contrast": attr.Contrast(3, 1),
    "a function": lambda logits: logits[:, 0] * logits[:, 3],
}


class Case:
    """A network on both sides, images for it, and what to explain."""

    def __init__(
        self, network: str, channels: int, targets: str, size: tuple[int, int] = (10, 14)
    ) -> None:
        self.pair = networks.network(network, channels)
        self.images = cnn.sample_images(3, channels, size=size)
        self.baselines = cnn.sample_images(4, channels, seed=1, size=size)
        self.torch_images = twins.to_torch(self.images)
        self.targets = TARGETS[targets]
        self.logits_fn = self.pair.logits_fn()
        self.forward = self.pair.net
        self.torch_target = self.targets
        if isinstance(self.targets, attr.Contrast) or callable(self.targets):
            self.forward, self.torch_target = Explained(self.pair.net, self.targets), 0
        self.torch_target = torch.as_tensor(self.torch_target)

    def ours(self, method: Callable[..., jax.Array], **settings: object) -> jax.Array:
        return method(self.logits_fn, self.images, self.targets, **settings)

    def theirs(self, explainer: type, **settings: object) -> torch.Tensor:
        explain = explainer(self.forward).attribute
        return explain(self.torch_images, target=self.torch_target, **settings)


class Explained(torch.nn.Module):
    """A contrast, or a function of the logits, as the only logit."""

    def __init__(self, net: torch.nn.Module, targets: object) -> None:
        super().__init__()
        self.net, self.targets = net, targets

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.net(images)
        if isinstance(self.targets, attr.Contrast):
            return (logits[:, self.targets.target] - logits[:, self.targets.against])[:, None]
        return self.targets(logits)[:, None]


CASES = [
    ("plain CNN", 3, "one class"),
    ("plain CNN", 3, "a contrast"),
    ("plain CNN", 1, "a class for each image"),
    ("plain CNN", 4, "a function"),
    ("ResNet", 3, "one class"),
    ("ResNet", 3, "a contrast"),
    ("ResNet", 3, "a function", (13, 9)),
    ("VGG", 3, "a class for each image"),
    ("VGG", 3, "a contrast"),
]


@pytest.fixture(params=CASES, ids=lambda case: ", ".join(map(str, case)), scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


def assert_equal(ours: jax.Array, captums: torch.Tensor) -> None:
    """Relative to the largest attribution."""
    theirs = twins.from_torch(captums)
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 1e-3
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_the_twins_give_the_same_logits(case: Case) -> None:
    theirs = case.pair.net(case.torch_images).detach().numpy()
    np.testing.assert_allclose(case.logits_fn(case.images), theirs, atol=1e-5)


def test_saliency(case: Case) -> None:
    assert_equal(case.ours(attr.saliency), case.theirs(captum.Saliency))


def test_input_x_gradient(case: Case) -> None:
    assert_equal(case.ours(attr.input_x_gradient), case.theirs(captum.InputXGradient))


def test_integrated_gradients_with_the_defaults(case: Case) -> None:
    theirs, delta = case.theirs(captum.IntegratedGradients, return_convergence_delta=True)
    ours = case.ours(attr.integrated_gradients)
    assert_equal(ours, theirs)
    our_delta = attr.convergence_delta(case.logits_fn, ours, case.images, case.targets)
    np.testing.assert_allclose(our_delta, delta, atol=1e-5)


@pytest.mark.parametrize("network", networks.NETWORKS)
@pytest.mark.parametrize("quadrature", attr.QUADRATURES)
def test_integrated_gradients_with_each_quadrature_from_own_baselines(
    network: str, quadrature: str
) -> None:
    case = Case(network, 3, "a class for each image")
    baselines, steps = cnn.sample_images(3, seed=1), 7
    theirs = case.theirs(
        captum.IntegratedGradients,
        baselines=twins.to_torch(baselines),
        n_steps=steps,
        method=quadrature,
    )
    if quadrature == "riemann_trapezoid":  # Captum's weights sum to (steps - 1) / steps
        theirs = theirs * steps / (steps - 1)
    ours = case.ours(
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
def test_gradient_shap(case: Case, stdev: float, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, rows = np.random.default_rng(2), (len(case.images), 5)
    noise = generator.normal(0, stdev, rows + case.images.shape[1:]).astype(np.float32)
    draws = attr.ShapDraws(
        baseline=generator.integers(0, len(case.baselines), rows),
        alpha=generator.uniform(size=rows).astype(np.float32),
        noise=noise if stdev else noise[..., :1, :1, :1],  # as `shap_draws` has it
    )
    inject_choices(draws, monkeypatch)
    inject_noise(noise, monkeypatch)
    theirs = case.theirs(
        captum.GradientShap, baselines=twins.to_torch(case.baselines), n_samples=5, stdevs=stdev
    )
    assert_equal(case.ours(attr.shap_from_draws, baselines=case.baselines, draws=draws), theirs)


def inject_choices(draws: attr.ShapDraws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Captum's generators return our draws; both sides go sample by sample, image by image."""

    def choice(count: int, size: int) -> np.ndarray:
        assert size == draws.baseline.size
        assert draws.baseline.max() < count
        return np.ravel(draws.baseline)

    def uniform(low: float, high: float, size: int) -> np.ndarray:
        assert (low, high, size) == (0, 1, draws.alpha.size)
        return np.ravel(draws.alpha)

    monkeypatch.setattr(np.random, "choice", choice)
    monkeypatch.setattr(np.random, "uniform", uniform)


def inject_noise(noise: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def normal(mean: float, std: torch.Tensor) -> torch.Tensor:
        drawn = twins.to_torch(noise).flatten(0, 1)
        assert drawn.shape == std.shape
        return drawn

    monkeypatch.setattr(torch, "normal", normal)


NOISY = {
    "smoothgrad": (attr.smooth_grad_from_draws, attr.input_x_gradient, captum.InputXGradient),
    "vargrad": (attr.var_grad_from_draws, attr.saliency, captum.Saliency),
}


@pytest.mark.parametrize("kind", NOISY)
def test_smooth_grad_and_var_grad(case: Case, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from_draws, ours, theirs = NOISY[kind]
    shape = (len(case.images), 5, *case.images.shape[1:])
    draws = np.random.default_rng(3).normal(0, 0.5, shape).astype(np.float32)
    inject_noise(draws, monkeypatch)
    tunnel = captum.NoiseTunnel(theirs(case.forward)).attribute(
        case.torch_images, kind, nt_samples=5, stdevs=0.5, target=case.torch_target
    )
    assert_equal(case.ours(partial(from_draws, ours), draws=draws), tunnel)


def test_grad_cam(case: Case) -> None:
    theirs = captum.LayerGradCam(case.forward, case.pair.layer).attribute(
        case.torch_images, case.torch_target
    )
    halves = case.pair.features_fn(), case.pair.head_fn()
    ours = attr.grad_cam(*halves, case.images, case.targets)
    assert_equal(ours[..., None], theirs)
    assert ours.min() < 0  # no ReLU


@ignore_hooks
def test_guided_backprop(case: Case) -> None:
    guided = case.pair.logits_fn(attr.guided_relu)
    ours = attr.guided_backprop(guided, case.images, case.targets)
    assert_equal(ours, case.theirs(captum.GuidedBackprop))
    unguided = case.ours(attr.input_x_gradient) / case.images
    assert np.abs(ours - unguided).max() > 0.1 * np.abs(ours).max()


@ignore_hooks
def test_guided_grad_cam(case: Case) -> None:
    theirs = captum.GuidedGradCam(case.forward, case.pair.layer).attribute(
        case.torch_images, case.torch_target
    )
    models = case.pair.logits_fn(attr.guided_relu), case.pair.features_fn(), case.pair.head_fn()
    ours = attr.guided_grad_cam(*models, case.images, case.targets)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(10, 14), (3, 4), (7, 5), (2, 3), (1, 9), (98, 98)])
def test_resize(method: str, size: tuple[int, int]) -> None:
    maps = cnn.sample_images(2, 1)[:, :3, :4]
    theirs = captum.LayerAttribution.interpolate(twins.to_torch(maps), size, method)
    ours = attr.resize(maps[..., 0], size, method)
    np.testing.assert_allclose(ours, theirs[:, 0], atol=1e-6)
