"""Map a function of one member over all members: all at once, or in a loop.

On a CPU, the loop is 1.1 to 1.8 times as fast as `vmap`. For a TPU, it makes large programs small.
What the compiler for a TPU v5e says of a training step of 11 members on one chip, with batches of
32 images of 224 px, bfloat16:

|           |      | compile time |    code | temporaries | bytes moved |
| --------- | ---- | -----------: | ------: | ----------: | ----------: |
| ResNet-18 | vmap |        456 s | 319 MiB |    9.60 GiB |     47.0 GB |
|           | loop |        140 s |  41 MiB |    2.36 GiB |     22.7 GB |
| VGG16     | vmap |              |         |    22.4 GiB |             |
|           | loop |        161 s |  58 MiB |    4.20 GiB |     89.5 GB |

A chip has 16 GiB, so that 11 VGG16 only fit in a loop.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from jaxens.platforms import by_platform

LARGE = 2**20  # pixels of a member's images: one member is then enough work for a chip


def is_loop(platform: str, pixels: int) -> bool:
    """Returns whether `over_members` is a loop in programs for a platform, such as "tpu"."""
    return platform == "cpu" or pixels >= LARGE


def over_members(
    function: Callable[..., Any], in_axes: tuple[int | None, ...], pixels: int = 0
) -> Callable[..., Any]:
    """Returns `jax.vmap(function, in_axes)`, or the same as a compiled loop.

    One member is enough work for a CPU, where the loop keeps a member's activations in the caches:
    64 instead of 117 ms for a training step of 11 small networks at 64 px, 0.68 instead of 0.74 s
    for 6 ResNet-18. Only one member's activations are in memory at a time, and only one member is
    compiled. GPU and TPU compute all members at once, unless each of them has many pixels.

    The loop may recompute what does not depend on the member: compute that outside.

    Args:
        function: A function of one member.
        in_axes: For each argument, 0 if it has a leading member axis, None if members share it.
        pixels: Those of the images of one member. From `LARGE` on, it is a loop everywhere.

    Returns:
        A function of stacked arguments whose results have a leading member axis.
    """

    def loop(*args: Any) -> Any:
        stacked = [arg if axis == 0 else None for arg, axis in zip(args, in_axes, strict=True)]

        def member(values: list[Any]) -> Any:
            return function(
                *(
                    value if axis == 0 else arg
                    for value, arg, axis in zip(values, args, in_axes, strict=True)
                )
            )

        return lax.map(member, stacked)

    if pixels >= LARGE:
        return loop
    return by_platform(cpu=loop, elsewhere=jax.vmap(function, in_axes))
