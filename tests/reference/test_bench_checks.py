"""Settings with which PyTorch can't be measured raise an error before anything is measured."""

import pytest

from jaxens.benchmarks import checks, torch_side
from jaxens.errors import UserError

SETTINGS = {"model": "small", "image_size": 16, "batch_size": 2, "against": "torch"}


def test_pytorch_without_cuda_raises_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_side, "on_cpu", lambda: False)
    monkeypatch.setattr(torch_side.torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="install its CUDA build"):
        checks.check("train", SETTINGS, None)


def test_a_single_value_for_batch_normalization_raises_with_pytorch() -> None:
    settings = SETTINGS | {"batch_size": 1}
    with pytest.raises(UserError, match=r"`batch_size` 1: .* small .* of 8 px: choose at least 2"):
        checks.check("train", settings | {"image_size": 8}, None)
    checks.check("train", settings | {"image_size": 16}, None)
    checks.check(
        "explain", settings | {"image_size": 8}, None
    )  # inference does not use batch statistics
    checks.check(
        "train", settings | {"image_size": 32, "model": "vgg16"}, None
    )  # has no batch normalization
