"""Operations that are fast under `vmap` over members, and under a gradient."""

from jaxens.ops.conv import conv_general_dilated
from jaxens.ops.pool import max_pool

__all__ = ["conv_general_dilated", "max_pool"]
