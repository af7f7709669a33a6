"""Memory that a step has freed serves the next one."""

import subprocess
import sys
from pathlib import Path

import pytest

STEPS = """
from resource import RUSAGE_SELF, getrusage
import jax, jax.numpy as jnp
from jaxens.cli.compilation import keep_memory
if {kept}:
    keep_memory()
# 36 MiB of temporaries: above 32, glibc always gives back what was freed.
step = jax.jit(lambda x: jnp.sort((x[:, None] * x).reshape(-1, 2), axis=1).sum(axis=0))
pages = [getrusage(RUSAGE_SELF).ru_minflt]
for _ in range(6):
    step(jnp.ones(3072)).block_until_ready()
    pages.append(getrusage(RUSAGE_SELF).ru_minflt)
print(min(after - before for before, after in zip(pages, pages[1:])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_the_kernel_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    def pages_of_a_step(kept: bool) -> int:
        command = [sys.executable, "-c", STEPS.format(kept=kept)]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    assert pages_of_a_step(kept=True) < pages_of_a_step(kept=False) / 4


FLAGS = """
import resource
import jax.numpy as jnp
from jaxens.cli.compilation import keep_memory
if {limited}:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 46, resource.RLIM_INFINITY))
keep_memory()
jnp.ones(1 << 24).block_until_ready()
with open("/proc/self/smaps") as lines:
    maps = lines.read().split("[heap]")[1:]
print(*(each.split("VmFlags:")[1].split("\\n")[0] for each in maps))
"""


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="of Linux with huge pages"
)
@pytest.mark.parametrize("limited", [False, True])
def test_memory_is_asked_for_in_huge_pages_but_where_addresses_are_limited(
    limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    command = [sys.executable, "-c", FLAGS.format(limited=limited)]
    flags = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    assert (b"hg" in flags.split()) != limited
