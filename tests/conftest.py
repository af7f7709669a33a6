"""Every test runs with the compilation cache on: most of their time is XLA's."""

import os
from collections.abc import Iterator

# Before JAX starts: small programs run once, so what XLA saves by not optimising them is more
# than what they lose. Numbers are compared with references, not with optimised ones.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest


def pytest_configure(config: pytest.Config) -> None:
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(autouse=True, scope="module")
def _programs_of_one_module_at_a_time() -> Iterator[None]:
    """A thousand compiled programs take gigabytes, and Python's collector minutes to walk them."""
    yield
    jax.clear_caches()
