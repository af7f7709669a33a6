"""The PyTorch references have the tensors that torchvision's weight files have."""

from typing import get_args

import pytest
import torch

from jaxens.benchmarks.options import Measured
from jaxens.benchmarks.torch_models import TWINS, VGG16, ResNet
from tests.models import state_dicts


def shapes(model: torch.nn.Module) -> state_dicts.Shapes:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("blocks", "bottleneck", "tensors", "parameters"),
    [
        ((2, 2, 2, 2), False, 122, 11_689_512),
        ((3, 4, 6, 3), False, 218, 21_797_672),
        ((3, 4, 6, 3), True, 320, 25_557_032),
    ],
)
def test_resnets_have_torchvisions_tensors(
    blocks: tuple[int, ...], bottleneck: bool, tensors: int, parameters: int
) -> None:
    kind = {"blocks": blocks, "bottleneck": bottleneck}
    with torch.device("meta"):
        model, narrow = ResNet(**kind), ResNet(7, width=8, **kind)
    assert shapes(model) == state_dicts.resnet_shapes(**kind)
    assert shapes(narrow) == state_dicts.resnet_shapes(7, width=8, **kind)
    assert len(shapes(model)) == tensors
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("batch_norm", "tensors", "parameters"), [(False, 32, 138_357_544), (True, 97, 138_365_992)]
)
def test_vgg16s_have_torchvisions_tensors(batch_norm: bool, tensors: int, parameters: int) -> None:
    with torch.device("meta"):
        model = VGG16(batch_norm=batch_norm)
        narrow = VGG16(7, hidden=8, batch_norm=batch_norm)
    assert shapes(model) == state_dicts.vgg16_shapes(batch_norm=batch_norm)
    assert shapes(narrow) == state_dicts.vgg16_shapes(7, hidden=8, batch_norm=batch_norm)
    assert len(shapes(model)) == tensors
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_every_model_that_is_measured_has_a_twin() -> None:
    assert set(TWINS) == set(get_args(Measured))
