"""Map a function of one member over all members: 1.1 to 1.8 times as fast as `vmap` on a CPU."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from jaxens.platforms import by_platform


def over_members(
    function: Callable[..., Any], in_axes: tuple[int | None, ...]
) -> Callable[..., Any]:
    """Returns `jax.vmap(function, in_axes)`, or the same as a compiled loop on a CPU.

    GPU and TPU compute all members at once. One member is enough work for a CPU, where the loop
    keeps a member's activations in the caches: 64 instead of 117 ms for a training step of 11
    small networks at 64 px, 0.68 instead of 0.74 s for 6 ResNet-18. Only one member's activations
    are in memory at a time, and only one member is compiled.

    The loop may recompute what does not depend on the member: compute that outside.

    Args:
        function: A function of one member.
        in_axes: For each argument, 0 if it has a leading member axis, None if members share it.

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

    return by_platform(cpu=loop, elsewhere=jax.vmap(function, in_axes))
