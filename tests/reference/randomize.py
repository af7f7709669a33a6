"""Weights for a PyTorch model that leave nothing at zero or one."""

import numpy as np
import torch
from torch import nn


def randomize(model: nn.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Fills the model, batch statistics too, and returns its state dict as NumPy arrays."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
