"""The PyTorch references have the tensors that torchvision's weight files have."""

from typing import get_args

import torch

from jaxens.benchmarks.options import Measured
from jaxens.benchmarks.torch_models import TWINS, VGG16, ResNet18
from tests.models import state_dicts


def shapes(model: torch.nn.Module) -> state_dicts.Shapes:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def test_resnet18_has_torchvisions_tensors() -> None:
    with torch.device("meta"):
        model = ResNet18()
        narrow = ResNet18(7, width=8)
    assert shapes(model) == state_dicts.resnet18_shapes()
    assert shapes(narrow) == state_dicts.resnet18_shapes(7, width=8)
    assert len(shapes(model)) == 122
    assert sum(p.numel() for p in model.parameters()) == 11_689_512


def test_vgg16_has_torchvisions_tensors() -> None:
    with torch.device("meta"):
        model = VGG16()
        narrow = VGG16(7, hidden=8)
    assert shapes(model) == state_dicts.vgg16_shapes()
    assert shapes(narrow) == state_dicts.vgg16_shapes(7, hidden=8)
    assert len(shapes(model)) == 32
    assert sum(p.numel() for p in model.parameters()) == 138_357_544


def test_every_model_that_is_measured_has_a_twin() -> None:
    assert set(TWINS) == set(get_args(Measured))
