import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.attribution.quadrature import nodes_and_weights

EXACT_DEGREE = {  # highest power that a rule of n steps integrates exactly
    "gausslegendre": lambda steps: 2 * steps - 1,
    "riemann_left": lambda steps: 0,
    "riemann_right": lambda steps: 0,
    "riemann_middle": lambda steps: 1,
    "riemann_trapezoid": lambda steps: 1,
}


@pytest.mark.parametrize("steps", [2, 3, 5, 50, 200])
@pytest.mark.parametrize("quadrature", attr.QUADRATURES)
def test_weights_sum_to_one_and_nodes_lie_on_the_line(quadrature: str, steps: int) -> None:
    nodes, weights = nodes_and_weights(quadrature, steps)
    assert nodes.shape == weights.shape == (steps,)
    assert weights.sum() == pytest.approx(1, abs=1e-13)
    assert (weights > 0).all()
    assert (np.diff(nodes) > 0).all()
    assert nodes[0] >= 0
    assert nodes[-1] <= 1


@pytest.mark.parametrize("steps", [2, 3, 4])
@pytest.mark.parametrize("quadrature", attr.QUADRATURES)
def test_a_rule_is_exact_up_to_its_degree_and_no_further(quadrature: str, steps: int) -> None:
    nodes, weights = nodes_and_weights(quadrature, steps)
    degree = EXACT_DEGREE[quadrature](steps)
    for power in range(degree + 1):
        assert weights @ nodes**power == pytest.approx(1 / (power + 1), abs=1e-13)
    power = degree + 1
    assert weights @ nodes**power != pytest.approx(1 / (power + 1), abs=1e-6)


def test_one_step_is_the_middle_or_an_end() -> None:
    for quadrature, node in {
        "gausslegendre": 0.5,
        "riemann_middle": 0.5,
        "riemann_left": 0,
        "riemann_right": 1,
    }.items():
        nodes, weights = nodes_and_weights(quadrature, 1)
        assert (nodes[0], weights[0]) == (node, 1)


@pytest.mark.parametrize(
    ("quadrature", "steps", "message"),
    [
        ("simpson", 5, "unknown quadrature 'simpson': choose from gausslegendre, riemann_left"),
        ("gausslegendre", 0, "steps is 0: give at least 1"),
        ("riemann_left", -1, "steps is -1: give at least 1"),
        ("riemann_trapezoid", 1, "steps is 1: riemann_trapezoid needs at least 2"),
    ],
)
def test_rules_that_do_not_exist_are_refused(quadrature: str, steps: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nodes_and_weights(quadrature, steps)
