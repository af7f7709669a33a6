"""The arithmetic that is counted is that which PyTorch counts for the same model."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from jaxens.benchmarks.flops import work_of
from jaxens.benchmarks.torch_models import TWINS

CLASSES, SIZE = 7, 32


def counted(name: str, train: bool, gradient_by_image: bool) -> int:
    """PyTorch's count of a forward pass, and of the gradients by weights or image or neither."""
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
def test_passes_have_the_flop_that_pytorch_counts(name: str) -> None:
    work = work_of(name, CLASSES, SIZE)
    assert work.forward == counted(name, train=False, gradient_by_image=False)
    assert work.training == counted(name, train=True, gradient_by_image=False)
    assert work.input_gradient == counted(name, train=False, gradient_by_image=True)


def test_resnet18_has_the_multiply_adds_that_are_told_of_it() -> None:
    assert work_of("resnet18", 1000, 224).forward / 2 == pytest.approx(1.81e9, rel=0.01)
    assert work_of("vgg16", 1000, 224).forward / 2 == pytest.approx(15.35e9, rel=0.01)
