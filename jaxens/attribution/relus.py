"""Which ReLUs a function is made of, read from its jaxpr."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal, jaxprs_in_params

GUIDED = "guided_relu"  # the name that the guided activation gives its output

# What hands a number on as it is, or changed by constants alone.
PASSING = {"add", "broadcast_in_dim", "convert_element_type", "copy", "reshape", "squeeze"}
PREPARING = PASSING | {"div", "mul", "sub", "transpose"}
# What a loop's body gets changes from round to round, so nothing is known of it.
BRANCHING = {"cond", "scan", "while"}


class _Value(NamedTuple):
    """What is known of an intermediate value."""

    number: float | None = None  # a constant, the same in all places
    image: bool = False  # the function's input, but for constants
    cap: float | None = None  # nowhere more than this, by a `min`
    maximum: int | None = None  # the max(x, 0) that it is, by number


UNKNOWN = _Value()


@dataclass
class Relus:
    """The number of guided ReLUs, and every max(x, 0) by number."""

    guided: int = 0
    maxima: dict[int, str] = field(default_factory=dict)  # the type of each one's output
    acquitted: set[int] = field(default_factory=set)  # has a use that shows it is no activation
    used: set[int] = field(default_factory=set)  # has another use
    numbers: count = field(default_factory=count)

    @property
    def ordinary(self) -> dict[int, str]:
        """The types of ordinary ReLUs: a maximum is none if every use of it acquits it."""
        free = self.acquitted - self.used
        return {number: type_ for number, type_ in self.maxima.items() if number not in free}


def relus_of(jaxpr: Jaxpr) -> Relus:
    """The ReLUs of a function of images, and of all functions that it calls.

    An ordinary ReLU is `jax.nn.relu`, or a `max(x, 0)`, with a cap or without, that is no clip of
    the images, no hard sigmoid, and no part of a normalisation or of a function with a derivative
    of its own (softplus).
    """
    found = Relus()
    for value in _read(jaxpr, [_Value(image=True)] * len(jaxpr.invars), found):
        _use(value, found)
    return found


def _read(jaxpr: Jaxpr, inputs: list[_Value], found: Relus) -> list[_Value]:
    known: dict[Any, _Value] = dict(zip(jaxpr.invars, inputs, strict=True))

    def value(atom: Any) -> _Value:
        if isinstance(atom, Literal):
            return _Value(number=float(atom.val)) if np.isrealobj(atom.val) else UNKNOWN
        return known.get(atom, UNKNOWN)

    for eqn in jaxpr.eqns:
        operands = [value(atom) for atom in eqn.invars]
        inner = list(jaxprs_in_params(eqn.params))
        if inner:
            results = _read_call(eqn, inner, operands, found)
        else:
            results = [_read_operation(eqn, operands, found)] * len(eqn.outvars)
        known.update(zip(eqn.outvars, results, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


def _read_operation(eqn: JaxprEqn, operands: list[_Value], found: Relus) -> _Value:
    name = eqn.primitive.name
    varying = [operand for operand in operands if operand.number is None]
    numbers = [operand.number for operand in operands if operand.number is not None]
    if not varying and len(numbers) == 1 and name in PASSING:
        return _Value(number=numbers[0])
    if len(varying) == 1:
        return _read_function(eqn, varying[0], numbers, found)
    for operand in varying:
        _use(operand, found)
    return UNKNOWN


def _read_function(eqn: JaxprEqn, value: _Value, numbers: list[float], found: Relus) -> _Value:
    """An operation on one value, and constants."""
    name, result = eqn.primitive.name, UNKNOWN
    floats = jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.floating)  # type: ignore[attr-defined]
    if name == "min" and numbers:
        result = _clipped(value._replace(cap=numbers[0]), found)
    elif name == "max" and numbers == [0] and floats:
        result = _maximum(eqn, value, found)
    elif name == "clamp" and numbers[:1] == [0] and len(numbers) == 2 and floats:
        result = _maximum(eqn, value._replace(cap=numbers[1]), found)
    elif name in PASSING:
        result = value
    elif _acquits(name, numbers, value):
        if value.maximum is not None:
            found.acquitted.add(value.maximum)
    else:
        _use(value, found)
        result = _Value(image=value.image and name in PREPARING)
    return result


def _use(value: _Value, found: Relus) -> None:
    if value.maximum is not None:
        found.used.add(value.maximum)


def _maximum(eqn: JaxprEqn, value: _Value, found: Relus) -> _Value:
    _use(value, found)
    number = next(found.numbers)
    found.maxima[number] = str(eqn.outvars[0].aval)
    return _clipped(value._replace(maximum=number), found)


def _clipped(value: _Value, found: Relus) -> _Value:
    """A ReLU with a cap; where it is one of the images, it prepares them and is no activation."""
    if not value.image or value.maximum is None or value.cap is None:
        return value
    found.acquitted.add(value.maximum)
    return _Value(image=True)


def _acquits(name: str, numbers: list[float], value: _Value) -> bool:
    """A root, of a variance kept from being negative; a cap's inverse makes a hard sigmoid."""
    if name == "pow":
        return len(numbers) == 1 and abs(numbers[0]) < 1
    if name in ("div", "mul") and value.cap is not None and numbers:
        (by,) = numbers
        return bool(np.isclose(by, value.cap) if name == "div" else np.isclose(by * value.cap, 1))
    return name in ("rsqrt", "sqrt")


def _read_call(
    eqn: JaxprEqn, inner: list[Jaxpr], operands: list[_Value], found: Relus
) -> list[_Value]:
    name = eqn.primitive.name
    unknown = [UNKNOWN] * len(eqn.outvars)
    if name.startswith("custom_vjp") and any(_gives_guided_name(jaxpr) for jaxpr in inner):
        found.guided += 1
        return unknown
    if name in BRANCHING or len(inner) > 1 or len(inner[0].invars) != len(operands):
        for operand in operands:
            _use(operand, found)
        for jaxpr in inner:
            for value in _read(jaxpr, [UNKNOWN] * len(jaxpr.invars), found):
                _use(value, found)
        return unknown
    before = set(found.maxima)
    results = _read(inner[0], operands, found)
    if name.startswith("custom_jvp"):
        # What is inside is not differentiated: it is a ReLU as a whole (`jax.nn.relu`) or none.
        whole = {result.maximum for result in results}
        for number in set(found.maxima) - before - whole:
            del found.maxima[number]
        results = [result if result.cap is not None else UNKNOWN for result in results]
    return results if len(results) == len(unknown) else unknown


def _gives_guided_name(jaxpr: Jaxpr) -> bool:
    return any(eqn.primitive.name == "name" and eqn.params["name"] == GUIDED for eqn in jaxpr.eqns)
