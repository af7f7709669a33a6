"""Measurements of the machine, and of the memory that programs use."""

from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.benchmarks import machine


def test_the_machine_is_measured_and_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "REPEATS", 1)
    monkeypatch.setattr(machine, "_CPU", {"matrix": 64, "bytes": 4096})
    measured = machine.measure()
    assert measured.cores >= 1
    assert measured.matmul.keys() == {"float32"}
    assert min(measured.matmul["float32"], measured.bandwidth) > 0
    assert measured.versions["jax"] == jax.__version__
    assert f"jax {jax.__version__}" in measured.describe()


def test_a_programs_memory_counts_donated_arguments_once() -> None:
    numbers = jnp.ones(1000)
    program = jax.jit(lambda x: x + 1).lower(numbers).compile()
    donating = jax.jit(lambda x: x + 1, donate_argnums=0).lower(numbers).compile()
    assert machine.program_memory(program) == 8000
    assert machine.program_memory(donating) == 4000


@pytest.mark.slow
def test_the_peak_of_the_process_grows_by_what_it_allocates() -> None:
    before, owner = machine.peak_memory()
    assert owner == "the process"
    block = np.ones(before + 2**26, np.uint8)  # more than the process has ever held
    peak, _ = machine.peak_memory()
    assert block.nbytes <= peak <= before + block.nbytes + 2**24
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts in KiB
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        assert peak == pytest.approx(int(line.split()[1]) * 1024, abs=2**20)


def test_the_peak_of_an_accelerator_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimpleNamespace(memory_stats=lambda: {"peak_bytes_in_use": 123})
    monkeypatch.setattr(machine.jax, "local_devices", lambda: [device])
    assert machine.peak_memory() == (123, "the device")
