"""Finds the guided and the ordinary ReLUs of a function in its jaxpr."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal, jaxprs_in_params

GUIDED = "guided_relu"  # the name that `guided_relu` gives its output

RELUS = ["relu"], ["relu6"]  # of `jax.nn`
NOT_RELUS = {"hard_sigmoid", "hard_silu", "hard_swish"}  # of `jax.nn`; they call `relu6`
KEEPS_VALUES = {"add", "broadcast_in_dim", "convert_element_type", "reshape", "squeeze"}


def count_guided(jaxpr: Jaxpr) -> int:
    """Returns the number of guided ReLUs, in called functions too. It is exact."""
    here = sum(eqn.primitive.name == "name" and eqn.params["name"] == GUIDED for eqn in jaxpr.eqns)
    return here + sum(
        count_guided(inner) for eqn in jaxpr.eqns for inner in jaxprs_in_params(eqn.params)
    )


def likely_relus(jaxpr: Jaxpr) -> Iterator[str]:
    """Yields the output type of everything that looks like an ordinary ReLU. It is a guess.

    `jax.nn.relu`, `jax.nn.relu6`, max(x, 0) and clip(x, 0, top) look like one. A max(x, 0) whose
    root is taken does not: normalization layers keep a variance from being negative that way.
    Functions with a derivative of their own, such as softplus, are not searched.
    """
    zeros = {
        eqn.outvars[0]
        for eqn in jaxpr.eqns
        if eqn.primitive.name == "broadcast_in_dim" and _is_zero(eqn.invars[0])
    }
    for eqn in jaxpr.eqns:
        inner = list(jaxprs_in_params(eqn.params))
        if _is_function(eqn, inner) or _is_maximum(eqn, zeros):
            if not _is_variance(eqn.outvars[0], jaxpr):
                yield str(eqn.outvars[0].aval)
        elif not eqn.primitive.name.startswith("custom_") and _name(eqn) not in NOT_RELUS:
            for called in inner:
                yield from likely_relus(called)


def _is_function(eqn: JaxprEqn, inner: list[Jaxpr]) -> bool:
    """Returns whether the equation calls `jax.nn.relu`, `jax.nn.relu6`, or `jnp.clip` from 0."""
    if eqn.primitive.name == "custom_jvp_call":  # has no name itself, but the `jit` in it has
        return [_name(called) for called in inner[0].eqns] in RELUS
    return _name(eqn) == "clip" and len(eqn.invars) > 1 and _is_zero(eqn.invars[1])


def _is_maximum(eqn: JaxprEqn, zeros: set[Any]) -> bool:
    """Returns whether the equation is max(x, 0) or clamp(0, x, top) of floats."""
    bounds = {"max": eqn.invars, "clamp": eqn.invars[:1]}.get(eqn.primitive.name, [])
    from_zero = any(_is_zero(x) if isinstance(x, Literal) else x in zeros for x in bounds)
    return from_zero and jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.floating)  # type: ignore[attr-defined]


def _name(eqn: JaxprEqn) -> str | None:
    return eqn.params.get("name")


def _is_zero(atom: Any) -> bool:
    return isinstance(atom, Literal) and not atom.val


def _is_variance(value: Any, jaxpr: Jaxpr) -> bool:
    """Returns whether only the root of the value, or of the value plus a constant, is used."""
    users = [eqn for eqn in jaxpr.eqns if any(x is value for x in eqn.invars)]
    return bool(users) and all(
        eqn.primitive.name in ("sqrt", "rsqrt")
        or (eqn.primitive.name in KEEPS_VALUES and _is_variance(eqn.outvars[0], jaxpr))
        for eqn in users
    )
