"""The machine is measured, and what a program takes of it."""

import jax
import jax.numpy as jnp
import pytest

from jaxens.benchmarks import machine


def test_the_machine_is_named_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "REPEATS", 1)
    monkeypatch.setattr(machine, "_CPU", {"matrix": 64, "bytes": 4096})
    found = machine.measure()
    assert found.cores >= 1
    assert found.matmul.keys() == {"float32"}
    assert min(found.matmul["float32"], found.bandwidth) > 0
    assert found.versions["jax"] == jax.__version__
    assert f"jax {jax.__version__}" in found.describe()


def test_a_programs_memory_is_that_of_its_arguments_results_and_what_lies_between() -> None:
    numbers = jnp.ones(1000)
    kept = jax.jit(lambda x: x + 1).lower(numbers).compile()
    reused = jax.jit(lambda x: x + 1, donate_argnums=0).lower(numbers).compile()
    assert machine.program_memory(kept) == 8000
    assert machine.program_memory(reused) == 4000


def test_the_peak_is_no_less_than_what_is_held() -> None:
    peak, whose = machine.peak_memory()
    assert whose == "the process"
    assert peak > 50 * 2**20
