"""`keep_memory` keeps freed memory. An unusable compilation cache is reported in one line."""

import ctypes
import os
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
step = jax.jit(lambda x, y: jnp.outer(x, x) @ y)
pages = [getrusage(RUSAGE_SELF).ru_minflt]
for _ in range(40):  # the heap grows for up to 20 steps
    step(jnp.ones(3072), jnp.ones((3072, 8))).block_until_ready()
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
    monkeypatch.setattr(compilation.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    monkeypatch.setattr(compilation, "jax", SimpleNamespace(config=config))
    monkeypatch.setattr(compilation, "find_spec", lambda name: None)
    monkeypatch.setattr(compilation, "entry_points", lambda group: plugins)
    compilation.keep_memory()
    assert bool(settings) == kept


COMPILE = """
from jaxens.cli.compilation import use_cache
from jaxens.cli.parser import run
def command():
    use_cache()
    import jax, jax.numpy as jnp
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    print(float(jax.jit(lambda x: jnp.sin(x) + 1)(0.0)))
run(command)
"""


def compiled(cache):
    return subprocess.run(
        [sys.executable, "-c", COMPILE],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.slow
def test_a_compilation_cache_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "jaxens").write_text("a file in the place of the folder")
    done = compiled(tmp_path)
    folder = tmp_path / "jaxens" / "xla"
    assert done.stdout == "1.0\n"
    assert done.stderr == (
        f"jaxens: {folder} can't be used (Not a directory): compiled programs are not kept\n"
    )


@pytest.mark.slow
def test_damaged_entries_of_the_compilation_cache_are_no_word(tmp_path):
    assert compiled(tmp_path).stderr == ""
    entries = [path for path in (tmp_path / "jaxens" / "xla").rglob("*") if path.is_file()]
    assert entries
    for path in entries:
        path.write_bytes(b"damaged")
    done = compiled(tmp_path)
    assert (done.stdout, done.stderr) == ("1.0\n", "")
