"""Bytes that a program reads and writes, with library calls and loops."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxens.benchmarks import steps
from jaxens.benchmarks.subject import Subject
from jaxens.benchmarks.traffic import step_traffic

pytestmark = pytest.mark.slow

ARRAY = 4 * 1000  # bytes


def compiled(function: Callable[..., Any], *arguments: Any) -> Any:
    return jax.jit(function).lower(*arguments).compile()


def looped(trips: int) -> Any:
    def body(x: jax.Array, _: None) -> tuple[jax.Array, None]:
        return jnp.sin(x) + 1, None

    return compiled(lambda x: jax.lax.scan(body, x, length=trips)[0], jnp.ones(1000))


def test_a_step_reads_its_argument_and_writes_its_result() -> None:
    assert step_traffic(compiled(lambda x: x + 1, jnp.ones(1000)), steps=1) == 2 * ARRAY


def test_a_loop_counts_one_step_and_what_surrounds_the_loop() -> None:
    few, many = step_traffic(looped(5), steps=5), step_traffic(looped(50), steps=50)
    assert few is not None
    assert few == many
    # XLA copies the argument, which is not donated, before the loop.
    assert 4 * ARRAY <= few < 4.1 * ARRAY


def test_a_library_call_counts_its_operand_and_result() -> None:
    matrix = jnp.eye(64)
    program = compiled(jnp.linalg.cholesky, matrix)
    without_calls = program.cost_analysis()["bytes accessed"]
    traffic = step_traffic(program, steps=1)
    assert traffic is not None
    assert traffic - without_calls == pytest.approx(
        2 * matrix.nbytes, abs=8
    )  # plus the call's status


class Program:
    """A compiled program of another backend."""

    def __init__(self, text: str, analysis: Any = None):
        self.text, self.analysis = text, {"bytes accessed": 0.0} if analysis is None else analysis

    def as_text(self) -> str:
        return self.text

    def cost_analysis(self) -> Any:
        return self.analysis


CUDNN = """
ENTRY %main.9 (p0.1: bf16[2,8,8,4], p1.1: bf16[4,3,3,4]) -> bf16[2,8,8,4] {
  %p0.1 = bf16[2,8,8,4]{3,2,1,0} parameter(0), sharding={replicated}
  %p1.1 = bf16[4,3,3,4]{3,2,1,0} parameter(1)
  %cudnn-conv.2 = (bf16[2,8,8,4]{3,2,1,0}, u8[4096]{0}) custom-call(%p0.1, %p1.1), window={size=3x3
  ROOT %get-tuple-element.1 = bf16[2,8,8,4]{3,2,1,0} get-tuple-element(%cudnn-conv.2), index=0
}
"""


def test_the_workspace_of_a_library_call_does_not_count() -> None:
    images, kernel = 2 * 2 * 8 * 8 * 4, 2 * 4 * 3 * 3 * 4
    assert step_traffic(Program(CUDNN), steps=1) == 2 * images + kernel


@pytest.mark.parametrize("analysis", [[], {}, [{"flops": 1.0}]])
def test_a_backend_without_cost_analysis_has_no_traffic(analysis: Any) -> None:
    assert step_traffic(Program(CUDNN, analysis), steps=1) is None
    assert step_traffic(Program(CUDNN, [{"bytes accessed": 1.0}]), steps=1) is not None


def test_programs_with_other_loops_or_branches_have_no_traffic() -> None:
    assert step_traffic(looped(5), steps=1) is None
    assert step_traffic(looped(5), steps=10) is None
    branching = compiled(lambda x: jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x), jnp.ones(3))
    assert step_traffic(branching, steps=1) is None
    until = compiled(lambda x: jax.lax.while_loop(lambda x: x < 5, lambda x: 2 * x, x), 1.0)
    assert step_traffic(until, steps=1) is None


def test_a_cpu_step_has_no_traffic() -> None:
    trained = steps.together(Subject.make("small", 2, 16, 2, "float32"))
    assert trained.traffic is None
