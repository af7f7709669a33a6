"""The PyTorch references have the tensors that torchvision's weight files have."""

import torch

from jaxens.benchmarks.torch_models import VGG16, ResNet18


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def test_resnet18_has_torchvisions_tensors() -> None:
    with torch.device("meta"):
        model = ResNet18()
    got = shapes(model)
    blocks = [f"layer{i}.{j}." for i in range(1, 5) for j in range(2)]
    convs = ["conv1", *(f"{b}conv{k}" for b in blocks for k in (1, 2))]
    convs += [f"layer{i}.0.downsample.0" for i in (2, 3, 4)]
    norms = ["bn1", *(f"{b}bn{k}" for b in blocks for k in (1, 2))]
    norms += [f"layer{i}.0.downsample.1" for i in (2, 3, 4)]
    suffixes = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert set(got) == (
        {f"{conv}.weight" for conv in convs}
        | {f"{norm}.{suffix}" for norm in norms for suffix in suffixes}
        | {"fc.weight", "fc.bias"}
    )
    assert len(got) == 122
    assert got["conv1.weight"] == (64, 3, 7, 7)
    assert got["layer3.0.downsample.0.weight"] == (256, 128, 1, 1)
    assert got["fc.weight"] == (1000, 512)
    assert sum(p.numel() for p in model.parameters()) == 11_689_512


def test_vgg16_has_torchvisions_tensors() -> None:
    with torch.device("meta"):
        model = VGG16()
    got = shapes(model)
    layers = [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    layers += [f"classifier.{i}" for i in (0, 3, 6)]
    assert set(got) == {f"{layer}.{s}" for layer in layers for s in ("weight", "bias")}
    assert len(got) == 32
    assert got["classifier.0.weight"] == (4096, 25088)
    assert sum(p.numel() for p in model.parameters()) == 138_357_544
