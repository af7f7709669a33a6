"""Convolution and max pooling that stay fast under `vmap` over members and under a gradient.

`accelerate` runs a model that was written with those of `lax` with these on a CPU.
"""

from jaxens.ops.accelerate import accelerate
from jaxens.ops.conv import conv_general_dilated
from jaxens.ops.members import over_members
from jaxens.ops.pool import max_pool

__all__ = ["accelerate", "conv_general_dilated", "max_pool", "over_members"]
