"""torchvision's weights in our models."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxens.models.vgg import STAGES

Path = tuple[str, ...]

LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
LAST_LAYER = {"resnet18": "fc", "vgg16": "classifier.6", "vgg16-full": "classifier.6"}


def from_torchvision(
    name: str, state_dict: Mapping[str, np.ndarray], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """A model's variables with torchvision's weights in place of its own.

    Trunk and VGG16's hidden layers are always replaced, and so is the head if the model has
    one task with as many classes as the state dict; other heads keep their values.

    Args:
        name: "resnet18", "vgg16" or "vgg16-full", as in `jaxens.models.MODELS`.
        state_dict: torchvision's tensors by their names, as NumPy arrays. For ResNet-18 with
            or without `num_batches_tracked`, which is not used.
        variables: one member's `params` and, for ResNet-18, `batch_stats`: arrays, or their
            shapes where every leaf is to be replaced.

    Raises `ValueError`, naming the tensor, for one that is missing, has another shape or
    belongs to another architecture.
    """
    if name not in LAST_LAYER:
        raise ValueError(f"torchvision has no weights for {name!r}, only {', '.join(LAST_LAYER)}")
    leaves = flatten_dict(variables)
    last_layer = LAST_LAYER[name]
    sources = {path: _tensor_name(name, path) for path in leaves if path[1] != "heads"}
    sources |= _head(last_layer, state_dict, leaves)

    new = {path: _convert(key, state_dict, leaves[path]) for path, key in sources.items()}
    used = {*sources.values(), f"{last_layer}.weight", f"{last_layer}.bias"}
    for key in state_dict:
        ignored = key.endswith("num_batches_tracked") or key.startswith("classifier.")
        if key not in used and not ignored:
            raise ValueError(f"the state dict is not of {name}: it has the tensor {key!r}")
    return unflatten_dict({**leaves, **new})


def _head(
    last_layer: str, state_dict: Mapping[str, np.ndarray], leaves: Mapping[Path, Any]
) -> Iterator[tuple[Path, str]] | dict[Path, str]:
    """Where the one head's leaves come from, if it is the state dict's last layer."""
    return {}
