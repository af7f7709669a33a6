"""Memory that a step has freed serves the next one."""

import subprocess
import sys

import pytest

STEPS = """
import resource
import jax, jax.numpy as jnp
from jaxens.compilation import keep_memory
if {kept}:
    keep_memory()
step = jax.jit(lambda x: jnp.sort(x[:, None] * x, axis=0).sum(axis=1))  # 16 MiB of temporaries
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(jnp.ones(2048)).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_the_kernel_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    def pages_of_the_third_step(kept: bool) -> int:
        code = STEPS.format(kept=kept)
        command = [sys.executable, "-c", code]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    assert pages_of_the_third_step(kept=True) < pages_of_the_third_step(kept=False) / 4
