"""Quadrature rules for an integral over [0, 1]: where to evaluate, and with which weight.

A rule is a function from the number of steps to (nodes, weights). The weights sum to 1. They equal
those of Captum's `approximation_methods`, except for the trapezoid, whose weights sum to
(steps - 1) / steps in Captum.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from jaxens.arrays import as_whole
from jaxens.errors import remedy

Rule = tuple[Float64[np.ndarray, "step"], Float64[np.ndarray, "step"]]


def gausslegendre(steps: int) -> Rule:
    """Is exact for polynomials of degree 2 steps - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (1 + nodes) / 2, weights / 2


def riemann_left(steps: int) -> Rule:
    """Weighs all steps equally, each at the left end of its interval."""
    return np.arange(steps) / steps, np.full(steps, 1 / steps)


def riemann_right(steps: int) -> Rule:
    """Weighs all steps equally, each at the right end of its interval."""
    return np.arange(1, steps + 1) / steps, np.full(steps, 1 / steps)


def riemann_middle(steps: int) -> Rule:
    """Weighs all steps equally, each in the middle of its interval."""
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def riemann_trapezoid(steps: int) -> Rule:
    """Includes both endpoints, at half the weight; needs two steps."""
    if steps < 2:
        raise ValueError(f"steps is {steps}: riemann_trapezoid needs at least 2")
    weights = np.full(steps, 1 / (steps - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, steps), weights


QUADRATURES: dict[str, Callable[[int], Rule]] = {
    "gausslegendre": gausslegendre,
    "riemann_left": riemann_left,
    "riemann_right": riemann_right,
    "riemann_middle": riemann_middle,
    "riemann_trapezoid": riemann_trapezoid,
}


def nodes_and_weights(quadrature: str, steps: int) -> Rule:
    """Returns nodes and weights of the rule with this name.

    Raises:
        ValueError: For an unknown name, or steps that are not a whole number of at least 1.
    """
    if quadrature not in QUADRATURES:
        raise ValueError(f"unknown quadrature {quadrature!r}: {remedy(quadrature, QUADRATURES)}")
    return QUADRATURES[quadrature](as_whole(steps, "steps"))
