"""Convert one member's variables to a PyTorch state dict."""

from typing import Any

import numpy as np
import torch
from flax.traverse_util import flatten_dict

from jaxens.models.torch_names import LEAVES
from jaxens.models.vgg import SMALL_STAGES, STAGES

_AXES = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}  # HWIO becomes OIHW, [in, out] becomes [out, in]


def state_dict(name: str, variables: Any) -> dict[str, torch.Tensor]:
    """Tensors for `load_state_dict(..., strict=False)`: jaxens has no `num_batches_tracked`.

    `name` is a key of `torch_models.TWINS`; the model has one task.
    """
    tensors = {}
    for (_, part, *modules, leaf), value in flatten_dict(variables).items():
        module = "fc" if part == "heads" else _module(name, ".".join(modules))
        array = np.asarray(value, np.float32)
        tensors[f"{module}.{LEAVES[leaf]}"] = torch.from_numpy(
            array.transpose(_AXES[array.ndim]).copy()
        )
    return tensors


def _module(name: str, ours: str) -> str:
    """Returns the name of a trunk's module in PyTorch."""
    if name == "small":
        return ours
    if name == "resnet18":
        return ours.replace("_", ".")
    kind, stage, convolution = ours[:-3], int(ours[-3]), int(ours[-1])  # conv5_3, bn4_2
    stages, layers = (SMALL_STAGES, 3) if name == "small-vgg" else (STAGES, 2)
    # Each convolution has a normalization and an activation; each stage ends with a pool.
    before = sum(layers * convolutions + 1 for _, convolutions in stages[: stage - 1])
    return f"features.{before + layers * (convolution - 1) + (kind == 'bn')}"
