"""A function of one member, for all members."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def over_members(one: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """`jax.vmap(one, in_axes)`, in the order of work that suits the device.

    GPU and TPU compute all members at once. A CPU, which one member keeps busy, takes them one
    after another in a compiled loop: what a member's layers pass on then stays in the caches
    (training 11 small networks at 64 px: 64 ms a step instead of 117; ResNet-18 at 64 px: 0.68
    instead of 0.74 s for 6), memory holds one member's activations, and one member is compiled.

    What does not depend on a member is best computed before: a loop may compute it again.

    Args:
        one: a function of one member.
        in_axes: 0 for each argument with a leading member axis, None for what members share.
    """
    if jax.default_backend() != "cpu":
        return jax.vmap(one, in_axes)

    def looped(*arguments: Any) -> Any:
        own = [a for a, axis in zip(arguments, in_axes, strict=True) if axis is not None]

        def member(own: list[Any]) -> Any:
            mine = iter(own)
            return one(
                *(
                    next(mine) if axis is not None else a
                    for a, axis in zip(arguments, in_axes, strict=True)
                )
            )

        return lax.map(member, own)

    return looped
