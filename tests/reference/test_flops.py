"""FLOP equal those that PyTorch counts for the same model."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from jaxens.benchmarks.torch_models import TWINS
from jaxens.models.flops import work_of

pytestmark = pytest.mark.slow

CLASSES, SIZE = 7, 32


def pytorch_flop(name: str, train: bool, gradient_by_image: bool) -> int:
    """PyTorch's count of a forward pass, with weight gradients or an image gradient or neither."""
    with torch.device("meta"):
        model = TWINS[name](CLASSES).train(train)
        images = torch.zeros(2, 3, SIZE, SIZE, requires_grad=gradient_by_image)
    for parameter in model.parameters():
        parameter.requires_grad = train
    with FlopCounterMode(display=False) as counter:
        logits = model(images)
        if train or gradient_by_image:
            logits.sum().backward()
    return counter.get_total_flops() // 2  # of one image


@pytest.mark.parametrize("name", TWINS)
def test_flop_equal_pytorchs_count(name: str) -> None:
    work = work_of(name, CLASSES, SIZE)
    assert work.forward == pytorch_flop(name, train=False, gradient_by_image=False)
    if name == "efficientnet-lite0":  # PyTorch counts its gradients as if it had no groups
        return
    assert work.training == pytorch_flop(name, train=True, gradient_by_image=False)
    assert work.input_gradient == pytorch_flop(name, train=False, gradient_by_image=True)
