"""The form of a computation for the platform that a program is compiled for."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

# The platform of the form that is being traced; None where both are. JAX traces anew if it differs.
traced_form = jax.make_user_context(None)


def by_platform(*, cpu: Callable[..., Any], elsewhere: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that is `cpu` in programs compiled for CPUs, and `elsewhere` in others.

    The platform need not be that of this machine: programs for a TPU can be compiled without one.
    Both functions are traced. Within one of them, other choices are made at once.

    Args:
        cpu: A function of arrays.
        elsewhere: A function of the same arguments, with results of the same shapes and types.
    """
    forms = {"cpu": cpu, "default": elsewhere}

    def chosen(*args: Any) -> Any:
        if traced_form.value is not None:
            return forms[traced_form.value](*args)

        def form(name: str) -> Callable[..., Any]:
            def run(*args: Any) -> Any:
                with traced_form(name):
                    return forms[name](*args)

            return run

        return lax.platform_dependent(*args, **{name: form(name) for name in forms})

    return chosen
