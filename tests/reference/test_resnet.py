"""ResNets against PyTorch, with the same random weights and batch statistics."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax.traverse_util import flatten_dict

from jaxens.benchmarks.torch_models import ResNet as TorchResNet
from jaxens.models import ResNet, from_state_dict
from tests.attribution.cnn import sample_images
from tests.models.material import relative_error, shapes_of
from tests.reference.randomize import randomize
from tests.reference.twins import to_torch

pytestmark = pytest.mark.slow

CLASSES = 7


SHAPES = {
    "resnet18": {},
    "resnet34": {"blocks": (3, 4, 6, 3)},
    "resnet50": {"blocks": (3, 4, 6, 3), "bottleneck": True},
}


def pair(width: int, name: str = "resnet18") -> tuple[ResNet, dict, TorchResNet]:
    theirs = TorchResNet(CLASSES, width, **SHAPES[name])
    state = randomize(theirs)
    ours = ResNet((("species", CLASSES),), width=width, **SHAPES[name])
    return ours, from_state_dict(name, state, shapes_of(ours)), theirs


@pytest.mark.parametrize(
    ("name", "channels", "height", "width"),
    [
        ("resnet18", 64, 64, 48),
        ("resnet18", 64, 33, 65),
        ("resnet34", 16, 64, 48),
        ("resnet50", 16, 33, 65),
    ],
)
def test_features_and_logits_equal_pytorchs(
    name: str, channels: int, height: int, width: int
) -> None:
    ours, variables, theirs = pair(channels, name)
    theirs.eval()
    images = sample_images(2, size=(height, width))
    with torch.no_grad():
        features = theirs.features(to_torch(images)).permute(0, 2, 3, 1).numpy()
        logits = theirs(to_torch(images)).numpy()
    ours_features = jax.jit(lambda v, x: ours.apply(v, x, method="features"))(variables, images)
    assert ours_features.shape == features.shape
    assert relative_error(ours_features, features) < 1e-4
    head = ours.apply(variables, ours_features, method="head")
    assert relative_error(head["species"], logits) < 1e-4


class Step(NamedTuple):
    """A forward and backward pass with the batch's statistics."""

    logits: np.ndarray
    gradients: dict
    means: dict  # by the norm's name in PyTorch
    variances: dict


class Steps(NamedTuple):
    ours: Step
    theirs: Step
    variances_before: dict
    values_per_channel: dict[str, int]  # of each norm


@pytest.fixture(scope="module")
def steps() -> Steps:
    ours, variables, theirs = pair(width=16)
    images, labels = sample_images(4, size=(64, 48)), np.array([0, 3, 6, 3])

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def step(params: dict) -> tuple[jax.Array, tuple]:
        logits, new = ours.apply(
            {**variables, "params": params}, images, True, mutable=["batch_stats"]
        )
        chosen = jax.nn.log_softmax(logits["species"])[jnp.arange(4), labels]
        return -chosen.mean(), (logits["species"], new["batch_stats"])

    gradients, (logits, statistics) = step(variables["params"])

    sizes = record_sizes(theirs)
    their_logits = theirs.train()(to_torch(images))
    torch.nn.functional.cross_entropy(their_logits, torch.from_numpy(labels)).backward()
    # Gradients and new statistics, by torchvision's names, go the way of the weights.
    new = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    slopes = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    expected = from_state_dict("resnet18", new | slopes, variables)
    return Steps(
        Step(logits, gradients, by_norm(statistics, "mean"), by_norm(statistics, "var")),
        Step(
            their_logits.detach().numpy(),
            expected["params"],
            by_norm(expected["batch_stats"], "mean"),
            by_norm(expected["batch_stats"], "var"),
        ),
        by_norm(variables["batch_stats"], "var"),
        sizes,
    )


def record_sizes(model: torch.nn.Module) -> dict[str, int]:
    """The number of values per channel that each norm sees, filled when the model runs."""
    sizes: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _, x, y, name=name: sizes.update({name: y.numel() // y.shape[1]})
            )
    return sizes


def by_norm(statistics: dict, leaf: str) -> dict[str, np.ndarray]:
    """The means or variances of a tree by the norm's name in PyTorch."""
    return {
        ".".join(path[1:-1]).replace("_", "."): np.asarray(value)
        for path, value in flatten_dict(statistics).items()
        if path[-1] == leaf
    }


def test_training_logits_equal_pytorchs(steps: Steps) -> None:
    assert relative_error(steps.ours.logits, steps.theirs.logits) < 1e-4


def test_gradients_equal_pytorchs(steps: Steps) -> None:
    errors = jax.tree.map(relative_error, steps.ours.gradients, steps.theirs.gradients)
    assert max(jax.tree.leaves(errors)) < 1e-3, errors


def test_running_means_equal_pytorchs(steps: Steps) -> None:
    for norm, expected in steps.theirs.means.items():
        assert relative_error(steps.ours.means[norm], expected) < 1e-4, norm


def test_running_variances_equal_pytorchs_but_for_its_unbiased_factor(steps: Steps) -> None:
    assert len(steps.values_per_channel) == 20
    for norm, n in steps.values_per_channel.items():
        old, unbiased = 0.9 * steps.variances_before[norm], steps.theirs.variances[norm]
        expected = old + (unbiased - old) * (n - 1) / n
        assert relative_error(steps.ours.variances[norm], expected) < 1e-5, norm
        assert relative_error(steps.ours.variances[norm], unbiased) > 2e-5, norm
