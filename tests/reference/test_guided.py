"""Guided backpropagation of our models against PyTorch."""

from functools import partial

import jax
import numpy as np
import pytest
import torch

from jaxens import attribution as attr
from jaxens import models
from jaxens.benchmarks.torch_models import ResNet as TorchResNet
from tests.attribution.cnn import sample_images
from tests.models.material import shapes_of
from tests.reference import twins
from tests.reference.randomize import randomize

pytestmark = pytest.mark.slow


class GuidedReLU(torch.nn.Module):
    """Springenberg et al. (2015) in PyTorch, for a module that is used twice, too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.relu(x)
        y.register_hook(lambda gradient: gradient.clamp(min=0))
        return y


def test_a_clone_of_our_resnet_is_guided_as_pytorchs() -> None:
    theirs = TorchResNet(5, width=4).eval()
    model = models.ResNet((("species", 5),), width=4)
    variables = models.from_state_dict("resnet18", randomize(theirs), shapes_of(model))
    for module in list(theirs.modules()):
        if hasattr(module, "relu"):
            module.relu = GuidedReLU()
    images, targets = sample_images(2, size=(64, 48)), np.array([3, 1])

    @jax.jit
    def explain(images: jax.Array) -> jax.Array:
        guided = partial(model.clone(act=attr.guided_relu).apply, variables)
        return attr.guided_backprop(lambda x: guided(x)["species"], images, targets)

    inputs = twins.to_torch(images).requires_grad_()
    theirs(inputs)[torch.arange(2), torch.from_numpy(targets)].sum().backward()
    expected = twins.from_torch(inputs.grad)
    np.testing.assert_allclose(explain(images), expected, atol=1e-4 * np.abs(expected).max())
