"""Chooses an implementation for a CPU or for accelerators when a program is compiled."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

# The platform whose implementation is being traced; None outside. JAX traces anew if it differs.
traced_platform = jax.make_user_context(None)


def by_platform(*, cpu: Callable[..., Any], elsewhere: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that is `cpu` in programs compiled for CPUs, and `elsewhere` in others.

    The platform need not be that of this machine: programs for a TPU can be compiled without one.
    Both functions are traced. Within one of them, other choices are made at once.

    Args:
        cpu: A function of arrays.
        elsewhere: A function of the same arguments, with results of the same shapes and types.
    """
    implementations = {"cpu": cpu, "default": elsewhere}

    def chosen(*args: Any) -> Any:
        if traced_platform.value is not None:
            return implementations[traced_platform.value](*args)

        def traced(name: str) -> Callable[..., Any]:
            def run(*args: Any) -> Any:
                with traced_platform(name):
                    return implementations[name](*args)

            return run

        return lax.platform_dependent(*args, **{name: traced(name) for name in implementations})

    return chosen
