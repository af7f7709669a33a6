"""Which ReLUs a function is made of, read from its jaxpr."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal, jaxprs_in_params

GUIDED = "guided_relu"  # the name that the guided activation gives its output

# What hands a number on as it is, or with a constant added: behind `max(x, 0)` it may lead to
# an operation that shows that this is no activation.
PASSING = {"add", "broadcast_in_dim", "convert_element_type", "copy", "reshape", "squeeze"}
# max(x, 0) is half of a clip where `min` follows, and a variance kept from being negative
# (layer normalisation) where a root does.
ACQUITTING = {"min", "pow", "rsqrt", "sqrt"}


class _Value(NamedTuple):
    """What is known of an intermediate value."""

    zero: bool = False
    capped: bool = False  # comes from `min`
    maxima: frozenset[int] = frozenset()  # the max(x, 0) that it is, by number


UNKNOWN = _Value()


@dataclass
class Relus:
    """The number of guided ReLUs, and the type of every ordinary one's output."""

    guided: int = 0
    ordinary: dict[int, str] = field(default_factory=dict)
    numbers: count = field(default_factory=count)


def relus_of(jaxpr: Jaxpr) -> Relus:
    """The ReLUs of a function, and of all functions that it calls.

    An ordinary ReLU is `jax.nn.relu`, or a `max(x, 0)` that is no part of a clip, of a
    normalisation, or of a function with a derivative of its own (softplus).
    """
    found = Relus()
    _read(jaxpr, [UNKNOWN] * len(jaxpr.invars), found)
    return found


def _read(jaxpr: Jaxpr, inputs: list[_Value], found: Relus) -> list[_Value]:
    known: dict[Any, _Value] = dict(zip(jaxpr.invars, inputs, strict=True))

    def value(atom: Any) -> _Value:
        if isinstance(atom, Literal):
            return _Value(zero=not np.any(atom.val))
        return known.get(atom, UNKNOWN)

    for eqn in jaxpr.eqns:
        results = _read_equation(eqn, [value(atom) for atom in eqn.invars], found)
        known.update(zip(eqn.outvars, results, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


def _read_equation(eqn: JaxprEqn, operands: list[_Value], found: Relus) -> list[_Value]:
    inner = list(jaxprs_in_params(eqn.params))
    if inner:
        return _read_call(eqn, inner, operands, found)
    name, result = eqn.primitive.name, UNKNOWN
    if name in ACQUITTING:
        for number in frozenset().union(*(operand.maxima for operand in operands)):
            found.ordinary.pop(number, None)
        result = _Value(capped=name == "min")
    elif name == "max":
        if _is_relu(eqn, operands):
            number = next(found.numbers)
            found.ordinary[number] = str(eqn.outvars[0].aval)
            result = _Value(maxima=frozenset({number}))
    elif name in PASSING:
        rest = [
            operand
            for atom, operand in zip(eqn.invars, operands, strict=True)
            if not isinstance(atom, Literal) or name != "add"
        ]
        result = rest[0] if len(rest) == 1 else UNKNOWN
        if name == "add":
            result = result._replace(zero=False)
    return [result] * len(eqn.outvars)


def _is_relu(eqn: JaxprEqn, operands: list[_Value]) -> bool:
    zeros = sum(operand.zero for operand in operands)
    floats = jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.floating)  # type: ignore[attr-defined]
    return zeros == 1 and floats and not any(operand.capped for operand in operands)


def _read_call(
    eqn: JaxprEqn, inner: list[Jaxpr], operands: list[_Value], found: Relus
) -> list[_Value]:
    name = eqn.primitive.name
    if name.startswith("custom_vjp") and any(_gives_guided_name(jaxpr) for jaxpr in inner):
        found.guided += 1
        return [UNKNOWN] * len(eqn.outvars)
    before = set(found.ordinary)
    results = [UNKNOWN] * len(eqn.outvars)
    for jaxpr in inner:
        same = len(jaxpr.invars) == len(operands)
        outputs = _read(jaxpr, operands if same else [UNKNOWN] * len(jaxpr.invars), found)
        if len(inner) == 1 and len(outputs) == len(results):
            results = outputs
    if name.startswith("custom_jvp"):
        # What is inside is not differentiated: it is a ReLU as a whole (`jax.nn.relu`) or none.
        whole = frozenset().union(*(result.maxima for result in results))
        for number in set(found.ordinary) - before - whole:
            del found.ordinary[number]
        results = [UNKNOWN] * len(eqn.outvars)
    return results


def _gives_guided_name(jaxpr: Jaxpr) -> bool:
    return any(eqn.primitive.name == "name" and eqn.params["name"] == GUIDED for eqn in jaxpr.eqns)
