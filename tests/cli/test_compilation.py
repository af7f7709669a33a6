"""`keep_memory` makes a step reuse the memory that the step before has freed."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from jaxens.cli import compilation

STEPS = """
from statistics import median
from resource import RUSAGE_SELF, getrusage
import jax, jax.numpy as jnp
from jaxens.cli.compilation import keep_memory
if {keep}:
    keep_memory()
# 36 MiB of temporaries: glibc always returns freed blocks above 32 MiB by default.
step = jax.jit(lambda x: jnp.outer(x, x) @ x)
pages = [getrusage(RUSAGE_SELF).ru_minflt]
for _ in range(40):  # the heap grows for up to 20 steps
    step(jnp.ones(3072)).block_until_ready()
    pages.append(getrusage(RUSAGE_SELF).ru_minflt)
print(median(after - before for before, after in zip(pages, pages[1:])))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_freed_memory_is_not_returned_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    def page_faults(keep: bool) -> float:
        command = [sys.executable, "-c", STEPS.format(keep=keep)]
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    assert page_faults(keep=True) < page_faults(keep=False) / 100


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
@pytest.mark.parametrize(
    ("platforms", "plugins", "kept"),
    [
        (None, [], True),
        ("cpu", ["cuda"], True),
        (None, ["cuda"], False),
        ("cuda,cpu", ["cuda"], False),
    ],
)
def test_memory_is_kept_on_a_cpu_alone(
    monkeypatch: pytest.MonkeyPatch, platforms: str | None, plugins: list[str], kept: bool
) -> None:
    settings: list[tuple[int, int]] = []
    libc = SimpleNamespace(mallopt=lambda *setting: settings.append(setting))
    config = SimpleNamespace(values={"jax_platforms": platforms})
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    monkeypatch.setattr(compilation, "jax", SimpleNamespace(config=config))
    monkeypatch.setattr(compilation, "find_spec", lambda name: None)
    monkeypatch.setattr(compilation, "entry_points", lambda group: plugins)
    compilation.keep_memory()
    assert bool(settings) == kept
