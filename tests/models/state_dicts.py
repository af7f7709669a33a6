"""State dicts with the names and shapes of torchvision's or timm's, with random numbers."""

import numpy as np

Shapes = dict[str, tuple[int, ...]]


def resnet18(classes: int, width: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """ResNet-18's 122 tensors; `width` is the number of channels of the first stage."""
    return _filled(resnet_shapes(classes, width), seed)


def vgg16(
    classes: int, hidden: int = 4096, seed: int = 0, batch_norm: bool = False
) -> dict[str, np.ndarray]:
    """VGG16's 32 tensors; `hidden` is the width of the classifier's two hidden layers."""
    return _filled(vgg16_shapes(classes, hidden, batch_norm), seed)


def timm_vgg16(
    classes: int, hidden: int = 4096, seed: int = 0, batch_norm: bool = False
) -> dict[str, np.ndarray]:
    """The same numbers as timm has them: the hidden layers are convolutions (`ConvMlp`)."""
    tensors = vgg16(classes, hidden, seed, batch_norm)
    names = {
        "classifier.0": ("pre_logits.fc1", (hidden, 512, 7, 7)),
        "classifier.3": ("pre_logits.fc2", (hidden, hidden, 1, 1)),
        "classifier.6": ("head.fc", (classes, hidden)),
    }
    for ours, (theirs, shape) in names.items():
        tensors[f"{theirs}.weight"] = tensors.pop(f"{ours}.weight").reshape(shape)
        tensors[f"{theirs}.bias"] = tensors.pop(f"{ours}.bias")
    return tensors


def resnet_shapes(
    classes: int = 1000,
    width: int = 64,
    blocks: tuple[int, ...] = (2, 2, 2, 2),
    bottleneck: bool = False,
) -> Shapes:
    """The shape of each tensor; a scalar counts the batches of each norm."""
    convolutions = {"conv1": ("bn1", 3, width, 7)}
    channels = width
    for stage in range(1, 5):
        inner = width * 2 ** (stage - 1)
        wider = 4 * inner if bottleneck else inner
        for block in range(blocks[stage - 1]):
            name = f"layer{stage}.{block}"
            sizes = (1, 3, 1) if bottleneck else (3, 3)
            widths = (channels, *[inner] * (len(sizes) - 1), wider)
            for i, size in enumerate(sizes):
                convolutions[f"{name}.conv{i + 1}"] = (
                    f"{name}.bn{i + 1}",
                    *widths[i : i + 2],
                    size,
                )
            if channels != wider:
                shortcut = f"{name}.downsample"
                convolutions[f"{shortcut}.0"] = (f"{shortcut}.1", channels, wider, 1)
            channels = wider
    shapes: Shapes = {"fc.weight": (classes, channels), "fc.bias": (classes,)}
    for convolution, (norm, inputs, outputs, size) in convolutions.items():
        shapes[f"{convolution}.weight"] = (outputs, inputs, size, size)
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{tensor}"] = (outputs,)
        shapes[f"{norm}.num_batches_tracked"] = ()
    return shapes


def vgg16_shapes(classes: int = 1000, hidden: int = 4096, batch_norm: bool = False) -> Shapes:
    """The shape of each tensor; the numbers of the layers count activations and pools too."""
    layers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    if batch_norm:
        layers = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
    channels = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    shapes: Shapes = {}
    for layer, inputs, outputs in zip(layers, (3, *channels), channels, strict=False):
        shapes[f"features.{layer}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"features.{layer}.bias"] = (outputs,)
        if batch_norm:
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"features.{layer + 1}.{tensor}"] = (outputs,)
            shapes[f"features.{layer + 1}.num_batches_tracked"] = ()
    widths = (512 * 7 * 7, hidden, hidden, classes)
    for layer, inputs, outputs in zip((0, 3, 6), widths, widths[1:], strict=False):
        shapes[f"classifier.{layer}.weight"] = (outputs, inputs)
        shapes[f"classifier.{layer}.bias"] = (outputs,)
    return shapes


def _filled(shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
