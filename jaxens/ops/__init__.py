"""Operations that are fast under `vmap` over members."""

from jaxens.ops.conv import conv_general_dilated

__all__ = ["conv_general_dilated"]
